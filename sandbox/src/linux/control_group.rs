//! Control groups: the kernel's own account of a tree's memory and processes, where this process may
//! make groups (root, or a subtree that was delegated to it). They stand behind the watch, which
//! looks now and then, and count what it cannot see: files in memory and the kernel's own memory.
//!
//! Where they may be made they also hold programs of the lowest priority back: of a group that is
//! called idle no process keeps another waiting, whereas one of low priority finishes its turn first.
//!
//! Left out: enabling controllers where an administrator has not, and moving any process but ours.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fs_err as fs;

use super::hierarchy::{Mount, place};
use crate::{Error, Limits};

/// Every group of ours is called so, with its owner's process id and a number.
const NAME: &str = "wardrobe-";
/// Memory that our own processes in a group may have.
const OURS: u64 = 64 << 20;
/// Processes of ours in a group.
const OUR_PROCESSES: u32 = 4;
/// Whether a group is idle, in both versions.
const IDLE: &str = "cpu.idle";

/// The two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// A hierarchy a controller; this is the one of this controller.
    One(Controller),
    /// One hierarchy for all.
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Processes,
    Processor,
}

/// The folders that groups are made in.
type Places = Vec<(PathBuf, Version)>;

/// Where groups are made.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    places: Places,
    /// In the first version, where groups that share out processors are made.
    processor: Option<PathBuf>,
}

/// A group of ours, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Group {
    folders: Vec<(PathBuf, Version)>,
}

impl Groups {
    /// The place for groups on this machine, tried; what earlier runs left there is swept away.
    /// Otherwise why there is none.
    pub(super) fn find() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let found = [second(&mounts, &own), first(&mounts, &own)];
        let mut why = "no hierarchy with the controllers memory and pids is mounted".to_owned();
        for found in found.into_iter().flatten() {
            let groups = match found {
                Ok(places) => Self { places, processor: place(&mounts, &own, "cpu") },
                Err(bounded) => {
                    why = bounded;
                    continue;
                }
            };
            groups.sweep();
            match groups.make().and_then(|group| group.limit(&Limits::default())) {
                Ok(()) => return Ok(groups),
                Err(error) => why = error.without_names(),
            }
        }
        Err(why)
    }

    /// A fresh group. What a killed run with the same process id left is removed or passed over.
    pub(super) fn make(&self) -> Result<Group, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{NAME}{}-{number}", std::process::id());
            match self.make_named(&name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    for (place, _) in &self.places {
                        drop(fs::remove_dir(place.join(&name)));
                    }
                }
                made => return made.map_err(Error::io("making a control group")),
            }
        }
    }

    fn make_named(&self, name: &str) -> io::Result<Group> {
        let mut group = Group { folders: Vec::new() };
        for (place, version) in &self.places {
            let folder = place.join(name);
            fs::create_dir(&folder)?;
            group.folders.push((folder, *version));
        }
        Ok(group)
    }

    /// A fresh group whose processes have the processors that nobody else wants, as far as that may
    /// be asked for here.
    pub(super) fn make_idle(&self) -> Result<Group, Error> {
        let mut group = self.make()?;
        let first = group.folders[0].0.clone();
        let Some(place) = &self.processor else {
            drop(fs::write(first.join(IDLE), "1"));
            return Ok(group);
        };
        let folder = first.file_name().map(|name| place.join(name));
        if let Some(folder) = folder.filter(|folder| fs::create_dir(folder).is_ok()) {
            // In a group that is not idle a low priority would count among its own alone.
            match fs::write(folder.join(IDLE), "1") {
                Ok(()) => group.folders.push((folder, Version::One(Controller::Processor))),
                Err(_) => drop(fs::remove_dir(folder)),
            }
        }
        Ok(group)
    }

    /// Removes groups whose owner is gone: a killed run leaves empty ones.
    fn sweep(&self) {
        let places = self.places.iter().map(|(place, _)| place).chain(&self.processor);
        let entries = places.filter_map(|place| fs::read_dir(place).ok());
        for entry in entries.flat_map(|entries| entries.flatten()) {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next());
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                // One that still has a process stays: the system refuses.
                drop(fs::remove_dir(entry.path()));
            }
        }
    }
}

impl Group {
    /// Puts a process into the group, and with it all that it starts.
    pub(super) fn add(&self, pid: i32) -> Result<(), Error> {
        self.folders.iter().try_for_each(|(folder, _)| {
            fs::write(folder.join("cgroup.procs"), pid.to_string())
                .map_err(Error::io("putting a process into its control group"))
        })
    }

