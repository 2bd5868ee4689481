//! The same sandbox on other kinds of machine: for an ordinary user, and where namespaces are not
//! granted. Each is this test program again, started as the other machine would start it.

use std::process::Command;
use std::time::Duration;

use sandbox::{End, Limits, Protection, Sandbox, Strictness};

use crate::support::{Way, alive, attack, limits, mark, sandbox, text};

/// Starts this program again below a command; false where the machine has no such command.
fn again(below: &[&str], tests: &[&str], variable: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("again");
    fs_err::copy(std::env::current_exe().unwrap(), &own).unwrap();
    open_to_all(folder.path());
    let usable = Command::new(below[0]).args(&below[1..]).arg("true").output();
    if !usable.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested here: {below:?} does not work");
        return false;
    }
    let output = Command::new(below[0])
        .args(&below[1..])
        .arg(&own)
        .args(tests)
        .args(["--test-threads", "2"])
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env(variable, "1")
        .current_dir("/")
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("running 0 tests"), "{said}");
    true
}

fn open_to_all(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_ordinary_user_is_protected_as_well() {
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let tests = [
        "calls::",
        "files::",
        "state::",
        "ends::",
        "processes::others_cannot",
        "resources::memory_that_nobody_has",
        "machines::protections_are_told",
    ];
    again(&nobody, &tests, "SANDBOX_USER");
}

#[test]
fn without_namespaces_the_rest_carries_most_of_it() {
    // A user namespace that may have none below it.
    let none = [
        "unshare",
        "-Ur",
        "sh",
        "-c",
        "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"",
        "sh",
    ];
    again(&none, &["machines::bare", "machines::protections_are_told"], "SANDBOX_BARE");
}

/// They are recorded with a result, and a later run compares: where something is missing as well.
#[test]
fn protections_are_told_the_same_each_time() {
    let [first, second] = [0, 1].map(|_| Sandbox::new(Strictness::BestEffort).unwrap());
    assert_eq!(first.protections(), second.protections());
    let own = std::process::id().to_string();
    for missing in &first.protections().missing {
        assert!(!missing.why.contains(&own), "{}", missing.why);
    }
}

#[test]
fn root_without_namespaces_gives_programs_none_of_its_power() {
    // Behind a root of its own nobody may have a user namespace, root neither.
    let moved =
        ["unshare", "-m", "sh", "-c", "mount --rbind / /mnt && exec chroot /mnt \"$@\"", "sh"];
    again(&moved, &["machines::bare"], "SANDBOX_BARE");
}

#[test]
fn what_the_system_allows_less_of_stays_less() {
    let lower = ["prlimit", "--fsize=65536:65536", "--core=0:0", "--nofile=200:200"];
    again(&lower, &["machines::lowered"], "SANDBOX_LOWERED");
}

#[test]
fn lowered_limits_are_no_failure() {
    if std::env::var_os("SANDBOX_LOWERED").is_none() {
        return;
    }
    let source = "import resource\nfor limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE): print(*resource.getrlimit(limit))";
    for way in [Way::Server, Way::Program] {
        let outcome = way.run(source, b"", &limits());
        assert_eq!(text(&outcome.stdout), "65536 65536\n200 200\n", "{}", text(&outcome.stderr));
    }
}

/// What a caller who is killed leaves: a job that would sleep on, found by its name.
#[test]
fn jobs_go_with_a_caller_who_is_killed() {
    if let Some(mark) = std::env::var_os("SANDBOX_KILLED") {
        let name =
            format!("import ctypes, time\nctypes.CDLL(None).prctl(15, b{mark:?})\ntime.sleep(300)");
        let limits = Limits { wall: Duration::from_secs(300), ..limits() };
        std::thread::scope(|scope| {
            scope.spawn(|| Way::Server.run(&name, b"", &limits));
            scope.spawn(|| Way::Program.run(&name, b"", &limits));
        });
        return;
    }
    let mark = mark();
    let own = std::env::current_exe().unwrap();
    let mut caller = Command::new(own)
        .args(["--exact", "machines::jobs_go_with_a_caller_who_is_killed"])
        .env("SANDBOX_KILLED", &mark)
        .spawn()
        .unwrap();
    let until = |count| {
        // Minutes pass only where the test fails.
        for _ in 0..6000 {
            if alive(&mark).len() == count {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    };
    let begun = until(2);
    caller.kill().unwrap();
    caller.wait().unwrap();
    assert!(begun, "{:?}", alive(&mark));
    assert!(until(0), "{:?}", alive(&mark));
}

/// Runs where `SANDBOX_BARE` says that there are no namespaces.
fn is_bare() -> bool {
    std::env::var_os("SANDBOX_BARE").is_some()
}

#[test]
fn bare_says_what_is_missing_and_strict_refuses() {
    if !is_bare() {
        return;
    }
    assert!(!sandbox().protections().has(Protection::UserNamespace));
    assert!(sandbox().protections().has(Protection::Seccomp));
    let error = Sandbox::new(Strictness::Strict).err().unwrap().to_string();
    assert!(error.contains("max_user_namespaces"), "{error}");
}

#[test]
fn bare_honest_programs_run() {
    if !is_bare() {
        return;
    }
    for way in [Way::Server, Way::Program] {
        let outcome = way.run(
            "import sys\nfor line in sys.stdin: print(int(line) + 1)",
            b"1\n2\n",
            &limits(),
        );
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout), "2\n3\n");
    }
}

#[test]
fn bare_roots_programs_are_not_root() {
    if !is_bare() || !sandbox().protections().has(Protection::SeparateUser) {
        return;
    }
    let source = "
import os, resource
def refused(what, *arguments):
    try: print(what, arguments, what(*arguments))
    except OSError: pass
assert os.getuid() >= 65534 and os.getgid() >= 65534 and os.getgroups() == []
assert resource.getrlimit(resource.RLIMIT_NPROC)[1] != resource.RLIM_INFINITY
refused(os.setuid, 0)
refused(os.chown, '.', 0, 0)
refused(os.mknod, 'device', 0o60666, os.makedev(8, 0))
print(os.stat('.').st_uid == os.getuid())
";
    for outcome in attack(source, &limits()) {
        assert_eq!(text(&outcome.stdout), "True\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn bare_attacks_fail() {
    if !is_bare() {
        return;
    }
    let secret = tempfile::NamedTempFile::new().unwrap();
    let secret = secret.path().to_str().unwrap().to_owned();
    let host = std::process::id();
    let source = format!(
        "
import os, socket
def refused(what, *arguments):
    try: print(what, arguments, what(*arguments))
    except OSError: pass
for path in ({secret:?}, '/etc/passwd', '/proc/{host}/environ', '/proc/1/status', '/root', '/home'):
    refused(open, path)
    refused(os.listdir, path)
refused(open, '/tmp/new', 'w')
refused(open, '/dev/shm/new', 'w')
refused(socket.socket)
refused(os.kill, {host}, 0)
"
    );
    for outcome in attack(&source, &limits()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout), "");
    }
    let daemon = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork(): os._exit(0)\n  time.sleep(100)\nos.wait()";
    for outcome in attack(daemon, &limits()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
    }
}
