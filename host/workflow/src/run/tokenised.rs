//! What was tokenised and counted before: from the rows and all that tokens and counts are made from to both, which are blobs
//! of the store.
//!
//! A key has everything that the phase depends on: the digests of the rows of both splits, their lineage, by which rows are
//! named, the tokenizer, the texts of its control tokens, the chat template, the settings of the counts, and of the code.
//! Those settings are a type of their own ([`CountSettings`]): [`super::tokenise`] makes tokens and counts without seeing
//! recipe or base model, so that no other setting gets a part in them unseen. What stops a run is never kept.
//!
//! `tokens/KEY.json` in the home's cache: a tag (32 bytes), then an [`Entry`].

use freehold_cache::{Cache, Kind};
use freehold_core::digest::Digest;
use freehold_core::recipe::Split;
use freehold_core::record::Phase;
use freehold_engine::ModelFolder;
use freehold_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use super::journal::{Work, output_of};
use super::lineage;
use super::tokenise::TokeniseDetail;
use super::transform::rows_output;
use super::validate::CountSettings;
use crate::{Home, WorkflowError};

const FOLDER: &str = "tokens";
/// Entries that are kept, of less than a KiB each.
const ENTRIES_MAX: usize = 1_000;
const TOKENISED: Kind = Kind {
    domain: b"freehold tokenised rows v2",
    name: "tokenised rows",
    remedy: "tokenised anew",
    bytes_max: 64 << 10,
};

/// What tokens and counts depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    rows: Digest,
    held_out: Digest,
    lineage: Digest,
    tokenizer: Digest,
    /// Of the file that names the control tokens; nothing if there is none.
    control_tokens: Option<Digest>,
    template: Option<Digest>,
    settings: Digest,
    code: &'static str,
}

/// What the phase comes to, and what is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tokenised {
    /// The blob of the tokens of the training split.
    pub(super) tokens: Digest,
    /// The blob of the counts of both splits.
    pub(super) validation: Digest,
    pub(super) detail: TokeniseDetail,
}

/// The place of tokens and counts in the cache.
pub(super) struct Place {
    cache: Cache,
    parts: Parts,
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, held_out, lineage, tokenizer, control_tokens, template, settings, code } = self;
        let or_none = |digest: &Option<Digest>| digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        let (control_tokens, template) = (or_none(control_tokens), or_none(template));
        write!(
            f,
            "rows {rows}, held-out rows {held_out}, lineage {lineage}, tokenizer {tokenizer}, control tokens \
             {control_tokens}, template {template}, settings {settings}, code sha256:{code}"
        )
    }
}

impl Place {
    /// The place of what this model and these settings make of the rows that came out of the transforms.
    pub(super) fn of(
        home: &Home,
        base: &ModelFolder,
        settings: &CountSettings,
        work: &Work<'_>,
    ) -> Result<Self, WorkflowError> {
        let transformed = work.before(Phase::Transform)?;
        let parts = Parts {
            rows: output_of(transformed, &rows_output(Split::Train))?,
            held_out: output_of(transformed, &rows_output(Split::Eval))?,
            lineage: lineage::digest(transformed),
            tokenizer: base.tokenizer_digest(),
            control_tokens: base.control_tokens_digest(),
            template: base.template_digest(),
            settings: settings.digest()?,
            code: env!("FREEHOLD_TOKENISING_CODE"),
        };
        Ok(Self { cache: home.cache()?, parts })
    }

    fn file(&self) -> String {
        format!("{FOLDER}/{}.json", Digest::of(self.parts.to_string().as_bytes()).hex())
    }

