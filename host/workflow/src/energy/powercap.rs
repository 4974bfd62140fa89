//! The energy counters of the processor packages, as Linux shows them: a folder a zone with its name, a counter in microjoules, and
//! where the counter begins again.

use std::path::Path;

use cap_std::fs::Dir;

use crate::OpenOutside;

/// What the folders of packages begin with; `intel-rapl:0:1` is a part of `intel-rapl:0`.
const ZONE: &str = "intel-rapl:";
const FILE_LIMIT: u64 = 256;

/// The counter of a package.
#[derive(Debug)]
struct Counter {
    zone: Dir,
    /// The value after which it begins again, in microjoules.
    range: u64,
    last: u64,
}

impl Counter {
    fn open(zone: Dir) -> Option<Self> {
        let (range, last) = (number(&zone, "max_energy_range_uj")?, number(&zone, "energy_uj")?);
        Some(Self { zone, range, last })
    }

    /// Microjoules since it was read before.
    fn advance(&mut self) -> Option<u64> {
        let now = number(&self.zone, "energy_uj")?;
        let before = std::mem::replace(&mut self.last, now);
        Some(advanced(before, now, self.range))
    }
}

/// From `before` to `now`, on a counter that begins again after `range`.
fn advanced(before: u64, now: u64, range: u64) -> u64 {
    now.checked_sub(before).unwrap_or_else(|| range.saturating_sub(before).saturating_add(now))
}

fn text(zone: &Dir, file: &str) -> Option<String> {
    let bytes = freehold_files::read(zone, file, FILE_LIMIT).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn number(zone: &Dir, file: &str) -> Option<u64> {
    text(zone, file)?.parse().ok()
}

/// The counters of all packages.
#[derive(Debug)]
pub(super) struct Packages(Vec<Counter>);

impl Packages {
    /// The packages of the folder `root`. `None` if there is none, or one that may not be read: a part of the energy would be taken
    /// for the whole.
    pub(super) fn open(root: &Path, open: OpenOutside) -> Option<Self> {
        // The zones are links out of this folder, so that they are opened by their whole paths, too.
        let mut counters = Vec::new();
        for entry in open(root).ok()?.entries().ok()? {
            let name = entry.ok()?.file_name();
            let is_zone = |name: &str| name.strip_prefix(ZONE).is_some_and(|rest| !rest.contains(':'));
            if !name.to_str().is_some_and(is_zone) {
                continue;
            }
            let zone = open(&root.join(&name)).ok()?;
            // There are zones beside the packages, such as that of the whole platform, which has them in it.
            if text(&zone, "name")?.starts_with("package") {
                counters.push(Counter::open(zone)?);
            }
        }
        (!counters.is_empty()).then_some(Self(counters))
    }

    /// Microjoules since they were read before; `None` if one cannot be read any more.
    pub(super) fn advance(&mut self) -> Option<u64> {
        self.0.iter_mut().try_fold(0u64, |sum, counter| Some(sum.saturating_add(counter.advance()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cap_std::ambient_authority;

    use super::*;

    fn packages(root: &Path) -> Option<Packages> {
        Packages::open(root, |path| Dir::open_ambient_dir(path, ambient_authority()))
    }

    #[test]
    fn a_counter_begins_again() {
        for (before, now, range, uj) in [
            (0, 0, 100, 0),
            (10, 30, 100, 20),
            (90, 5, 100, 15),
            (100, 0, 100, 0),
            (u64::MAX - 1, 3, u64::MAX, 4),
            // One that stands beyond where it should begin again.
            (150, 5, 100, 5),
        ] {
            assert_eq!(advanced(before, now, range), uj, "{before} {now} {range}");
        }
    }

    #[test]
    fn packages_are_counted_once_and_all_or_none() {
        let root = tempfile::tempdir().unwrap();
        let write = |zone: &str, file: &str, text: &str| {
            fs::create_dir_all(root.path().join(zone)).unwrap();
            fs::write(root.path().join(zone).join(file), text).unwrap();
        };
        assert!(packages(root.path()).is_none());
        assert!(packages(&root.path().join("none")).is_none());
        let zones = [
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        ];
        for (zone, name) in zones {
            write(zone, "name", &format!("{name}\n"));
            write(zone, "energy_uj", "900\n");
            write(zone, "max_energy_range_uj", "1000\n");
        }
        let mut found = packages(root.path()).unwrap();
        write("intel-rapl:0", "energy_uj", "950");
        write("intel-rapl:1", "energy_uj", "30");
        write("intel-rapl:2", "energy_uj", "999");
        assert_eq!(found.advance(), Some(50 + 130));
        assert_eq!(found.advance(), Some(0));
        write("intel-rapl:1", "energy_uj", "nothing");
        assert_eq!(found.advance(), None);
        assert!(packages(root.path()).is_none(), "one of two is not the whole");
    }
}
