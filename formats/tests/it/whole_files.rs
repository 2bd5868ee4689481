//! Files and folders appear whole or not at all.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::Error;
use formats::whole::{
    DraftRoom, Existing, abandon_drafts, clear_drafts, recover_dir, replace_dir, with_final_names,
    write_dir, write_file, write_file_with,
};

use crate::sentences::says;

/// Everything in a folder, hidden entries too, sorted.
fn entries(dir: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode()
}

/// Fills a folder with one file of this text.
fn text(text: &'static str) -> impl FnOnce(&Path) -> Result<(), Error> {
    move |dir| write_file(&dir.join("text"), text.as_bytes())
}

fn read_text(dir: &Path) -> String {
    fs_err::read_to_string(dir.join("text")).unwrap()
}

#[test]
fn a_file_is_replaced_and_has_ordinary_permissions() {
    let dir = tempfile::tempdir().unwrap();
    let (path, plain) = (dir.path().join("a.json"), dir.path().join("plain"));
    write_file(&path, b"one").unwrap();
    write_file(&path, b"two").unwrap();
    fs_err::write(&plain, "").unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), b"two");
    assert_eq!(mode(&path), mode(&plain));
    assert_eq!(entries(dir.path()), ["a.json", "plain"]);
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    write_file(&path, b"old").unwrap();
    let result = write_file_with(&path, |out| {
        out.write_all(&[0; 100_000])?;
        Err(io::Error::other("disk full"))
    });
    says(result, &["cannot write", "disk full"]);
    assert_eq!(fs_err::read(&path).unwrap(), b"old");
    assert_eq!(entries(dir.path()), ["a"]);
    says(write_file(&dir.path().join("no/such"), b""), &["no/such"]);
    says(write_file(Path::new("/"), b""), &["ends in a name"]);
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let size = 1 << 20;
    write_file(&path, &vec![0; size]).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let bytes = fs_err::read(&path).unwrap();
                assert_eq!(bytes.len(), size);
                assert!(bytes.iter().all(|&byte| byte == bytes[0]), "mixed contents");
                reads += 1;
            }
            reads
        });
        for round in 1..40u8 {
            write_file(&path, &vec![round; size]).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_folder_is_refused_or_replaced() {
    let root = tempfile::tempdir().unwrap();
    let (path, plain) = (root.path().join("out"), root.path().join("plain"));
    write_dir(&path, Existing::Refuse, text("one")).unwrap();
    let again = write_dir(&path, Existing::Refuse, |_| -> Result<(), Error> {
        panic!("must not be filled")
    });
    says(again, &["out", "exists already"]);
    assert_eq!(read_text(&path), "one");
    replace_dir(&path, text("two")).unwrap();
    assert_eq!(read_text(&path), "two");
    fs_err::create_dir(&plain).unwrap();
    assert_eq!(mode(&path), mode(&plain));
    assert_eq!(entries(root.path()), ["out", "plain"]);
}

#[test]
fn a_folder_whose_filling_fails_leaves_the_old_one_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    replace_dir(&path, text("one")).unwrap();
    let result = replace_dir(&path, |dir| -> Result<(), Error> {
        text("half")(dir)?;
        Err(io::Error::other("stopped").into())
    });
    says(result, &["stopped"]);
    assert_eq!(read_text(&path), "one");
    assert_eq!(entries(root.path()), ["out"]);
}

#[test]
fn a_replacement_that_a_crash_interrupted_is_put_right() {
    let root = tempfile::tempdir().unwrap();
    let (path, aside) = (root.path().join("out"), root.path().join(".out.replaced"));
    // Between the two renames: only the old folder is there, aside.
    replace_dir(&path, text("old")).unwrap();
    fs_err::rename(&path, &aside).unwrap();
    recover_dir(&path).unwrap();
    assert_eq!(read_text(&path), "old");
    assert_eq!(entries(root.path()), ["out"]);
    // After the second rename: both are there, the old one is done with.
    fs_err::rename(&path, &aside).unwrap();
    fs_err::create_dir(&path).unwrap();
    text("new")(&path).unwrap();
    replace_dir(&path, text("newer")).unwrap();
    assert_eq!(read_text(&path), "newer");
    assert_eq!(entries(root.path()), ["out"]);
    recover_dir(&root.path().join("never")).unwrap();
}

/// Whether the tests' own file system lets two folders change places.
fn exchanges() -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let root = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| root.path().join(name));
    fs_err::create_dir(&one).unwrap();
    fs_err::create_dir(&other).unwrap();
    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok()
}

#[test]
fn at_no_moment_of_a_replacement_is_there_no_folder() {
    if !exchanges() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    replace_dir(&path, text("one")).unwrap();
    let done = AtomicBool::new(false);
    let (seen, absent) = std::thread::scope(|scope| {
        let observer = scope.spawn(|| {
            let (mut seen, mut absent) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                seen += 1;
                absent += usize::from(!path.exists());
            }
            (seen, absent)
        });
        (0..1000).for_each(|_| replace_dir(&path, text("another")).unwrap());
        done.store(true, Ordering::Relaxed);
        observer.join().unwrap()
    });
    assert!(seen > 1000 && absent == 0, "absent at {absent} of {seen} looks");
    assert_eq!(entries(root.path()), ["out"]);
}

/// Two files of the same text.
fn pair(text: &str) -> impl FnOnce(&Path) -> Result<(), Error> {
    move |dir| ["a", "b"].iter().try_for_each(|name| write_file(&dir.join(name), text.as_bytes()))
}

