//! Files and folders appear whole or not at all.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use formats::Error;
use formats::whole::{
    Existing, clear_drafts, recover_dir, replace_dir, write_dir, write_file, write_file_with,
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

#[test]
fn drafts_of_killed_writers_can_be_cleared() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    write_dir(&path, Existing::Refuse, |draft| -> Result<(), Error> {
        // A writer that is killed runs no destructor: its draft stays under a name like this one.
        let stale = root.path().join(draft.with_extension("stale.draft").file_name().unwrap());
        fs_err::create_dir(&stale).unwrap();
        text("half")(&stale)
    })
    .unwrap();
    fs_err::write(root.path().join(".a.json.x1y2z3.draft"), "half").unwrap();
    fs_err::write(root.path().join(".other"), "").unwrap();
    assert_eq!(entries(root.path()).len(), 4);
    clear_drafts(root.path()).unwrap();
    assert_eq!(entries(root.path()), [".other", "out"]);
}