    /// Bounds memory, that of files in the working folder included, and processes.
    pub(super) fn limit(&self, limits: &Limits) -> Result<(), Error> {
        let memory = limits.memory.saturating_add(limits.disk).saturating_add(OURS).to_string();
        let processes = limits.processes.saturating_add(OUR_PROCESSES).to_string();
        let set = |folder: &Path, file: &str, value: &str| {
            fs::write(folder.join(file), value).map_err(Error::io("limiting a control group"))
        };
        for (folder, version) in &self.folders {
            match version {
                Version::One(Controller::Memory) => {
                    // With swap counted as well, which may not be the less of the two: before memory
                    // is raised, after it is lowered. Not every kernel counts swap.
                    let swap = "memory.memsw.limit_in_bytes";
                    let counts_swap = folder.join(swap).exists();
                    if counts_swap {
                        drop(set(folder, swap, &memory));
                    }
                    set(folder, "memory.limit_in_bytes", &memory)?;
                    if counts_swap {
                        set(folder, swap, &memory)?;
                    }
                }
                Version::One(Controller::Processes) => set(folder, "pids.max", &processes)?,
                Version::One(Controller::Processor) => {}
                Version::Two => {
                    set(folder, "memory.max", &memory)?;
                    set(folder, "pids.max", &processes)?;
                    // Not there on a machine that cannot swap.
                    drop(set(folder, "memory.swap.max", "0"));
                }
            }
        }
        Ok(())
    }