#[test]
fn a_replacement_killed_at_any_moment_leaves_one_of_both_folders_whole() {
    const PATH: &str = "REPLACE_FOR_EVER";
    if let Some(path) = std::env::var_os(PATH) {
        // The process that is killed: this test, run again.
        for round in 0_u64.. {
            replace_dir(Path::new(&path), pair(&format!("{} {round}", std::process::id())))
                .unwrap();
        }
    }
    if !exchanges() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    replace_dir(&path, pair("first")).unwrap();
    let whole = || {
        let [a, b] = ["a", "b"].map(|name| fs_err::read_to_string(path.join(name)).unwrap());
        assert_eq!(a, b);
        a
    };
    let name = "whole_files::a_replacement_killed_at_any_moment_leaves_one_of_both_folders_whole";
    for round in 0..40 {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name]).env(PATH, &path).stdout(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        let its = format!("{} ", child.id());
        // The folder may be another one between a look at its name and one into it.
        let begun =
            || fs_err::read_to_string(path.join("a")).is_ok_and(|text| text.starts_with(&its));
        while !begun() {
            assert!(child.try_wait().unwrap().is_none(), "the writer ended by itself");
        }
        std::thread::sleep(std::time::Duration::from_micros(97 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(whole().starts_with(&its));
    }
    replace_dir(&path, pair("last")).unwrap();
    assert_eq!((whole().as_str(), entries(root.path())), ("last", vec!["out".to_owned()]));
}

/// The names of drafts of `of`, as processes that are gone would have left them.
fn leave(dir: &Path, of: &str) -> [std::path::PathBuf; 4] {
    let [file, folder, room, gone] =
        ["draft", "draft", "drafts", "draft.gone"].map(|end| format!(".{of}.4711-aB3xYz.{end}"));
    let folder = folder.replace("4711", "4712");
    fs_err::write(dir.join(&file), "half").unwrap();
    for name in [&folder, &room, &gone] {
        fs_err::create_dir(dir.join(name)).unwrap();
        fs_err::write(dir.join(name).join("text"), "half").unwrap();
    }
    [file, folder, room, gone].map(|name| dir.join(name))
}

#[test]
fn the_next_writer_of_a_path_clears_what_killed_ones_left() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let theirs = [".out.notes.draft", ".out.12-toolong.draft", ".out.x-aB3xYz.draft", ".out"];
    for name in theirs {
        fs_err::write(dir.join(name), "the user's").unwrap();
    }
    std::os::unix::fs::symlink(dir.join(".out"), dir.join(".out.1-aB3xYz.draft")).unwrap();
    leave(dir, "out");
    let other = leave(dir, "out.json");
    write_dir(&dir.join("out"), Existing::Refuse, text("one")).unwrap();
    let mut left = entries(dir);
    left.retain(|name| !theirs.contains(&name.as_str()));
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(left.contains(&".out.1-aB3xYz.draft".to_owned()) && other.iter().all(|it| it.exists()));
    write_file(&dir.join("out.json"), b"").unwrap();
    assert!(!other.iter().any(|it| it.exists()), "{other:?}");
    assert_eq!(read_text(&dir.join("out")), "one");
}

#[test]
fn a_draft_that_somebody_works_on_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    let room = DraftRoom::beside(&path).unwrap();
    fs_err::write(room.path().join("part"), "").unwrap();
    replace_dir(&path, |dir| -> Result<(), Error> {
        text("first")(dir)?;
        write_file_with(&root.path().join("file"), |_| {
            // Others come and go meanwhile.
            replace_dir(&path, text("second")).unwrap();
            write_file(&root.path().join("file"), b"second").unwrap();
            clear_drafts(root.path()).unwrap();
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(read_text(&path), "first");
    assert_eq!(fs_err::read(root.path().join("file")).unwrap(), b"");
    assert!(room.path().join("part").exists());
    drop(room);
    assert_eq!(entries(root.path()), ["file", "out"]);
}

#[test]
fn writers_of_one_path_do_not_clear_one_another() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a");
    std::thread::scope(|scope| {
        for byte in 0..8u8 {
            let path = &path;
            scope.spawn(move || (0..50).for_each(|_| write_file(path, &[byte; 64]).unwrap()));
        }
    });
    assert_eq!(fs_err::read(&path).unwrap().len(), 64);
    assert_eq!(entries(root.path()), ["a"]);
}

#[test]
fn drafts_of_killed_writers_can_be_cleared_and_our_own_abandoned() {
    let root = tempfile::tempdir().unwrap();
    leave(root.path(), "a");
    leave(root.path(), "b.json");
    fs_err::write(root.path().join(".other"), "").unwrap();
    let room = DraftRoom::beside(&root.path().join("c")).unwrap();
    clear_drafts(root.path()).unwrap();
    assert_eq!(entries(root.path()).len(), 2);
    abandon_drafts(root.path()).unwrap();
    assert_eq!(entries(root.path()), [".other"]);
    drop(room);
}

#[test]
fn messages_name_what_drafts_were_to_become() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("my out.gguf");
    let room = DraftRoom::beside(&path).unwrap();
    let failed = |path: &Path| {
        let write = |dir: &Path| fs_err::write(dir.join("no/such"), "").map_err(Error::from);
        with_final_names(&replace_dir(path, write).unwrap_err().to_string())
    };
    let shown = format!("`{}/no/such`", path.display());
    assert!(failed(&path).contains(&shown), "{}", failed(&path));
    let inside = room.path().join("my out.gguf");
    assert!(failed(&inside).contains(&shown), "{}", failed(&inside));
    let nowhere = write_file(&root.path().join("no/such"), b"").unwrap_err().to_string();
    assert_eq!(nowhere.matches("no/such").count(), 1, "{nowhere}");
    let plain = "cannot write /a/.b.draft/c and 3.14-0.draft";
    assert_eq!(with_final_names(plain), plain);
}
