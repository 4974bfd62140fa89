//! A data set of real text with real personal data: the Debian changelogs installed on this machine.
//!
//! Every entry names the person who wrote it, and its header says how urgent the upload is. Packages built from one
//! source carry the same changelog, so there are real duplicates as well.

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::corpus::random::hash;

/// The urgencies of deb-changelog(5).
const URGENCIES: [&str; 5] = ["low", "medium", "high", "emergency", "critical"];
/// Longest change lines of an entry, in characters; the trailer comes on top.
const CHANGES_CHARACTERS_MAX: usize = 280;
/// One in so many texts is held out.
const HELDOUT_ONE_IN: u64 = 10;

/// Why there is no data set.
#[derive(Debug)]
pub(crate) enum ChangelogError {
    /// The folder cannot be listed.
    Unreadable(PathBuf, std::io::Error),
    /// The folder holds no changelog with an entry.
    Missing(PathBuf),
}

impl fmt::Display for ChangelogError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (root, cause) = match self {
            Self::Unreadable(root, cause) => (root, cause.to_string()),
            Self::Missing(root) => (root, "no changelog with an entry there".to_owned()),
        };
        write!(
            formatter,
            "no Debian changelogs under {}: {cause}. This demo reads */changelog.Debian.gz, which Debian, Ubuntu and their kin install under \
             /usr/share/doc with every package (minimal container images leave it out: see /etc/dpkg/dpkg.cfg.d). On another system run it in a \
             Debian machine, or use the generated support desk corpus instead.",
            root.display()
        )
    }
}

impl std::error::Error for ChangelogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, cause) => Some(cause),
            Self::Missing(_) => None,
        }
    }
}

/// One entry of one installed package's changelog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// Installed package and version; unique.
    pub(crate) id: String,
    /// The name in the header, which is that of the source package.
    pub(crate) package: String,
    /// The change lines, cut at a line's end, and the trailer with the author and the date.
    pub(crate) text: String,
    /// The header's urgency in lower case.
    pub(crate) urgency: String,
}

/// Counts over everything that was read, before sampling.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Statistics {
    /// Changelogs read.
    pub(crate) files: usize,
    /// Files that are no gzip, or broken off.
    pub(crate) files_unreadable: usize,
    /// Entries with an urgency and a trailer.
    pub(crate) entries: usize,
    /// Entries whose change lines no other entry has.
    pub(crate) entries_distinct: usize,
    /// Different names in trailers.
    pub(crate) authors: usize,
    /// Different e-mail addresses.
    pub(crate) emails: usize,
    /// Entries by urgency.
    pub(crate) urgencies: BTreeMap<String, usize>,
    /// The share of the most frequent urgency among all entries.
    pub(crate) majority_share: f64,
    /// The same among the held-out entries: what always answering that class would score.
    pub(crate) majority_share_eval: f64,
}

/// The data set.
#[derive(Debug, Clone)]
pub(crate) struct Changelogs {
    /// Entries to train on, duplicates included, urgencies as they are in reality.
    pub(crate) train: Vec<Entry>,
    /// Entries to evaluate on: each text once, urgencies as they are in reality.
    pub(crate) eval: Vec<Entry>,
    /// Counts over everything that was read.
    pub(crate) statistics: Statistics,
    /// Every e-mail address in `train` and `eval`, found independently of any redaction.
    pub(crate) addresses: BTreeSet<String>,
}

/// Reads `*/changelog.Debian.gz` under `root` and samples at most `limit` entries, a tenth of them for evaluation.
///
/// # Errors
/// When the folder cannot be listed or no file in it has an entry.
pub(crate) fn read(root: &Path, limit: usize) -> Result<Changelogs, ChangelogError> {
    let mut statistics = Statistics::default();
    let mut authors = BTreeSet::new();
    let mut entries = Vec::new();
    for (package, path) in files(root).map_err(|cause| ChangelogError::Unreadable(root.to_owned(), cause))? {
        match decompressed(&path) {
            Ok(text) => {
                statistics.files += 1;
                entries.extend(parse(&package, &text, &mut authors));
            }
            Err(_) => statistics.files_unreadable += 1,
        }
    }
    if entries.is_empty() {
        return Err(ChangelogError::Missing(root.to_owned()));
    }
    make_ids_unique(&mut entries);
    statistics.authors = authors.len();
    count(&entries, &mut statistics);
    let (train, eval) = sampled(entries, limit);
    statistics.majority_share_eval = majority_share(&eval);
    let addresses = train.iter().chain(&eval).flat_map(|entry| addresses(&entry.text)).collect();
    Ok(Changelogs { train, eval, statistics, addresses })
}

/// One JSON object a line.
pub(crate) fn to_jsonl(entries: &[Entry]) -> String {
    // An entry holds only strings, which always serialise.
    entries
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok())
        .flat_map(|line| [line, "\n".to_owned()])
        .collect()
}

/// Every e-mail address: an at sign between a run of letters, figures and `._%+~-` and a run of letters, figures, dots and
/// hyphens that begins with a letter or figure. A scanner of its own, so that it shares no fault with what redacts.
pub(crate) fn addresses(text: &str) -> BTreeSet<String> {
    let in_local = |letter: char| letter.is_alphanumeric() || "._%+~-".contains(letter);
    let in_domain = |letter: char| letter.is_alphanumeric() || ".-".contains(letter);
    let at_signs = text.match_indices('@').filter_map(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let local = &before[before.trim_end_matches(in_local).len()..];
        let domain = &after[..after.len() - after.trim_start_matches(in_domain).len()];
        let local = local.trim_start_matches('.');
        let domain = domain.trim_end_matches(['.', '-']);
        let begins_well = domain.starts_with(char::is_alphanumeric);
        (begins_well && local.contains(char::is_alphanumeric)).then(|| format!("{local}@{domain}"))
    });
    at_signs.collect()
}