    /// Tokens and counts, if they were made before and are still there.
    pub(super) fn find(&self, store: &Store) -> Result<Option<Tokenised>, WorkflowError> {
        let file = self.file();
        let kept = self.cache.load(&TOKENISED, &file, &[self.parts.to_string().as_bytes()]);
        let entry = kept.and_then(|kept| serde_json::from_slice::<Tokenised>(kept.content()).ok());
        let is_there = |entry: &Tokenised| store.verify(&entry.tokens).and_then(|()| store.verify(&entry.validation));
        let found = match entry.map(|entry| is_there(&entry).map(|()| entry)).transpose() {
            Ok(found) => found,
            Err(StoreError::Missing(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let outcome = if found.is_some() { "hit" } else { "miss" };
        tracing::debug!("{}: {outcome}: {}", TOKENISED.name, self.parts);
        if found.is_some() {
            self.cache.touch(&file);
        }
        Ok(found)
    }

    /// Keeps where tokens and counts are. Those that stop a run are not for keeping.
    pub(super) fn keep(&self, tokenised: &Tokenised) {
        let Ok(entry) = serde_json::to_vec(tokenised) else { return };
        self.cache.keep(&TOKENISED, &self.file(), &[self.parts.to_string().as_bytes()], &entry);
        self.cache.trim(FOLDER, ENTRIES_MAX);
    }
}

#[cfg(test)]
#[path = "../../build/code.rs"]
mod code;

#[cfg(test)]
mod tests {
    use cap_std::fs::Dir;
    use freehold_trust::MacKey;

    use super::*;

    struct Bench {
        folder: tempfile::TempDir,
        store: Store,
        cache: Cache,
    }

    fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            Dir::open_ambient_dir(folder.path().join(name), cap_std::ambient_authority()).unwrap()
        };
        let store = Store::open(open("store")).unwrap();
        let cache = Cache::new(open("cache"), MacKey::from_bytes(&[7; 32]).unwrap());
        Bench { folder, store, cache }
    }

    fn parts() -> Parts {
        let digest = |text: &str| Digest::of(text.as_bytes());
        Parts {
            rows: digest("rows"),
            held_out: digest("held-out rows"),
            lineage: digest("lineage"),
            tokenizer: digest("tokenizer"),
            control_tokens: Some(digest("control tokens")),
            template: Some(digest("template")),
            settings: digest("settings"),
            code: "00",
        }
    }

    /// Something that is in the store.
    fn tokenised(store: &Store) -> Tokenised {
        let detail = TokeniseDetail { examples: 1, divided: 0, end: None, tokens: 3, target_tokens: 2, longest: 3 };
        let (tokens, validation) = (store.put(b"tokens").unwrap(), store.put(b"validation").unwrap());
        Tokenised { tokens, validation, detail }
    }

    #[test]
    fn every_part_of_the_key_is_one() {
        let Bench { folder: _folder, store, cache } = bench();
        let tokenised = tokenised(&store);
        let at = |parts: Parts| Place { cache: cache.clone(), parts };
        let known = || at(parts()).find(&store).unwrap();
        assert_eq!(known(), None);
        at(parts()).keep(&tokenised);
        let other = Digest::of(b"another");
        for changed in [
            Parts { rows: other, ..parts() },
            Parts { held_out: other, ..parts() },
            Parts { lineage: other, ..parts() },
            Parts { tokenizer: other, ..parts() },
            Parts { control_tokens: Some(other), ..parts() },
            Parts { control_tokens: None, ..parts() },
            Parts { template: Some(other), ..parts() },
            Parts { template: None, ..parts() },
            Parts { settings: other, ..parts() },
            Parts { code: "01", ..parts() },
            // What is one part's is not another's.
            Parts { rows: parts().tokenizer, tokenizer: parts().rows, ..parts() },
            Parts { rows: parts().held_out, held_out: parts().rows, ..parts() },
            Parts { template: parts().control_tokens, control_tokens: parts().template, ..parts() },
        ] {
            assert_eq!(at(changed).find(&store).unwrap(), None, "{changed}");
            assert_eq!(known().as_ref(), Some(&tokenised));
        }
    }

    #[test]
    fn what_is_damaged_or_leads_nowhere_is_none() {
        let Bench { folder, store, cache } = bench();
        let tokenised = tokenised(&store);
        let place = Place { cache, parts: parts() };
        let path = folder.path().join("cache").join(place.file());
        place.keep(&tokenised);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(place.find(&store).unwrap(), None, "byte {at}");
        }
        // The entry of other rows under this name.
        let elsewhere = Place { cache: place.cache.clone(), parts: Parts { rows: Digest::of(b"other"), ..parts() } };
        elsewhere.keep(&tokenised);
        std::fs::copy(folder.path().join("cache").join(elsewhere.file()), &path).unwrap();
        assert_eq!(place.find(&store).unwrap(), None);
        place.keep(&tokenised);
        for digest in [tokenised.tokens, tokenised.validation] {
            assert_eq!(place.find(&store).unwrap().as_ref(), Some(&tokenised));
            let blob = folder.path().join("store/blobs/sha256").join(digest.hex());
            let good = std::fs::read(&blob).unwrap();
            std::fs::write(&blob, b"changed").unwrap();
            assert!(place.find(&store).is_err(), "a blob of the store was changed");
            std::fs::remove_file(&blob).unwrap();
            assert_eq!(place.find(&store).unwrap(), None);
            std::fs::write(&blob, good).unwrap();
        }
    }

    /// The build took the digest of the code that is there, and any change of it is another digest.
    #[test]
    fn any_change_of_the_code_is_another_code() {
        let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        assert_eq!(code::digest(&workspace).unwrap(), env!("FREEHOLD_TOKENISING_CODE"));
        let copy = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = copy.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let file_of = |part: &str| if part == "Cargo.lock" { part.to_owned() } else { format!("{part}/lib.rs") };
        code::PARTS.iter().for_each(|part| write(&file_of(part), "a"));
        let mut seen = std::collections::BTreeSet::from([code::digest(copy.path()).unwrap()]);
        let changes =
            [("host/engine/src/chat/turn.rs", "a"), ("host/engine/src/chat/turn.rs", "b"), ("host/rows/src/a.rs", "")];
        let parts = code::PARTS.map(file_of);
        for (file, text) in changes.into_iter().chain(parts.iter().map(|file| (file.as_str(), "b"))) {
            write(file, text);
            assert!(seen.insert(code::digest(copy.path()).unwrap()), "{file}");
        }
    }
}
