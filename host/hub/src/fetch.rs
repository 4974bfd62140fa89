//! A whole model.

use std::collections::BTreeSet;

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::hub::{Commit, HubModel};

use crate::client::Client;
use crate::part::Part;
use crate::select::{CARD, INDEX, Selection, select, shards};
use crate::{Access, HubError, card};

/// The largest index of weights and the largest model card, in bytes.
const TEXT_LIMIT: u64 = 64 << 20;

/// A model as it is at one commit.
pub struct Snapshot {
    client: Client,
    commit: Commit,
    names: BTreeSet<String>,
    selection: Selection,
}

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// The digest of what came.
    pub digest: Digest,
}

/// How far a file is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes on the disk.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

/// Asks a hub which commit the revision of a model stands for and what is in it.
///
/// # Errors
/// The hub cannot be reached, does not give the model to who asks, or it is none that the engine could use.
pub fn look_up(access: &Access, model: &HubModel) -> Result<Snapshot, HubError> {
    let client = Client::new(access, model)?;
    let revision = client.revision()?;
    let selection = select(&model.to_string(), &revision.names)?;
    Ok(Snapshot { client, commit: revision.commit, names: revision.names, selection })
}

impl Snapshot {
    /// The commit.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Fetches the files that the engine uses into `dir`, or what is missing there. Until a file is whole its name ends in
    /// [`PART`](crate::PART).
    pub fn fetch(&self, dir: &Dir, observe: &mut dyn FnMut(Progress<'_>)) -> Result<Vec<FetchedFile>, HubError> {
        let mut fetched = Vec::new();
        for file in &self.selection.files {
            fetched.push(self.fetch_file(dir, file, observe)?);
        }
        if self.selection.sharded {
            let index = freehold_files::read(dir, INDEX, TEXT_LIMIT)?;
            let shards = shards(&index, &self.names).inspect_err(|_| {
                // It is not a model's. What matters is the error.
                let _ = dir.remove_file(INDEX);
            })?;
            for shard in shards {
                fetched.push(self.fetch_file(dir, &shard, observe)?);
            }
        }
        fetched.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(fetched)
    }

    fn fetch_file(
        &self,
        dir: &Dir,
        name: &str,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<FetchedFile, HubError> {
        let promise = self.client.promise(&self.commit, name)?;
        let part = Part { client: &self.client, commit: &self.commit, dir, name, promise };
        let digest = part.fetch(&mut |done| observe(Progress { file: name, done, total: promise.size }))?;
        Ok(FetchedFile { name: name.into(), bytes: promise.size, digest })
    }

    /// The license that the model card in `dir` says, if there is a card and it says one.
    pub fn license(&self, dir: &Dir) -> Option<String> {
        let card = freehold_files::read(dir, CARD, TEXT_LIMIT).ok()?;
        card::license(&String::from_utf8_lossy(&card))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("commit", &self.commit).finish_non_exhaustive()
    }
}
