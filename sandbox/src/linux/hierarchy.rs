//! Where the hierarchies of control groups are mounted, and where in them this process is. Left out:
//! making groups (`control_group`).

use std::path::{Path, PathBuf};

/// This process's group of the first version in the hierarchy of a controller.
pub(super) fn place(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|one| one == controller);
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        has(controllers).then_some(path)
    })?;
    let mut mounts = mounts.lines().filter_map(Mount::parse);
    let mount = mounts.find(|mount| mount.kind == "cgroup" && has(mount.options))?;
    mount.place(path)
}

/// A mounted hierarchy, from a line of `/proc/self/mountinfo`.
pub(super) struct Mount<'a> {
    root: &'a str,
    pub(super) point: PathBuf,
    pub(super) kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// What a line says.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (place, what) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?.into());
        let mut what = what.split(' ');
        let kind = what.next()?;
        Some(Self { root, point, kind, options: what.nth(1)? })
    }

    /// The folder of a group, which may lie outside what is mounted.
    pub(super) fn place(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        Some(self.point.join(below))
    }
}
