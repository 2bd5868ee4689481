//! Commands that write packages, ended in the midst of it: what a kill leaves the next run removes, and
//! a signal that can be caught leaves nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints").join(name)
}

/// A command on the bundled base and adapter, by its words before `--output`.
fn command(words: &[&str], output: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.args(words).arg("--model").arg(bundled("initial")).arg("--adapter").arg(bundled("sft"));
    command.arg("--output").arg(output).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped()).env_remove("WARDROBE_LOG").env_remove("RUST_LOG");
    command
}

const COMMANDS: [&[&str]; 4] = [
    &["export", "gguf", "--type", "q4_k_m"],
    &["export", "ollama", "--name", "demo", "--type", "q8_0"],
    &["export", "gguf-adapter"],
    &["merge", "--dtype", "f32"],
];

/// Names in a folder, hidden ones too.
fn entries(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts the command again and again until it is caught with a draft; then ends it by `signal`.
fn caught(words: &[&str], output: &Path, signal: &str) -> (ExitStatus, String) {
    let dir = output.parent().unwrap();
    let has_draft = || entries(dir).iter().any(|name| name.starts_with('.'));
    caught_when(&has_draft, &|| command(words, output), output, signal)
}

/// The same for a command that is caught in a certain state.
fn caught_when(
    in_it: &dyn Fn() -> bool,
    command: &dyn Fn() -> Command,
    output: &Path,
    signal: &str,
) -> (ExitStatus, String) {
    let dir = output.parent().unwrap();
    let give_up = Instant::now() + Duration::from_secs(120);
    while Instant::now() < give_up {
        let mut child = command().spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            if in_it() {
                send(&child, signal);
                break;
            }
            std::thread::yield_now();
        }
        let done = child.wait_with_output().unwrap();
        let before_its_end = !output.exists() && !done.status.success();
        if before_its_end {
            return (done.status, String::from_utf8(done.stderr).unwrap());
        }
        // It was done before the signal came.
        if output.is_dir() { fs_err::remove_dir_all(output) } else { fs_err::remove_file(output) }
            .unwrap();
        let _report = fs_err::remove_file(dir.join("out.export-report.json"));
    }
    panic!("{:?} was never caught at work", command());
}

fn send(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

#[test]
fn what_a_killed_run_left_the_next_one_removes() {
    for words in COMMANDS {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out");
        // It may be done with its draft in the moment before the kill.
        let left = (0..10).any(|_| {
            caught(words, &output, "-KILL");
            entries(dir.path()).iter().any(|name| name.starts_with('.'))
        });
        assert!(left && !output.exists(), "{words:?}: {:?}", entries(dir.path()));
        fs_err::write(dir.path().join(".out.notes"), "the user's").unwrap();
        let done = command(words, &output).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let mut names = entries(dir.path());
        names.retain(|name| name != "out" && name != "out.export-report.json");
        assert_eq!(names, [".out.notes"], "{words:?}");
    }
}

#[test]
fn a_signal_leaves_nothing_and_says_so_in_one_line() {
    for (words, (signal, status)) in
        COMMANDS.into_iter().zip([("-INT", 130), ("-TERM", 143)].into_iter().cycle())
    {
        let dir = tempfile::tempdir().unwrap();
        // Folders that were made for the result go too.
        let output = dir.path().join("new/folder/out");
        fs_err::create_dir_all(output.parent().unwrap()).unwrap();
        fs_err::remove_dir_all(dir.path().join("new")).unwrap();
        let (ended, stderr) = caught(words, &output, signal);
        assert_eq!(ended.code(), Some(status), "{words:?}: {stderr}");
        let name = signal.replace('-', "SIG");
        let last = stderr.lines().last().unwrap();
        let sentence = format!("error: ended by {name}; what was unfinished has been removed");
        assert_eq!(last, sentence, "{words:?}: {stderr}");
        assert_eq!(stderr.matches("error").count(), 1, "{stderr}");
        assert_eq!(entries(dir.path()), [] as [String; 0], "{words:?}");
    }
}

#[test]
fn a_choice_between_two_bases_leaves_no_trial_merge() {
    let inputs = tempfile::tempdir().unwrap();
    let [quantized, data] = ["q2.gguf", "data.jsonl"].map(|name| inputs.path().join(name));
    let mut export = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    export.args(["export", "gguf", "--type", "q2_k", "--no-verify", "--model"]);
    export.arg(bundled("initial")).arg("--output").arg(&quantized);
    let mut generate = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    generate.args(["data", "generate", "countdown", "--kind", "sft", "--n", "12", "--output"]);
    generate.arg(&data);
    for mut command in [export, generate] {
        assert!(command.output().unwrap().status.success());
    }
    let root = tempfile::tempdir().unwrap();
    let output = root.path().join("out");
    let choose = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
        command.arg("merge").arg("--model").arg(&quantized).arg("--original");
        command.arg(bundled("initial")).arg("--adapter").arg(bundled("sft"));
        command.arg("--choose-base").arg(&data).arg("--output").arg(&output);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    // A trial merge lies in a room of its own.
    let in_a_trial = || {
        let rooms = entries(root.path()).into_iter().filter(|name| name.ends_with(".drafts"));
        rooms.into_iter().any(|room| !entries(&root.path().join(room)).is_empty())
    };
    let (ended, stderr) = caught_when(&in_a_trial, &choose, &output, "-INT");
    assert_eq!((ended.code(), entries(root.path())), (Some(130), Vec::new()), "{stderr}");
    // Between two trials there is nothing to be left.
    let left = (0..10).any(|_| {
        caught_when(&in_a_trial, &choose, &output, "-KILL");
        in_a_trial()
    });
    assert!(left, "{:?}", entries(root.path()));
    let done = choose().output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(entries(root.path()), ["out"]);
}

#[test]
fn a_signal_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let words = ["merge", "--dtype", "f32", "--force"];
    let forced = ["export", "gguf", "--force"];
    for words in [&words[..], &forced] {
        let done = command(words, &output).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let before = listing(&output);
        for _ in 0..5 {
            let mut child = command(words, &output).spawn().unwrap();
            while child.try_wait().unwrap().is_none() {
                if entries(dir.path()).iter().any(|name| name.starts_with('.')) {
                    send(&child, "-INT");
                    break;
                }
            }
            child.wait().unwrap();
            assert_eq!(listing(&output), before, "{words:?}");
            assert!(!entries(dir.path()).iter().any(|name| name.starts_with('.')), "{words:?}");
        }
        if output.is_dir() {
            fs_err::remove_dir_all(&output)
        } else {
            fs_err::remove_file(&output)
        }
        .unwrap();
    }
}

/// Names and bytes of a file or of everything in a folder.
fn listing(path: &Path) -> Vec<(String, Vec<u8>)> {
    if path.is_file() {
        return vec![(String::new(), fs_err::read(path).unwrap())];
    }
    let names = entries(path).into_iter();
    names.map(|name| (name.clone(), fs_err::read(path.join(name)).unwrap())).collect()
}
