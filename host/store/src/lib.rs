//! Content-addressed blobs as an OCI image layout (OCI image specification 1.1), so that other tools can read them.
//!
//! Blobs are only ever added. `index.json` names adapters; it can be rebuilt from the ledger.

mod artifact;
mod blob;
mod index;
mod source;

use std::path::PathBuf;
use std::time::Duration;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_files::FileError;

pub use artifact::{Artifact, Descriptor};
pub use blob::{BlobReader, BlobWriter};
pub use source::Blobs;

/// The store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A blob is not there.
    #[error("blob {0} is not in the store")]
    Missing(Digest),
    /// What was taken out of a store does not hold a blob.
    #[error("blob {0} was left out")]
    LeftOut(Digest),
    /// A blob's bytes are not those of its digest.
    #[error("blob {expected} was changed: its bytes now have the digest {found}")]
    Corrupt {
        /// The digest in its name.
        expected: Digest,
        /// The digest of its bytes.
        found: Digest,
    },
    /// A file of the layout cannot be understood.
    #[error("`{file}`: {problem}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

/// Something that a check of the whole store found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, from the root of the store.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
const BLOBS: &str = "blobs/sha256";
/// What is read into memory at one time; a blob that is read piece by piece may have any size.
const WHOLE_LIMIT: u64 = 64 << 30;
/// What nobody has touched for so long, and nobody has locked, is not being written any more.
const ABANDONED: Duration = Duration::from_secs(60);

/// A store.
#[derive(Debug)]
pub struct Store {
    dir: Dir,
}

fn path_of(digest: &Digest) -> PathBuf {
    PathBuf::from(BLOBS).join(digest.hex())
}

impl Store {
    /// Opens the store in `dir`, and makes it if `dir` holds none.
    pub fn open(dir: Dir) -> Result<Self, StoreError> {
        match freehold_files::read(&dir, LAYOUT_FILE, 1 << 10) {
            Ok(bytes) if bytes == LAYOUT => {}
            Ok(_) => {
                let problem = "not an OCI image layout of version 1.0.0".into();
                return Err(StoreError::Malformed { file: LAYOUT_FILE.into(), problem });
            }
            Err(error) if error.is_not_found() => {
                freehold_files::make_folder(&dir, BLOBS)?;
                index::create(&dir)?;
                freehold_files::write(&dir, LAYOUT_FILE, LAYOUT)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self { dir })
    }

    /// Keeps `bytes`. When the call returns they are on the disk.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        match self.verify(&digest) {
            Ok(()) => Ok(digest),
            Err(StoreError::Missing(_)) => {
                freehold_files::write(&self.dir, path_of(&digest), bytes)?;
                Ok(digest)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes what killed writers have left.
    pub fn sweep(&self) {
        freehold_files::remove_unfinished(&self.dir, BLOBS, ABANDONED);
    }

    /// The bytes with this digest; verified. Where they may be many, [`Store::reader`] holds few at a time.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let bytes = freehold_files::read(&self.dir, path_of(digest), WHOLE_LIMIT)
            .map_err(|error| if error.is_not_found() { StoreError::Missing(*digest) } else { error.into() })?;
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(StoreError::Corrupt { expected: *digest, found }) }
    }

    /// Whether there is a blob of this digest; its bytes are not read.
    pub fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(freehold_files::exists(&self.dir, path_of(digest))?)
    }

    /// Reads every blob, piece by piece, and says what is wrong: changed bytes, names that are not digests.
    pub fn check(&self) -> Result<(usize, Vec<Problem>), StoreError> {
        let failed = |source| FileError::Io { action: "list", path: BLOBS.into(), source };
        let mut names = Vec::new();
        for entry in self.dir.read_dir(BLOBS).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        let mut problems = Vec::new();
        let mut blobs = 0;
        for name in names {
            // What a killed writer left: never a blob, since blobs appear by renaming.
            if freehold_files::is_unfinished(&name) {
                continue;
            }
            blobs += 1;
            let problem = match format!("sha256:{name}").parse::<Digest>() {
                Err(_) => Some("its name is not a SHA-256 digest".to_owned()),
                Ok(digest) => match self.verify(&digest) {
                    Ok(()) => None,
                    Err(StoreError::Corrupt { found, .. }) => {
                        Some(format!("its bytes were changed: they have the digest {found}"))
                    }
                    Err(error) => Some(error.to_string()),
                },
            };
            problems.extend(problem.map(|problem| Problem { file: format!("{BLOBS}/{name}"), problem }));
        }
        Ok((blobs, problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (folder, Store::open(dir).unwrap())
    }

    #[test]
    fn what_was_put_is_got_and_opened_again() {
        let (folder, store) = store();
        let digest = store.put(b"bytes").unwrap();
        assert_eq!(store.put(b"bytes").unwrap(), digest);
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let again = Store::open(dir).unwrap();
        assert_eq!(again.get(&digest).unwrap(), b"bytes");
        assert!(matches!(again.get(&Digest::of(b"other")), Err(StoreError::Missing(_))));
        assert_eq!(again.check().unwrap(), (1, vec![]));
    }

    #[test]
    fn changed_bytes_are_never_given_out_nor_taken_for_kept() {
        let (folder, store) = store();
        let digest = store.put(b"bytes").unwrap();
        std::fs::write(folder.path().join(path_of(&digest)), b"Bytes").unwrap();
        assert!(matches!(store.get(&digest), Err(StoreError::Corrupt { .. })));
        assert!(matches!(store.put(b"bytes"), Err(StoreError::Corrupt { .. })));
        std::fs::write(folder.path().join(BLOBS).join("stray"), b"x").unwrap();
        let (blobs, problems) = store.check().unwrap();
        assert_eq!((blobs, problems.len()), (2, 2));
        assert!(problems[0].file.ends_with(&digest.hex()));
    }
}
