//! Attacks on what is not theirs to see: the host's files, its environment, its other processes.

use std::process::id;

use sandbox::{End, Program};

use crate::support::{attack, limits, sandbox, text};

/// Every one of these paths is absent or refused, for reading and for listing.
fn unseen(paths: &[String]) {
    let source = format!(
        "import os\nfor path in {paths:?}:\n  for look in (lambda p: open(p, 'rb').read(1), os.listdir):\n    \
         try: print(path, look(path))\n    except OSError: pass"
    );
    for outcome in attack(&source, &limits()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout), "");
    }
}

#[test]
fn the_hosts_files_are_not_there() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(secret.path(), "the answer").unwrap();
    let here = env!("CARGO_MANIFEST_DIR");
    let paths = [
        secret.path().to_str().unwrap(),
        here,
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hostname",
        "/root/.cargo",
        "/root/.profile",
        "/home",
        "/var",
        "/run",
        "/sys",
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/1/fd",
        "/proc/1/root",
        "/proc/sys/kernel",
        "/proc/kcore",
        "/proc/meminfo",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/tty",
        "/dev/fuse",
        "/dev/kvm",
    ];
    let mut paths: Vec<String> = paths.map(str::to_owned).to_vec();
    for name in ["mem", "environ", "fd", "root", "cwd", "maps"] {
        paths.push(format!("/proc/{}/{name}", id()));
    }
    for escape in ["..", "../..", "../../../../..", "/proc/self/root", "/proc/self/cwd/../.."] {
        paths.push(format!("{escape}/etc/passwd"));
        paths.push(format!("{escape}{here}"));
    }
    unseen(&paths);
}

#[test]
fn the_root_holds_the_system_and_nothing_else() {
    let source = "import os\nprint(sorted(os.listdir('/')), sorted(os.listdir('.')))";
    for outcome in attack(source, &limits()) {
        let said = text(&outcome.stdout);
        for absent in ["home", "var", "run", "sys", "mnt", "boot", "srv", "work"] {
            assert!(!said.contains(&format!("'{absent}'")), "{absent}: {said}");
        }
        assert!(said.trim().ends_with("['main.py']"), "{said}");
    }
}

#[test]
fn of_the_systems_files_programs_and_libraries_are_there() {
    let folders = ["/usr", "/usr/local", "/usr/share"];
    let source = format!(
        "import os\nfor folder in {folders:?}:\n  if os.path.isdir(folder): print(*os.listdir(folder), sep='\\n')"
    );
    let known = ["bin", "lib", "lib32", "lib64", "libexec", "libx32", "local", "share", "zoneinfo"];
    for outcome in attack(&source, &limits()) {
        let said = text(&outcome.stdout);
        assert!(said.lines().any(|line| line == "lib"), "{said} {}", text(&outcome.stderr));
        for line in said.lines() {
            assert!(known.contains(&line), "{line}");
        }
    }
    unseen(&["/usr/src", "/usr/local/src", "/usr/local/etc", "/usr/share/doc"].map(str::to_owned));
}

#[test]
fn a_file_that_was_asked_for_can_be_read_and_started_where_it_lies() {
    // Below the folder whose place a link takes inside.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("program");
    fs_err::write(&path, "#!/bin/sh\necho started\n").unwrap();
    fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = Program {
        argv: vec![path.to_str().unwrap().to_owned()],
        readable: vec![path.clone()],
        ..Program::default()
    };
    let outcome = sandbox().run(&program, &limits()).unwrap();
    assert_eq!(text(&outcome.stdout), "started\n", "{}", text(&outcome.stderr));
}

#[test]
fn the_environment_is_empty() {
    // What the interpreter itself sets for its locale is no secret, nor that there is one processor.
    let source = "import ctypes, os\nthreads = {name + '_NUM_THREADS' for name in ('OPENBLAS', 'OMP', 'MKL')}\n\
                  assert {os.environ[name] for name in threads} == {'1'}\n\
                  print(sorted(set(os.environ) - {'LC_CTYPE'} - threads))\n\
                  getenv = ctypes.CDLL(None).getenv\ngetenv.restype = ctypes.c_char_p\n\
                  print([getenv(name) for name in (b'PATH', b'HOME', b'CARGO_MANIFEST_DIR', b'OPENAI_API_KEY')])";
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "there is something to hide");
    for outcome in attack(source, &limits()) {
        assert_eq!(
            text(&outcome.stdout),
            "[]\n[None, None, None, None]\n",
            "{}",
            text(&outcome.stderr)
        );
    }
}

#[test]
fn only_its_own_files_are_open() {
    let source = "import os\nprint(sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])\n\
                  for fd in range(3, 256):\n  try: os.fstat(fd); print('open', fd)\n  except OSError: pass";
    for outcome in attack(source, &limits()) {
        // The fourth is the listing's own.
        assert_eq!(text(&outcome.stdout), "[0, 1, 2, 3]\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn nothing_but_the_working_folder_can_be_written() {
    let source = "
import os
def refused(what, *arguments):
    try: print(what.__name__, arguments, what(*arguments))
    except OSError: pass
for folder in ('/', '/usr', '/usr/lib', '/bin', '/dev', '/box', '/etc', '/proc', '/proc/self', os.path.dirname(os.__file__)):
    refused(open, folder + '/new', 'w')
    refused(os.mkdir, folder + '/folder')
    refused(os.symlink, '/', folder + '/link')
    refused(os.chmod, folder, 0o777)
    refused(os.rename, 'main.py', folder + '/moved')
refused(open, os.__file__, 'a')
refused(os.unlink, os.__file__)
refused(os.link, '/bin/sh', 'sh')
refused(os.mknod, 'device', 0o20666, os.makedev(1, 1))
refused(os.chown, 'main.py', 12345, 12345)
refused(os.chroot, '.')
";
    for outcome in attack(source, &limits()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout), "");
    }
}

#[test]
fn links_out_of_the_folder_lead_nowhere() {
    let source = "
import os
os.symlink('/proc/1/root/etc/passwd', 'a')
os.symlink('../../../../../etc/passwd', 'b')
os.symlink('/proc/self/root/root', 'c')
for name in 'abc':
    try: print(open(name).read(10))
    except OSError: pass
for fd in range(3):
    path = '/proc/self/fd/%d' % fd
    print(os.readlink(path).split(':')[0].split(' ')[0])
";
    for outcome in attack(source, &limits()) {
        assert_eq!(text(&outcome.stdout), "/memfd\npipe\npipe\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn the_input_cannot_be_changed() {
    let source = "
import os
for act in (lambda: os.write(0, b'x'), lambda: os.ftruncate(0, 9), lambda: os.write(os.open('/dev/stdin', os.O_RDWR), b'x')):
    try: print(act())
    except OSError: pass
";
    for outcome in attack(source, &limits()) {
        assert_eq!(text(&outcome.stdout), "", "{}", text(&outcome.stderr));
    }
}
