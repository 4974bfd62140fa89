//! Files that a host writes for itself, so as not to do the same work twice, and has to know again.
//!
//! A file is taken only if this host wrote it for this very key: each begins with a tag under a secret that never leaves the
//! home (HMAC-SHA-256 over what kind of file it is, the parts of its key and its content). One that was changed, moved or
//! brought from elsewhere is named in the log and made anew. Files appear whole, so that hosts may share the folder; two that
//! make the same thing write the same name. A cache that cannot be read or written is no reason to fail.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::fs::Dir;
use freehold_trust::{MacKey, TAG_BYTES};

/// What nobody has touched for so long, and nobody has locked, is not being written any more.
const ABANDONED: Duration = Duration::from_secs(60);

/// A folder of files, and the secret that tells which of them are this host's.
#[derive(Clone)]
pub struct Cache(Arc<(Dir, MacKey)>);

/// A kind of files. None is ever taken for another.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// What sets the tags of this kind apart.
    pub domain: &'static [u8],
    /// What the log calls the files, such as `compiled plugins`.
    pub name: &'static str,
    /// What becomes of one that cannot be taken, such as `compiled anew`.
    pub remedy: &'static str,
    /// Size of a file in bytes, at most.
    pub bytes_max: u64,
}

/// What was kept.
#[derive(Debug)]
pub struct Kept(Vec<u8>);

impl Kept {
    /// The content, as it was handed to [`Cache::keep`].
    pub fn content(&self) -> &[u8] {
        self.0.get(TAG_BYTES..).unwrap_or_default()
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cache(..)")
    }
}

impl Cache {
    /// The cache in `dir`, whose files `key` authenticates.
    pub fn new(dir: Dir, key: MacKey) -> Self {
        Self(Arc::new((dir, key)))
    }

    /// What this host kept at `file` under the key of these parts.
    pub fn load(&self, kind: &Kind, file: &str, key_parts: &[&[u8]]) -> Option<Kept> {
        let (dir, key) = &*self.0;
        let bytes = match freehold_files::read(dir, file, kind.bytes_max) {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => return None,
            Err(error) => {
                tracing::warn!("{}: {error}; it is {}", kind.name, kind.remedy);
                return None;
            }
        };
        let is_ours = |(tag, content): (&[u8], &[u8])| key.is_tag(&tagged(kind, key_parts, content), tag);
        if bytes.split_at_checked(TAG_BYTES).is_some_and(is_ours) {
            return Some(Kept(bytes));
        }
        tracing::warn!("{}: `{file}` was not written by this host or was changed; it is {}", kind.name, kind.remedy);
        None
    }

    /// Keeps `content` at `file` under the key of these parts, for the owner's eyes only.
    pub fn keep(&self, kind: &Kind, file: &str, key_parts: &[&[u8]], content: &[u8]) {
        let (dir, key) = &*self.0;
        let Some(tag) = key.tag(&tagged(kind, key_parts, content)) else { return };
        if let Err(error) = freehold_files::write_secret(dir, file, &[&tag[..], content].concat()) {
            tracing::warn!("{}: {error}; it will be {} next time", kind.name, kind.remedy);
        }
        // What killed writers have left.
        if let Some(folder) = Path::new(file).parent() {
            freehold_files::remove_unfinished(dir, folder, ABANDONED);
        }
    }

    /// Notes that a file is of use, for [`Cache::trim`].
    pub fn touch(&self, file: &str) {
        // Where the time cannot be set, the file is as old as it is.
        let _ = self.0.0.open(file).map(|file| file.into_std().set_modified(SystemTime::now()));
    }

    /// Removes those files of a folder that were of no use for the longest time, until `files_max` are left. What cannot be
    /// removed is left for the next time.
    pub fn trim(&self, folder: &str, files_max: usize) {
        let dir = &self.0.0;
        let Ok(entries) = dir.read_dir(folder) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?.into_std(), entry.file_name())))
            .collect();
        files.sort();
        for (_, name) in files.iter().take(files.len().saturating_sub(files_max)) {
            let _ = dir.remove_file(Path::new(folder).join(name));
        }
    }
}

fn tagged<'a>(kind: &Kind, key_parts: &[&'a [u8]], content: &'a [u8]) -> Vec<&'a [u8]> {
    let mut parts: Vec<&[u8]> = vec![kind.domain];
    parts.extend(key_parts);
    parts.push(content);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { domain: b"notes", name: "notes", remedy: "written anew", bytes_max: 1000 };

    fn cache(secret: u8) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let cache = Cache::new(dir, MacKey::from_bytes(&[secret; 32]).unwrap());
        (folder, cache)
    }

    #[test]
    fn only_what_this_host_kept_for_this_key_is_taken() {
        let (folder, cache) = cache(1);
        let parts: [&[u8]; 2] = [b"a", b"b"];
        assert!(cache.load(&KIND, "x/file", &parts).is_none());
        cache.keep(&KIND, "x/file", &parts, b"content");
        assert_eq!(cache.load(&KIND, "x/file", &parts).unwrap().content(), b"content");
        let other = Kind { domain: b"other", ..KIND };
        assert!(cache.load(&other, "x/file", &parts).is_none());
        for parts in [&[&b"ab"[..]][..], &[b"ab", b""], &[b"a", b"c"], &[]] {
            assert!(cache.load(&KIND, "x/file", parts).is_none(), "{parts:?}");
        }
        let elsewhere = self::cache(2).1;
        assert!(elsewhere.load(&KIND, "x/file", &parts).is_none());
        let path = folder.path().join("x/file");
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert!(cache.load(&KIND, "x/file", &parts).is_none(), "{at}");
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(cache.load(&KIND, "x/file", &parts).is_none(), "cut at {at}");
        }
        std::fs::write(&path, [&good[..], &[0; 1000]].concat()).unwrap();
        assert!(cache.load(&KIND, "x/file", &parts).is_none(), "larger than any");
    }

    #[test]
    fn what_is_of_use_stays() {
        let (folder, cache) = cache(1);
        for (age, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            cache.keep(&KIND, &format!("x/{name}"), &[], b"");
            let file = std::fs::File::open(folder.path().join("x").join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(age as u64)).unwrap();
        }
        cache.touch("x/a");
        cache.trim("x", 2);
        let left = |name: &str| cache.load(&KIND, &format!("x/{name}"), &[]).is_some();
        assert_eq!(["a", "b", "c", "d"].map(left), [true, false, false, true]);
        cache.trim("none", 2);
    }
}