    /// How many processes of the group the system has ended for want of memory.
    pub(super) fn ended_for_memory(&self) -> u64 {
        let counts = self.folders.iter().filter_map(|(folder, version)| {
            let file = match version {
                Version::One(Controller::Memory) => "memory.oom_control",
                Version::One(Controller::Processes | Controller::Processor) => return None,
                Version::Two => "memory.events",
            };
            let text = fs::read_to_string(folder.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse::<u64>().ok()
        });
        counts.sum()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for (folder, _) in &self.folders {
            // Its processes have been killed; the last may take a moment to be gone.
            for _ in 0..1000 {
                if fs::remove_dir(folder).is_ok() || !folder.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// A group of the second version that gives its members memory and processes to divide: this
/// process's own or the nearest above. Its own has processes in it, and then, by the system's rule,
/// no groups with controllers below.
///
/// An error where a limit between the two holds this process and would not hold its programs.
fn second(mounts: &str, own: &str) -> Option<Result<Places, String>> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts.lines().filter_map(Mount::parse).find(|mount| mount.kind == "cgroup2")?;
    let own = mount.place(path)?;
    let fits = |place: &&Path| {
        let enabled = fs::read_to_string(place.join("cgroup.subtree_control")).unwrap_or_default();
        let has = |name| enabled.split_ascii_whitespace().any(|one| one == name);
        place.starts_with(&mount.point) && has("memory") && has("pids")
    };
    let place = own.ancestors().find(fits)?;
    let bound = own.ancestors().take_while(|&group| group != place).find_map(bound);
    Some(match bound {
        Some(file) => Err(format!(
            "this process is in a control group with a limit of its own ({file}), which a group \
             beside it would leave behind"
        )),
        None => Ok(vec![(place.to_owned(), Version::Two)]),
    })
}

/// The limit that a group of the second version sets, of those that are held here.
fn bound(group: &Path) -> Option<&'static str> {
    ["memory.max", "pids.max", "cpu.max"].into_iter().find(|file| {
        fs::read_to_string(group.join(file)).is_ok_and(|limit| !limit.starts_with("max"))
    })
}

/// This process's groups of the first version.
fn first(mounts: &str, own: &str) -> Option<Result<Places, String>> {
    let of = |name, controller| Some((place(mounts, own, name)?, Version::One(controller)));
    Some(Ok(vec![of("memory", Controller::Memory)?, of("pids", Controller::Processes)?]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn places_are_found_in_what_the_kernel_says() {
        let mounts = "30 24 0:27 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
                      31 24 0:28 /box /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let own = "5:memory:/a/b\n4:cpu,pids:/box/c\n0::/\n";
        let places = first(mounts, own).unwrap().unwrap();
        let folders: Vec<&str> = places.iter().map(|one| one.0.to_str().unwrap()).collect();
        assert_eq!(folders, ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/pids/c"]);
        assert!(first(mounts, "5:memory:/a/b\n4:pids:/elsewhere\n").is_none());
        assert!(second(mounts, own).is_none());
    }

    #[test]
    fn a_group_ends_who_takes_too_much_and_goes() {
        let groups = match Groups::find() {
            Ok(groups) => groups,
            Err(why) => {
                eprintln!("not tested here, no control groups: {why}");
                return;
            }
        };
        let group = groups.make().unwrap();
        let folders: Vec<PathBuf> = group.folders.iter().map(|one| one.0.clone()).collect();
        group.limit(&Limits { memory: 1 << 20, disk: 0, ..Limits::default() }).unwrap();
        let hoard = ["-c", "read go && x=$(head -c 400000000 /dev/zero | tr '\\0' x)"];
        let mut child = Command::new("sh").args(hoard).stdin(Stdio::piped()).spawn().unwrap();
        group.add(child.id() as i32).unwrap();
        assert_eq!(group.ended_for_memory(), 0);
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(group.ended_for_memory() >= 1);
        drop(group);
        assert!(folders.iter().all(|folder| !folder.exists()));
    }

    #[test]
    fn what_a_killed_run_left_is_swept() {
        let place = tempfile::tempdir().unwrap();
        let groups =
            Groups { places: vec![(place.path().to_owned(), Version::Two)], processor: None };
        let stale = place.path().join(format!("{NAME}999999999-0"));
        let live = place.path().join(format!("{NAME}{}-0", std::process::id()));
        let other = place.path().join("other");
        for folder in [&stale, &live, &other] {
            fs::create_dir(folder).unwrap();
        }
        groups.sweep();
        assert_eq!([&stale, &live, &other].map(|folder| folder.exists()), [false, true, true]);
    }

    #[test]
    fn numbers_that_a_killed_run_used_are_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let groups =
            Groups { places: vec![(place.path().to_owned(), Version::Two)], processor: None };
        let name = |group: &Group| group.folders[0].0.file_name().unwrap().to_owned();
        let first = name(&groups.make().unwrap()).into_string().unwrap();
        let (start, number) = first.rsplit_once('-').unwrap();
        let number: u32 = number.parse().unwrap();
        for stale in number + 1..number + 50 {
            // As one that still has a process: it cannot be removed.
            fs::create_dir_all(place.path().join(format!("{start}-{stale}/held"))).unwrap();
        }
        assert!(groups.make().unwrap().folders[0].0.starts_with(place.path()));
    }

    #[test]
    fn a_group_beside_a_limit_of_the_callers_own_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("slice/own");
        fs::create_dir_all(&own).unwrap();
        fs::write(root.path().join("slice/cgroup.subtree_control"), "memory pids\n").unwrap();
        fs::write(root.path().join("slice/memory.max"), "1000\n").unwrap();
        fs::write(own.join("cpu.max"), "max 100000\n").unwrap();
        let mounts = format!("30 24 0:27 / {} rw - cgroup2 cgroup2 rw\n", root.path().display());
        let places = second(&mounts, "0::/slice/own\n").unwrap().unwrap();
        assert_eq!(places, [(root.path().join("slice"), Version::Two)]);
        fs::write(own.join("cpu.max"), "50000 100000\n").unwrap();
        let why = second(&mounts, "0::/slice/own\n").unwrap().unwrap_err();
        assert!(why.contains("cpu.max"), "{why}");
    }

    #[test]
    fn an_idle_group_is_one_where_the_system_knows_of_it() {
        let Ok(groups) = Groups::find() else {
            eprintln!("not tested here, no control groups");
            return;
        };
        let group = groups.make_idle().unwrap();
        let folders: Vec<PathBuf> = group.folders.iter().map(|one| one.0.clone()).collect();
        let said = folders.iter().filter_map(|folder| fs::read_to_string(folder.join(IDLE)).ok());
        assert!(said.into_iter().all(|idle| idle == "1\n"), "{folders:?}");
        drop(group);
        assert!(folders.iter().all(|folder| !folder.exists()));
    }

    #[test]
    fn an_idle_group_of_the_first_version_is_in_a_hierarchy_of_its_own() {
        let [memory, processor] = [0, 1].map(|_| tempfile::tempdir().unwrap());
        let groups = Groups {
            places: vec![(memory.path().to_owned(), Version::One(Controller::Memory))],
            processor: Some(processor.path().to_owned()),
        };
        let group = groups.make_idle().unwrap();
        let folder = group.folders[1].0.clone();
        assert!(folder.starts_with(processor.path()));
        assert_eq!(fs::read_to_string(folder.join(IDLE)).unwrap(), "1");
        assert!(groups.make().unwrap().folders.len() == 1);
        // Here it is no file of the system's.
        fs::remove_file(folder.join(IDLE)).unwrap();
    }

    #[test]
    fn swap_is_bounded_with_memory_where_it_is_counted() {
        let Ok(groups) = Groups::find() else {
            eprintln!("not tested here, no control groups");
            return;
        };
        let group = groups.make().unwrap();
        let swap = group.folders[0].0.join("memory.memsw.limit_in_bytes");
        // Lowered and raised again.
        for memory in [64 << 20, 16 << 20, 128 << 20] {
            group.limit(&Limits { memory, disk: 0, ..Limits::default() }).unwrap();
            let said = fs::read_to_string(&swap).map(|text| text.trim().parse::<u64>().unwrap());
            assert!(said.is_err() || said.unwrap() == memory + OURS);
        }
    }
}