/// The changelogs under a folder, with the name of the package, in the order of names.
fn files(root: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root)? {
        let folder = folder?;
        let path = folder.path().join("changelog.Debian.gz");
        if path.is_file() {
            found.push((folder.file_name().to_string_lossy().into_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

fn decompressed(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(std::fs::File::open(path)?).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The entries of one changelog; those without urgency or trailer are left out, as is what old formats hold.
fn parse(installed: &str, text: &str, authors: &mut BTreeSet<String>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut open: Option<(Header, Vec<&str>)> = None;
    for line in text.lines().map(str::trim_end) {
        if let Some(header) = header(line) {
            open = Some((header, Vec::new()));
        } else if let Some(trailer) =
            line.strip_prefix(" --").filter(|trailer| trailer.starts_with(' ') && trailer.contains('<'))
        {
            if let Some((header, changes)) = open.take() {
                authors.insert(trailer.split('<').next().unwrap_or_default().trim().to_owned());
                entries.push(Entry {
                    id: format!("{installed}_{}", header.version),
                    package: header.package.to_owned(),
                    text: entry_text(&changes, line),
                    urgency: header.urgency.to_owned(),
                });
            }
        } else if line.is_empty() || line.starts_with([' ', '\t']) {
            if let Some((_, changes)) = &mut open {
                changes.push(line);
            }
        } else if !line.starts_with('#') {
            // Something else at the margin: an older format begins, or an editor's settings.
            open = None;
        }
    }
    entries
}

/// What the first line of an entry says.
struct Header<'a> {
    package: &'a str,
    version: &'a str,
    urgency: &'static str,
}

/// Parses `package (version) distributions; key=value, ...`; nothing where it is no header or has no known urgency.
fn header(line: &str) -> Option<Header<'_>> {
    let (package, rest) = line.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    let (_, settings) = rest.split_once(';')?;
    let named =
        !package.is_empty() && package.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !named || version.is_empty() {
        return None;
    }
    settings.split(',').find_map(|setting| {
        let (key, value) = setting.split_once('=')?;
        // A comment may follow the word: "low (HIGH for m68k)".
        let word: String =
            value.trim().chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
        let urgency = *URGENCIES.iter().find(|urgency| **urgency == word)?;
        key.trim().eq_ignore_ascii_case("urgency").then_some(Header { package, version, urgency })
    })
}

/// The change lines up to the limit, and the trailer.
fn entry_text(changes: &[&str], trailer: &str) -> String {
    let mut text = String::new();
    let mut characters = 0;
    for line in changes.iter().filter(|line| !line.is_empty()) {
        characters += line.chars().count() + 1;
        if characters > CHANGES_CHARACTERS_MAX {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text + trailer
}

/// What makes two entries the same: the letters of the change lines, without trailer, case, spaces and figures.
fn group(text: &str) -> u64 {
    let changes = text.rsplit_once('\n').map_or("", |(changes, _)| changes);
    let letters: String =
        changes.chars().filter(|letter| letter.is_alphabetic()).flat_map(char::to_lowercase).collect();
    hash(&letters)
}

/// Numbers the versions that one changelog has twice.
fn make_ids_unique(entries: &mut [Entry]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        let times = seen.entry(entry.id.clone()).and_modify(|times| *times += 1).or_insert(1);
        if *times > 1 {
            entry.id = format!("{}#{times}", entry.id);
        }
    }
}

fn count(entries: &[Entry], statistics: &mut Statistics) {
    statistics.entries = entries.len();
    statistics.entries_distinct = entries.iter().map(|entry| group(&entry.text)).collect::<BTreeSet<_>>().len();
    statistics.emails = entries.iter().flat_map(|entry| addresses(&entry.text)).collect::<BTreeSet<_>>().len();
    for entry in entries {
        *statistics.urgencies.entry(entry.urgency.clone()).or_default() += 1;
    }
    statistics.majority_share = majority_share(entries);
}

fn majority_share(entries: &[Entry]) -> f64 {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        *counts.entry(&entry.urgency).or_default() += 1;
    }
    counts.values().max().copied().unwrap_or(0) as f64 / entries.len().max(1) as f64
}

/// Draws the training and the held-out entries by hashes alone, so that one more package changes little.
fn sampled(mut entries: Vec<Entry>, limit: usize) -> (Vec<Entry>, Vec<Entry>) {
    entries.sort_by_cached_key(|entry| (hash(&entry.id), entry.id.clone()));
    let (eval_limit, mut seen) = (limit / HELDOUT_ONE_IN as usize, BTreeSet::new());
    let train_limit = limit - eval_limit;
    let (mut train, mut eval) = (Vec::new(), Vec::new());
    for entry in entries {
        let group = group(&entry.text);
        // The text decides the side, so a duplicate never straddles it.
        if group.is_multiple_of(HELDOUT_ONE_IN) {
            if eval.len() < eval_limit && seen.insert(group) {
                eval.push(entry);
            }
        } else if train.len() < train_limit {
            train.push(entry);
        }
    }
    (train, eval)
}

#[cfg(test)]
mod tests;
