//! `wardrobe sandbox` as a program: its status, its one line, its record.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn wardrobe(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wardrobe"))
        .arg("sandbox")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read.
    drop(child.stdin.take().unwrap().write_all(stdin));
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_script_runs_with_its_input_and_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("double.py");
    fs_err::write(&script, "import sys\nprint(2 * int(input()))\nsys.exit(3)").unwrap();
    let script = script.to_str().unwrap();
    let run = ["run", "--sandbox", "best-effort", "--", "python3", script];
    let output = wardrobe(&run, b"21\n");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("42\n", ""));
}

#[test]
fn a_program_is_started_where_it_lies_if_it_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program.sh");
    fs_err::write(&program, "#!/bin/sh\ncat \"$1\"\n").unwrap();
    let input = folder.path().join("in.txt");
    fs_err::write(&input, "given\n").unwrap();
    let [program, input] = [&program, &input].map(|path| path.to_str().unwrap());
    let run = ["run", "--sandbox", "best-effort", "--", program, input];
    let refused = wardrobe(&run, b"");
    assert!(text(&refused.stderr).contains("chmod +x"), "{}", text(&refused.stderr));
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(program, open).unwrap();
    let output = wardrobe(&run, b"");
    assert_eq!(text(&output.stdout), "given\n", "{}", text(&output.stderr));
    for (wrong, says) in [
        ("./no-such-program", "there is no program ./no-such-program"),
        ("/usr/bin", "is a folder"),
    ] {
        let output = wardrobe(&["run", "--sandbox", "best-effort", "--", wrong], b"");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
}

#[test]
fn files_of_one_name_are_refused_and_one_file_is_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| {
        fs_err::create_dir(folder.path().join(name)).unwrap();
        let path = folder.path().join(name).join("in.txt");
        fs_err::write(&path, format!("{name}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    });
    let cat = |first: &str, second: &str| {
        wardrobe(&["run", "--sandbox", "best-effort", "--", "cat", first, second], b"")
    };
    let twice = cat(&paths[0], &paths[0]);
    assert_eq!(text(&twice.stdout), "a\na\n", "{}", text(&twice.stderr));
    let refused = cat(&paths[0], &paths[1]);
    assert!(text(&refused.stderr).contains("under one name"), "{}", text(&refused.stderr));
}

#[test]
fn a_limit_is_one_line_and_a_status_of_its_own() {
    for (option, value, source, line) in [
        ("--cpu", "0.2", "while True: pass", "stopped: more than 200ms of processor time\n"),
        ("--wall", "0.3", "import time; time.sleep(9)", "stopped: more than 300ms by the clock\n"),
        ("--output", "9", "print('x' * 99)", "stopped: more than 9 bytes of output\n"),
    ] {
        let run = ["run", "--sandbox", "best-effort", option, value, "--", "python3", "-c", source];
        let output = wardrobe(&run, b"");
        assert_eq!(output.status.code(), Some(124), "{source}");
        assert_eq!(text(&output.stderr), line);
    }
}

#[test]
fn the_check_says_the_same_in_words_and_as_json() {
    let words = wardrobe(&["check"], b"");
    assert!(words.status.success());
    let json: serde_json::Value =
        serde_json::from_slice(&wardrobe(&["check", "--json"], b"").stdout).unwrap();
    for active in json["active"].as_array().unwrap() {
        let line = format!("yes  {}\n", active.as_str().unwrap());
        assert!(text(&words.stdout).contains(&line), "{line}");
    }
    // What stands behind another protection makes no sandbox incomplete.
    let spare = ["separate-user", "control-group"].map(serde_json::Value::from);
    let missing = json["missing"].as_array().unwrap();
    let complete = missing.iter().all(|one| spare.contains(&one["protection"]));
    assert_eq!(text(&words.stdout).contains("Complete:"), complete);
    for one in missing {
        let (name, why) = (one["protection"].as_str().unwrap(), one["why"].as_str().unwrap());
        let optional = if spare.contains(&one["protection"]) { " (optional)" } else { "" };
        let line = format!("no   {name}{optional}: {why}\n");
        assert!(text(&words.stdout).contains(&line), "{line}");
    }
}

#[test]
fn wrong_usage_is_told_in_one_sentence() {
    let output = wardrobe(&["run", "--sandbox", "maybe", "--", "true"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("expected strict, best-effort or off, found `maybe`"));
    for (option, value, says) in [
        ("--memory", "0", "expected 16MiB at least"),
        ("--memory", "1M", "expected 16MiB at least"),
        ("--processes", "0", "0 is not in 1..="),
        ("--files", "18446744073709551615", "is not in 1..="),
    ] {
        let output = wardrobe(&["run", option, value, "--", "true"], b"");
        assert_eq!(output.status.code(), Some(2), "{option} {value}");
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    let output = wardrobe(&["run", "--sandbox", "best-effort", "--", "no-such-program"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no program \"no-such-program\""));
}
