//! Models that were pulled from a hub: `models/ORG/NAME/COMMIT` in the home, each with a record of where it came from. Opening
//! one never uses the network.

use std::collections::BTreeMap;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::hub::{Commit, HubModel};
use freehold_engine::ModelFolder;
use freehold_hub::{Access, FetchedFile, PART};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observe::progress_in_bytes;
use crate::statements::malformed;
use crate::{Home, Observer, WorkflowError};

const MODELS: &str = "models";
/// In the folder of a commit: what was pulled, from where, when.
const RECORD: &str = "pulled.json";
/// In the folder of a model: for which commit its branches and tags stood when they were pulled.
const REVISIONS: &str = "revisions.json";
const RECORD_LIMIT: u64 = 16 << 20;
const FORMAT: u32 = 1;

/// What is known of a pulled model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulledModel {
    /// Version of this record.
    format: u32,
    /// The model, with the revision under which it was first pulled: `hf:org/name@revision`.
    pub model: String,
    /// The commit that the revision stood for.
    pub commit: Commit,
    /// Address of the hub.
    pub endpoint: String,
    /// When it was pulled.
    pub pulled: Timestamp,
    /// The license that the model card says, in the card's words.
    pub license: Option<String>,
    /// Digest of the model: of the files that the engine uses.
    pub digest: Digest,
    /// Every file that was fetched.
    pub files: Vec<PulledFile>,
}

/// A file of a pulled model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulledFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
}

impl From<FetchedFile> for PulledFile {
    fn from(file: FetchedFile) -> Self {
        Self { name: file.name, bytes: file.bytes, digest: file.digest }
    }
}

impl PulledModel {
    /// The size of all files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// What came of a pull.
#[derive(Debug, Clone, Serialize)]
pub struct ModelPull {
    /// What was asked for.
    pub revision: String,
    /// Whether it was there already.
    pub unchanged: bool,
    /// The model.
    #[serde(flatten)]
    pub pulled: PulledModel,
}

/// A pulled model whose files were read and are those that were pulled.
#[derive(Debug)]
pub struct OpenedModel {
    /// Its files.
    pub folder: ModelFolder,
    /// What is known of it.
    pub pulled: PulledModel,
}

/// All pulled models of a home.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PulledModels {
    /// The whole ones, with the revisions that stand for them.
    pub models: Vec<ListedModel>,
    /// Those whose pull was interrupted.
    pub unfinished: Vec<UnfinishedPull>,
}

/// A pulled model and its names.
#[derive(Debug, Clone, Serialize)]
pub struct ListedModel {
    /// Branches and tags that stood for it when they were last pulled.
    pub revisions: Vec<String>,
    /// The model.
    #[serde(flatten)]
    pub pulled: PulledModel,
}

/// A pull that was interrupted. The next pull of the same commit goes on from its files.
#[derive(Debug, Clone, Serialize)]
pub struct UnfinishedPull {
    /// Its folder, in the home; it may be removed.
    pub folder: String,
    /// Bytes on the disk.
    pub bytes: u64,
}

type Revisions = BTreeMap<String, Commit>;

fn folder_of(model: &HubModel) -> String {
    format!("{MODELS}/{}/{}", model.org(), model.name())
}

