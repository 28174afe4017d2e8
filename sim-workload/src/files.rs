//! The files a container sees: those the kubelet mounted from ConfigMaps, Secrets and the downward API (read only), its
//! volumes ([`Disk`]), and its own writable layer, which dies with the container. Bytes that are no UTF-8 are held as
//! [`crate::text_of`] writes them; an empty directory is an entry whose path ends with `/`.
//! Not modelled: permissions, links, sizes limits, two containers writing to one volume at the same time.

use std::collections::BTreeMap;

/// What is on a volume: paths relative to its root, and contents. It is handed to a process at start
/// ([`crate::Process::mount`]) and taken back when the process is gone ([`crate::Process::take_disks`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk(pub BTreeMap<String, String>);

/// All files of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Absolute path to content; read only.
    pub mounted: BTreeMap<String, String>,
    /// Mount path (no trailing slash) to volume.
    pub disks: BTreeMap<String, Disk>,
    pub own: BTreeMap<String, String>,
}

impl Files {
    /// The content of a file, if it exists.
    pub fn read(&self, path: &str) -> Option<&str> {
        let path = normal(path);
        let found = match self.disk_of(&path) {
            Some((mount, rest)) => self.disks.get(mount).and_then(|disk| disk.0.get(rest)),
            None => None,
        };
        found.or_else(|| self.mounted.get(&path)).or_else(|| self.own.get(&path)).map(String::as_str)
    }

    /// Replaces a file's content; the error is errno's text.
    pub fn write(&mut self, path: &str, content: String) -> Result<(), &'static str> {
        let path = normal(path);
        if self.mounted.contains_key(&path) {
            return Err("Read-only file system");
        }
        if self.is_directory(&path) {
            return Err("Is a directory");
        }
        self.put(path, content);
        Ok(())
    }

    /// Makes a directory, if it is not there.
    pub fn make_directory(&mut self, path: &str) -> Result<(), &'static str> {
        let path = normal(path);
        if self.read(&path).is_some() {
            return Err("File exists");
        }
        if !self.is_directory(&path) {
            self.put(format!("{path}/"), String::new());
        }
        Ok(())
    }

    fn put(&mut self, path: String, content: String) {
        let place = self.disk_of(&path).map(|(mount, rest)| (mount.to_string(), rest.to_string()));
        match place.and_then(|(mount, rest)| self.disks.get_mut(&mount).map(|disk| (disk, rest))) {
            Some((disk, rest)) => disk.0.insert(rest, content),
            None => self.own.insert(path, content),
        };
    }

    /// Removes a file; false if there is none that may be removed.
    pub fn remove(&mut self, path: &str) -> bool {
        self.forget(normal(path))
    }

    /// Removes a directory with all below it; false if nothing was there that may be removed.
    pub fn remove_all(&mut self, path: &str) -> bool {
        self.below(path).into_iter().map(|file| self.forget(file)).filter(|forgotten| *forgotten).count() > 0
    }

    fn forget(&mut self, path: String) -> bool {
        let place = self.disk_of(&path).map(|(mount, rest)| (mount.to_string(), rest.to_string()));
        match place.and_then(|(mount, rest)| self.disks.get_mut(&mount).map(|disk| (disk, rest))) {
            Some((disk, rest)) => disk.0.remove(&rest).is_some(),
            None => self.own.remove(&path).is_some(),
        }
    }

    /// Whether `path` is a directory: one that every image has, a mount point, one that was made, or above some file.
    pub fn is_directory(&self, path: &str) -> bool {
        let path = normal(path);
        USUAL_DIRECTORIES.contains(&path.as_str()) || path == "/" || self.is_made(&path)
    }

    /// Whether something made it: a mount, or a file or directory in it.
    fn is_made(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.disks.contains_key(path) || self.paths().any(|file| file.starts_with(&prefix))
    }

    /// The path itself, if it is a file, and all files and empty directories below it, sorted.
    pub fn below(&self, path: &str) -> Vec<String> {
        let path = normal(path);
        let prefix = if path == "/" { path.clone() } else { format!("{path}/") };
        let mut found: Vec<String> = self.paths().filter(|file| *file == path || file.starts_with(&prefix)).collect();
        found.retain(|file| !self.disks.contains_key(file));
        found.sort();
        found.dedup();
        found
    }

    /// How many bytes of its own the container holds.
    pub fn size(&self) -> usize {
        self.own.values().map(String::len).sum()
    }

    /// The names directly below a directory, sorted.
    pub fn list(&self, path: &str) -> Vec<String> {
        let prefix = if normal(path) == "/" { "/".to_string() } else { format!("{}/", normal(path)) };
        let mut names: Vec<String> = self.paths().filter_map(|file| first_below(&prefix, &file)).collect();
        names.sort();
        names.dedup();
        names
    }

    fn paths(&self) -> impl Iterator<Item = String> {
        let volumes = self.disks.iter().flat_map(|(mount, disk)| {
            let below = disk.0.keys().map(move |file| format!("{mount}/{file}"));
            below.chain(std::iter::once(mount.clone()))
        });
        volumes.chain(self.mounted.keys().cloned()).chain(self.own.keys().cloned())
    }

    fn disk_of<'a>(&'a self, path: &'a str) -> Option<(&'a str, &'a str)> {
        let below = |mount: &'a String| path.strip_prefix(mount.as_str())?.strip_prefix('/').map(|rest| (mount.as_str(), rest));
        self.disks.keys().rev().find_map(below)
    }
}

/// The directories that every image has.
pub const USUAL_DIRECTORIES: [&str; 13] =
    ["/app", "/bin", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/sbin", "/sys", "/tmp", "/usr", "/var"];

fn first_below(prefix: &str, file: &str) -> Option<String> {
    let name = file.strip_prefix(prefix)?.split('/').next()?;
    (!name.is_empty()).then(|| name.to_string())
}

/// An absolute path without `.`, `..`, doubled or trailing slashes; relative ones start at `/`.
pub fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_below_a_mount_lands_on_the_volume_and_others_do_not() {
        let mut files = Files::default();
        files.disks.insert("/data".into(), Disk::default());
        files.mounted.insert("/etc/config/key".into(), "value".into());
        assert_eq!(files.write("/data/./a", "1".into()), Ok(()));
        assert_eq!(files.write("/tmp/b", "2".into()), Ok(()));
        assert_eq!(files.write("/etc/config/key", "3".into()), Err("Read-only file system"));
        assert_eq!(files.disks["/data"].0.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(files.read("/tmp/../tmp/b"), Some("2"));
        assert_eq!(files.list("/"), ["data", "etc", "tmp"]);
        assert!(files.is_directory("/data/") && !files.is_directory("/data/a"));
    }
}
