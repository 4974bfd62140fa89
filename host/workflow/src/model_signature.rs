//! OpenSSF Model Signing (v1.0): one signature over every file of a model or adapter folder.
//!
//! The statement is that of the tool `model_signing`, method `files`: the files in the order of their paths, and as subject
//! the digest of their digests one after the other.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use freehold_core::digest::{Digest, Hasher};
use freehold_files::FileError;
use freehold_trust::{KeyHint, ResourceDescriptor, Statement};
use serde_json::json;

use crate::audit::DocumentError;
use crate::{Home, WorkflowError};

const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";
/// What belongs to version control is no part of a model; the tool leaves it out too.
const NO_PART: [&str; 4] = [".git", ".gitattributes", ".github", ".gitignore"];
const PIECE_BYTES: usize = 1 << 20;
/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 64;

/// A signature of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSignature {
    /// How many files it covers.
    pub files: usize,
    /// The digest of the files' digests: what names the model in other documents.
    pub digest: Digest,
    /// The Sigstore bundle.
    pub bundle: Vec<u8>,
}

/// The files of a model by path, with their digests.
pub(crate) struct ModelManifest {
    name: String,
    files: BTreeMap<PathBuf, Digest>,
    /// Files of the folder that are no part of the model.
    left_out: Vec<String>,
}

impl ModelManifest {
    pub(crate) fn new(name: &str, files: impl IntoIterator<Item = (String, Digest)>) -> Self {
        // Ordered as paths are, part by part, which is another order than that of their texts.
        let files = files.into_iter().map(|(path, digest)| (path.into(), digest)).collect();
        Self { name: name.into(), files, left_out: NO_PART.map(String::from).to_vec() }
    }

    /// The files below `folder`, but for `signature`.
    fn of_folder(name: &str, folder: &Dir, signature: Option<&str>) -> Result<Self, WorkflowError> {
        let mut manifest = Self::new(name, []);
        manifest.left_out.extend(signature.map(str::to_owned));
        manifest.add(folder, Path::new(""), 0)?;
        if manifest.files.is_empty() {
            return Err(DocumentError::Folder("there is no file in it".into()).into());
        }
        Ok(manifest)
    }

    fn add(&mut self, folder: &Dir, at: &Path, depth: usize) -> Result<(), WorkflowError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| FileError::Io { action, path, source }
        };
        let refused = |path: &Path, why: &str| DocumentError::Folder(format!("`{}` {why}", path.display()));
        if depth > DEPTH_MAX {
            return Err(refused(at, "is too deep in folders").into());
        }
        for entry in folder.entries().map_err(failed("list", at))? {
            let entry = entry.map_err(failed("list", at))?;
            let path = at.join(entry.file_name());
            if self.left_out.iter().any(|name| path == Path::new(name)) {
                continue;
            }
            if path.to_str().is_none() {
                return Err(refused(&path, "has a name that is no UTF-8").into());
            }
            let kind = entry.file_type().map_err(failed("look at", &path))?;
            if kind.is_dir() {
                let below = entry.open_dir().map_err(failed("open the folder", &path))?;
                self.add(&below, &path, depth + 1)?;
            } else if kind.is_file() {
                let mut file = entry.open().map_err(failed("open", &path))?;
                let (mut hasher, mut piece) = (Hasher::new(), vec![0; PIECE_BYTES]);
                loop {
                    match file.read(&mut piece).map_err(failed("read", &path))? {
                        0 => break,
                        read => hasher.update(&piece[..read]),
                    }
                }
                self.files.insert(path, hasher.finish());
            } else {
                // A link may lead to what others can change.
                return Err(refused(&path, "is neither a file nor a folder; put the file itself there").into());
            }
        }
        Ok(())
    }

    /// The digest of the files' digests.
    fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        self.files.values().for_each(|digest| hasher.update(digest.as_bytes()));
        hasher.finish()
    }

    pub(crate) fn to_statement(&self) -> Statement {
        let resource = |(path, digest): (&PathBuf, &Digest)| json!({ "name": path.to_string_lossy(), "algorithm": "sha256", "digest": digest.hex() });
        let predicate = json!({
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": false,
                "ignore_paths": self.left_out,
            },
            "resources": self.files.iter().map(resource).collect::<Vec<_>>(),
        });
        Statement::new(vec![ResourceDescriptor::new(&self.name, self.digest())], PREDICATE_TYPE, predicate)
    }
}

/// Signs the files below `folder` with the P-256 key of this name, or with the only one that the home has. `signature` is the
/// path of the signature below the folder, if that is where it will be.
///
/// # Errors
/// There is no such key, a file cannot be read, or there are links in the folder.
pub fn sign_model(
    home: &Home,
    name: &str,
    folder: &Dir,
    signature: Option<&str>,
    key: Option<&str>,
) -> Result<ModelSignature, WorkflowError> {
    let (key_name, key) = home.p256_key(key)?;
    let manifest = ModelManifest::of_folder(name, folder, signature)?;
    let bundle = manifest.to_statement().sign_bundle(&key, KeyHint::None);
    let bundle = bundle.map_err(|source| WorkflowError::Key { name: key_name, source })?;
    Ok(ModelSignature { files: manifest.files.len(), digest: manifest.digest(), bundle })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let files = ["b", "a/b", "a-b", "a/.c"].map(|name| (name.to_owned(), digest(name)));
        let manifest = ModelManifest::new("m", files);
        let statement = manifest.to_statement();
        let resources = statement.predicate["resources"].as_array().unwrap();
        let names: Vec<_> = resources.iter().map(|resource| resource["name"].as_str().unwrap()).collect();
        // Python's `sorted` of `pathlib.PurePosixPath`s.
        assert_eq!(names, ["a/.c", "a/b", "a-b", "b"]);
        let all: Vec<u8> = names.iter().flat_map(|name| *digest(name).as_bytes()).collect();
        assert_eq!(statement.subject[0].sha256(), Some(Digest::of(&all)));
    }

    #[test]
    #[cfg(unix)]
    fn links_and_empty_folders_are_refused_and_version_control_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let manifest = |signature| ModelManifest::of_folder("m", &dir, signature);
        dir.create_dir_all("sub/.git").unwrap();
        dir.create_dir(".git").unwrap();
        dir.write(".git/config", "x").unwrap();
        assert!(manifest(None).is_err());
        for file in ["model.sig", "config.json", "sub/weights", "sub/.git/inner"] {
            dir.write(file, file).unwrap();
        }
        let signed = manifest(Some("model.sig")).unwrap();
        let names: Vec<_> = signed.files.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["config.json", "sub/.git/inner", "sub/weights"]);
        assert_eq!(signed.files[Path::new("config.json")], Digest::of(b"config.json"));
        assert_eq!(manifest(None).unwrap().files.len(), 4);
        std::os::unix::fs::symlink("config.json", folder.path().join("link")).unwrap();
        assert!(manifest(None).err().unwrap().to_string().contains("`link` is neither"));
    }
}
