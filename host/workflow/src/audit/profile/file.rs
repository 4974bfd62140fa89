//! The file of a profile: TOML, read with errors that say where and what was meant.

use std::collections::BTreeSet;

use freehold_core::printable::is_printable;
use freehold_core::toml_text::{self, TomlError};
use serde::Deserialize;

use super::EvidenceKind;
use crate::WorkflowError;

/// Items of a profile at most.
const ITEMS_MAX: usize = 1000;
/// Characters of a text at most.
const TEXT_MAX: usize = 600;

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// Its name: lowercase letters, digits and hyphens.
    pub(super) name: String,
    /// The framework.
    pub(super) title: String,
    /// Where the items come from, as one cites it.
    pub(super) source: String,
    /// The address of the source, `https:`.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// What a reader has to know.
    #[serde(default)]
    pub(super) note: Option<String>,
    /// The items, in their order.
    pub(super) item: Vec<Item>,
}

/// An item of a framework: what answers it, what the organisation has to write, or both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    /// Its number in the framework.
    pub(super) id: String,
    /// What it asks for.
    pub(super) title: String,
    /// The evidence that answers it.
    #[serde(default)]
    pub(super) evidence: Vec<EvidenceKind>,
    /// What the organisation has to write.
    #[serde(default)]
    pub(super) document: Option<String>,
}

impl Profile {
    /// Reads a profile; `file` is its name, for errors.
    pub(super) fn parse(file: &str, document: &str) -> Result<Self, WorkflowError> {
        let error = |error: TomlError| WorkflowError::Toml { file: file.into(), document: document.into(), error };
        let profile: Self = toml_text::parse(document).map_err(error)?;
        profile.check().map_err(|Wrong { path, problem }| {
            let steps: Vec<_> = path.iter().map(String::as_str).collect();
            let message = format!("`{}`: {problem}", path.join("."));
            error(TomlError { message, span: toml_text::span_of(document, &steps), remedy: None })
        })?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), Wrong> {
        let top = |key: &str| vec![key.to_owned()];
        let label = !self.name.is_empty() && self.name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        require(label, || top("name"), "use lowercase letters, digits and hyphens")?;
        require(self.url.as_ref().is_none_or(|url| is_address(url)), || top("url"), "must begin with https://")?;
        for (key, text) in [("title", Some(&self.title)), ("source", Some(&self.source)), ("note", self.note.as_ref())]
        {
            check_text(text, || top(key))?;
        }
        let counted = (1..=ITEMS_MAX).contains(&self.item.len());
        require(counted, || top("item"), &format!("there have to be from 1 to {ITEMS_MAX} items"))?;
        let mut ids = BTreeSet::new();
        for (index, item) in self.item.iter().enumerate() {
            let at = |key: &str| vec!["item".to_owned(), index.to_string(), key.to_owned()];
            check_text(Some(&item.id), || at("id"))?;
            check_text(Some(&item.title), || at("title"))?;
            check_text(item.document.as_ref(), || at("document"))?;
            require(ids.insert(&item.id), || at("id"), "another item has it")?;
            let distinct: BTreeSet<_> = item.evidence.iter().collect();
            require(distinct.len() == item.evidence.len(), || at("evidence"), "a kind is named twice")?;
            let asks = !item.evidence.is_empty() || item.document.is_some();
            require(asks, || at("id"), "the item needs `evidence`, `document` or both")?;
        }
        Ok(())
    }
}

/// What is wrong, and the path to it.
struct Wrong {
    path: Vec<String>,
    problem: String,
}

fn require(holds: bool, path: impl FnOnce() -> Vec<String>, problem: &str) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong { path: path(), problem: problem.into() }) }
}

fn check_text(text: Option<&String>, path: impl Fn() -> Vec<String>) -> Result<(), Wrong> {
    let Some(text) = text else { return Ok(()) };
    let sized = !text.trim().is_empty() && text.chars().count() <= TEXT_MAX;
    require(sized, &path, &format!("must be a text of up to {TEXT_MAX} characters"))?;
    require(text.chars().all(is_printable), path, "has characters that do not show, or a line break")
}

fn is_address(url: &str) -> bool {
    url.starts_with("https://") && url.len() <= 500 && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "name = 'own'\ntitle = 'Ours'\nsource = 'Handbook'\nurl = 'https://example.org/a'\n\
        [[item]]\nid = '1'\ntitle = 'Data'\nevidence = ['data.digests', 'data.labels']\n\
        [[item]]\nid = '2'\ntitle = 'Purpose'\ndocument = 'The purpose'\n";

    fn error(from: &str, to: &str) -> (String, Option<String>, Option<usize>) {
        let document = PROFILE.replace(from, to);
        assert_ne!(document, PROFILE);
        match Profile::parse("own.toml", &document) {
            Err(WorkflowError::Toml { file, error, .. }) if file == "own.toml" => {
                (error.message.clone(), error.remedy.clone(), error.line(&document))
            }
            other => panic!("{to}: {other:?}"),
        }
    }

    #[test]
    fn a_profile_is_read() {
        let profile = Profile::parse("own.toml", PROFILE).unwrap();
        assert_eq!(profile.item[0].evidence, [EvidenceKind::DataDigests, EvidenceKind::DataLabels]);
        assert_eq!(profile.item[1].document.as_deref(), Some("The purpose"));
    }

    #[test]
    fn what_is_unknown_is_an_error_with_a_suggestion() {
        let (message, remedy, line) = error("title = 'Data'", "titel = 'Data'");
        assert!(message.contains("titel"), "{message}");
        assert_eq!((remedy.as_deref(), line), (Some("did you mean `title`?"), Some(7)));
        let (_, remedy, line) = error("'data.labels'", "'data.label'");
        assert_eq!((remedy.as_deref(), line), (Some("did you mean `data.labels`?"), Some(8)));
    }

    #[test]
    fn values_that_make_no_sense_name_their_key_and_line() {
        for (from, to, key, at) in [
            ("name = 'own'", "name = 'Own Profile'", "`name`", 1),
            ("'https://example.org/a'", "'javascript:alert(1)'", "`url`", 4),
            ("'Handbook'", "\"Hand\\u202ebook\"", "`source`", 3),
            ("title = 'Purpose'", "title = ' '", "`item.1.title`", 11),
            ("id = '2'", "id = '1'", "`item.1.id`", 10),
            ("'data.labels'", "'data.digests'", "`item.0.evidence`", 8),
            ("document = 'The purpose'", "evidence = []", "`item.1.id`", 10),
        ] {
            let (message, _, line) = error(from, to);
            assert!(message.contains(key), "{message}");
            assert_eq!(line, Some(at), "{message}");
        }
    }
}
