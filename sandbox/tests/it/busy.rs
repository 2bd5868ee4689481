//! A busy machine: programs yield to everything else on it, and are not called slow for that.

use std::process::{Child, Command};
use std::time::Duration;

use sandbox::{End, Limits};

use crate::support::{WAYS, Way, limits, text};

/// A loop for each processor of the machine.
struct Busy(Vec<Child>);

impl Busy {
    fn begin() -> Self {
        let loops = std::thread::available_parallelism().unwrap().get();
        let start = |_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        Self((0..loops).map(start).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

#[test]
fn who_waits_for_a_processor_is_not_late() {
    let _busy = Busy::begin();
    let limits = Limits { wall: Duration::from_secs(1), ..limits() };
    let compute = "import time\ndef f():\n  while time.process_time() < 0.05: pass\n";
    let in_a_thread = "import threading\nt = threading.Thread(target=f)\nt.start()\nt.join()\n";
    for (way, source, end) in [
        (Way::Program, format!("{compute}f()"), End::Exited(0)),
        (Way::Server, format!("{compute}{in_a_thread}"), End::Exited(0)),
        (Way::Server, "import time\ntime.sleep(100)".to_owned(), End::WallLimit),
    ] {
        assert_eq!(way.run(&source, b"", &limits).end, end, "{way:?} {source}");
    }
}

#[test]
fn programs_yield_to_all_others() {
    for way in WAYS {
        let said = |source: &str| text(&way.run(source, b"", &limits()).stdout);
        if std::path::Path::new("/proc/self/schedstat").exists() {
            assert_eq!(
                said("import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))"),
                "19\n",
                "{way:?}"
            );
        }
        let session = said("print(open('/proc/self/autogroup').read())");
        assert!(session.is_empty() || session.contains("nice 19"), "{way:?} {session}");
    }
}
