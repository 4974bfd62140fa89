//! The names of a pack's files, and their order.

use freehold_core::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::PackError;

/// What a pack of this layout calls itself.
const FORMAT: &str = "freehold-pack/1";
/// Names of runs are short.
const RUN_BYTES_MAX: usize = 200;

/// The place of a file in a pack; places are in the order of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// What it is and of which run.
    Description,
    /// A trust root of this version.
    Root(u64),
    /// The tree head.
    Checkpoint,
    /// The newest cosigned one.
    Witnessed,
    /// The hashes between the two.
    Consistency,
    /// The entry of this number.
    Proof(u64),
    /// The blob of this digest.
    Blob(Digest),
}

impl Place {
    /// Its file name.
    pub(crate) fn file(self) -> String {
        match self {
            Self::Description => "pack.json".into(),
            Self::Root(version) => format!("trust/{version}.root.json"),
            Self::Checkpoint => "ledger/checkpoint".into(),
            Self::Witnessed => "ledger/witnessed".into(),
            Self::Consistency => "ledger/witnessed.consistency".into(),
            Self::Proof(index) => format!("ledger/{index}.tlog-proof"),
            Self::Blob(digest) => format!("blobs/sha256/{}", digest.hex()),
        }
    }

    /// The place of a file name. There is one name for each place: numbers have no leading zeros, digits are small.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let place = match name {
            "pack.json" => Self::Description,
            "ledger/checkpoint" => Self::Checkpoint,
            "ledger/witnessed" => Self::Witnessed,
            "ledger/witnessed.consistency" => Self::Consistency,
            _ => {
                let between = |start: &str, end: &str| name.strip_prefix(start)?.strip_suffix(end)?.parse::<u64>().ok();
                if let Some(version) = between("trust/", ".root.json") {
                    Self::Root(version)
                } else if let Some(index) = between("ledger/", ".tlog-proof") {
                    Self::Proof(index)
                } else {
                    let hex = name.strip_prefix("blobs/sha256/")?;
                    Self::Blob(format!("sha256:{hex}").parse().ok()?)
                }
            }
        };
        (place.file() == name).then_some(place)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: String,
    run: String,
}

/// The bytes of `pack.json`.
pub(crate) fn describe(run: &str) -> Vec<u8> {
    serde_json::to_vec(&Description { format: FORMAT.into(), run: run.into() }).unwrap_or_default()
}

/// The run that `pack.json` names.
pub(crate) fn described(bytes: &[u8]) -> Result<String, PackError> {
    let refused = |problem: &str| PackError::Description(problem.into());
    let read: Description =
        serde_json::from_slice(bytes).map_err(|error| refused(&format!("cannot be understood: {error}")))?;
    if read.format != FORMAT {
        return Err(refused(&format!("is of another format than {FORMAT}")));
    }
    let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if read.run.is_empty() || read.run.len() > RUN_BYTES_MAX || !read.run.bytes().all(name) {
        return Err(refused("does not name a run"));
    }
    if describe(&read.run) != bytes {
        return Err(refused("is not written as packs are"));
    }
    Ok(read.run)
}