impl Home {
    /// Fetches a model from a hub, or what is missing of it.
    pub fn pull_model(
        &self,
        access: &Access,
        model: &HubModel,
        observer: &mut dyn Observer,
    ) -> Result<ModelPull, WorkflowError> {
        let snapshot = freehold_hub::look_up(access, model)?;
        let (commit, folder) = (snapshot.commit(), folder_of(model));
        let _lock = self.lock(&format!("model-{}-{}", model.org(), model.name()))?;
        let whole = format!("{folder}/{commit}");
        if freehold_files::exists(&self.dir, &whole)? {
            let opened = self.open_commit(model, commit)?;
            self.name_commit(model, commit)?;
            return Ok(ModelPull { revision: model.revision().into(), unchanged: true, pulled: opened.pulled });
        }
        let part = format!("{whole}{PART}");
        freehold_files::make_folder(&self.dir, &part)?;
        let dir = self.folder(&part)?;
        let mut observe = |progress: freehold_hub::Progress<'_>| {
            progress_in_bytes(observer, progress.file, progress.done, progress.total, String::new());
        };
        let files = snapshot.fetch(&dir, &mut observe)?;
        let license = snapshot.license(&dir);
        let opened = ModelFolder::open(dir.try_clone().map_err(|error| unreadable(&part, &error))?)
            .map_err(|source| WorkflowError::Model { model: model.to_string(), source })?;
        let pulled = PulledModel {
            format: FORMAT,
            model: model.to_string(),
            commit: commit.clone(),
            endpoint: access.endpoint().to_string(),
            pulled: Timestamp::now(),
            license,
            digest: opened.digest(),
            files: files.into_iter().map(PulledFile::from).collect(),
        };
        // What the digest is of has to be what came from the hub.
        for file in opened.files() {
            let fetched = pulled.files.iter().find(|fetched| fetched.name == file.name);
            if fetched.is_none_or(|fetched| fetched.digest != file.digest) {
                let problem = format!("`{}` is not the one that was fetched", file.name);
                return Err(WorkflowError::Record { what: format!("`{part}`"), problem });
            }
        }
        freehold_files::write(&dir, RECORD, &serde_json::to_vec_pretty(&pulled).map_err(malformed(RECORD))?)?;
        freehold_files::rename(&self.dir, &part, &whole)?;
        self.name_commit(model, commit)?;
        Ok(ModelPull { revision: model.revision().into(), unchanged: false, pulled })
    }

    /// Opens a pulled model, reads all its files and refuses it if they are not those that were pulled. `locked` is the commit
    /// that counts instead of what the revision stood for when it was last pulled.
    pub fn open_model(&self, model: &HubModel, locked: Option<&Commit>) -> Result<OpenedModel, WorkflowError> {
        let not_pulled = || {
            let named = locked.and_then(|commit| model.at(commit.as_str()).ok());
            WorkflowError::NotPulled(named.as_ref().unwrap_or(model).to_string())
        };
        let commit = match (locked, model.revision().parse()) {
            (Some(commit), _) => commit.clone(),
            (None, Ok(commit)) => commit,
            (None, Err(_)) => self.revisions(&folder_of(model))?.remove(model.revision()).ok_or_else(not_pulled)?,
        };
        if !freehold_files::exists(&self.dir, format!("{}/{commit}", folder_of(model)))? {
            return Err(not_pulled());
        }
        self.open_commit(model, &commit)
    }

    fn open_commit(&self, model: &HubModel, commit: &Commit) -> Result<OpenedModel, WorkflowError> {
        let path = format!("{}/{commit}", folder_of(model));
        let dir = self.folder(&path)?;
        let pulled = record(&dir, &path)?;
        let folder =
            ModelFolder::open(dir).map_err(|source| WorkflowError::Model { model: model.to_string(), source })?;
        let (expected, found) = (pulled.digest, folder.digest());
        if expected != found || pulled.commit != *commit {
            let model = model.at(commit.as_str()).as_ref().unwrap_or(model).to_string();
            return Err(WorkflowError::PulledChanged { model, folder: path, expected, found });
        }
        Ok(OpenedModel { folder, pulled })
    }

    /// All pulled models, by name. Their files are not read.
    pub fn models(&self) -> Result<PulledModels, WorkflowError> {
        let mut all = PulledModels::default();
        for org in folders(&self.dir, MODELS)? {
            let org = format!("{MODELS}/{org}");
            for name in folders(&self.dir, &org)? {
                let model = format!("{org}/{name}");
                let revisions = self.revisions(&model)?;
                for entry in folders(&self.dir, &model)? {
                    let path = format!("{model}/{entry}");
                    if entry.ends_with(PART) {
                        all.unfinished.push(UnfinishedPull { bytes: bytes_in(&self.dir, &path)?, folder: path });
                    } else if let Ok(commit) = entry.parse::<Commit>() {
                        let revisions = revisions.iter().filter(|(_, other)| **other == commit);
                        all.models.push(ListedModel {
                            revisions: revisions.map(|(revision, _)| revision.clone()).collect(),
                            pulled: record(&self.folder(&path)?, &path)?,
                        });
                    }
                }
            }
        }
        Ok(all)
    }

    fn revisions(&self, folder: &str) -> Result<Revisions, WorkflowError> {
        let path = format!("{folder}/{REVISIONS}");
        match freehold_files::read(&self.dir, &path, RECORD_LIMIT) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(malformed(&path)),
            Err(error) if error.is_not_found() => Ok(Revisions::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// From now on the revision stands for the commit. A commit stands for itself.
    fn name_commit(&self, model: &HubModel, commit: &Commit) -> Result<(), WorkflowError> {
        let folder = folder_of(model);
        let mut revisions = self.revisions(&folder)?;
        let named = model.revision() == commit.as_str()
            || revisions.insert(model.revision().into(), commit.clone()).as_ref() == Some(commit);
        if named {
            return Ok(());
        }
        let bytes = serde_json::to_vec_pretty(&revisions).map_err(malformed(REVISIONS))?;
        Ok(freehold_files::write(&self.dir, format!("{folder}/{REVISIONS}"), &bytes)?)
    }
}

fn record(dir: &Dir, path: &str) -> Result<PulledModel, WorkflowError> {
    let what = format!("{path}/{RECORD}");
    let pulled: PulledModel =
        serde_json::from_slice(&freehold_files::read(dir, RECORD, RECORD_LIMIT)?).map_err(malformed(&what))?;
    if pulled.format != FORMAT {
        let problem = format!("it has format {}, this build reads {FORMAT}", pulled.format);
        return Err(WorkflowError::Record { what, problem });
    }
    Ok(pulled)
}

fn unreadable(path: &str, error: &std::io::Error) -> WorkflowError {
    WorkflowError::Record { what: format!("`{path}`"), problem: error.to_string() }
}

/// The names of the folders in a folder, sorted; none if it is not there.
fn folders(dir: &Dir, path: &str) -> Result<Vec<String>, WorkflowError> {
    let entries = match dir.read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(path, &error))?;
    let is_folder = |entry: &cap_std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut names: Vec<String> = entries
        .iter()
        .filter(|entry| is_folder(entry))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

fn bytes_in(dir: &Dir, path: &str) -> Result<u64, WorkflowError> {
    let entries = dir.read_dir(path).map_err(|error| unreadable(path, &error))?;
    Ok(entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum())
}
