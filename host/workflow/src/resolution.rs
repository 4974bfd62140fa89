//! Which version of a plugin is used. By Cargo's rules: the locked version while it fits, else the newest that fits; a
//! pre-release only where the range names one; a yanked version only where it is locked.
//!
//! The choice is made by names and yanks alone, and what was chosen is verified afterwards: a version that does not verify is
//! an error. To take an older one in its place would let whoever can spoil the newest choose an old one with known holes. For
//! the same reason a locked version that is gone is never replaced by an older one, and neither is the newest that fits of those
//! that this home has ever seen. Who wants an older one says so, with a range that the newer does not fit.

use freehold_core::digest::Digest;
use freehold_core::lock::LockedPlugin;
use freehold_core::name::PluginName;
use freehold_trust::VerifiedPlugin;
use jiff::Timestamp;
use semver::{Version, VersionReq};

use crate::difference::Difference;
use crate::{ExitCode, WorkflowError};

const COMPONENT: &str = "component";
const SIGNED_MANIFEST: &str = "signed manifest";

/// A range cannot be resolved, or was resolved to other bytes before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolutionError {
    /// Every version that fits is yanked.
    #[error("every version of `{plugin}` that fits `{wanted}` in `{folder}` is yanked: {yanked}")]
    AllYanked {
        /// The plugin.
        plugin: PluginName,
        /// The range.
        wanted: VersionReq,
        /// Where it was looked for.
        folder: String,
        /// The versions with their reasons.
        yanked: String,
    },
    /// The locked version is gone, and it may not be replaced.
    #[error("`{plugin}` {locked} is locked, but `{folder}` does not have it any more; it offers {offered}{}",
        if *.older { ": older than what is locked" } else { "" })]
    LockedGone {
        /// The plugin.
        plugin: PluginName,
        /// The locked version.
        locked: Version,
        /// Where it was looked for.
        folder: String,
        /// The newest that fits and is not yanked.
        offered: String,
        /// Whether that is older.
        older: bool,
    },
    /// A version that this home has seen is gone, and what is left is older.
    #[error(
        "this home has seen `{plugin}` {seen}, which fits `{wanted}`, but `{folder}` does not have it; it offers {offered}"
    )]
    SeenGone {
        /// The plugin.
        plugin: PluginName,
        /// The newest that fits and was seen.
        seen: Version,
        /// The range.
        wanted: VersionReq,
        /// Where it was looked for.
        folder: String,
        /// The newest that fits and is not yanked.
        offered: Version,
    },
    /// The locked version has other bytes.
    #[error("`{plugin}` {version} has another {what} than is locked: it is {found}, locked is {locked}")]
    NotAsLocked {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// The component, or the signed manifest.
        what: &'static str,
        /// The digest in the lockfile.
        locked: Digest,
        /// The digest found.
        found: Digest,
    },
    /// This home has seen the version with other bytes.
    #[error("`{plugin}` {version} is not what this home has seen under that version: {differs}")]
    NotAsSeen {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// How it differs.
        differs: String,
    },
    /// What the home remembers of a version was damaged.
    #[error("`{file}`: {problem}")]
    Memory {
        /// The file in the home.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The folder has the version already.
    #[error("`{plugin}` {version} was signed before, as something else: {differs}")]
    Published {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// How it differs.
        differs: String,
    },
    /// The folder has the version with other bytes than are to be added.
    #[error("`{folder}` has `{plugin}` {version} already, as something else: {differs}")]
    Occupied {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// The folder of plugins.
        folder: String,
        /// How what is to be added differs.
        differs: String,
    },
    /// It is not yanked.
    #[error("`{plugin}` {version} is not yanked")]
    NotYanked {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
    },
    /// Something newer was said of it.
    #[error("of `{plugin}` {version}, this home has met a newer word than that of {time}: {newer}")]
    NewerYank {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// When it was said.
        time: Timestamp,
        /// The newer word.
        newer: String,
    },
    /// There is no such version to yank.
    #[error("`{folder}` has no `{plugin}` {version}; found: {found}")]
    NoVersion {
        /// The plugin.
        plugin: PluginName,
        /// The version.
        version: Version,
        /// Where it was looked for.
        folder: String,
        /// What is there.
        found: String,
    },
}

impl ResolutionError {
    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::AllYanked { .. } | Self::LockedGone { .. } | Self::SeenGone { .. } | Self::NewerYank { .. } => {
                ExitCode::Broken
            }
            Self::NotAsLocked { .. } | Self::NotAsSeen { .. } | Self::Memory { .. } | Self::Occupied { .. } => {
                ExitCode::Unverified
            }
            Self::Published { .. } | Self::NotYanked { .. } | Self::NoVersion { .. } => ExitCode::Usage,
        }
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::AllYanked { .. } => {
                "get a newer version from the publisher, or change `version` in the recipe".into()
            }
            Self::LockedGone { plugin, locked, older: false, .. } => format!(
                "put {plugin}/{locked} back into the folder; if it is gone for good, see what would take its place with \
                 `freehold plugin update` and accept it with `--write`"
            ),
            Self::LockedGone { plugin, locked: gone, offered, .. } => go_back(plugin, gone, offered),
            Self::SeenGone { plugin, seen: gone, offered, .. } => go_back(plugin, gone, &offered.to_string()),
            Self::NewerYank { .. } => "check the clock of this machine, then say it again".into(),
            Self::NotAsLocked { what: COMPONENT, .. } | Self::NotAsSeen { .. } => {
                "do not use these files: a version never gets other bytes; publish it as a new version, by raising \
                 `version` in plugin.toml"
                    .into()
            }
            Self::NotAsLocked { .. } => {
                "put the locked files back; if it was only signed again, accept that with a run without --locked".into()
            }
            Self::Memory { .. } => "restore the file from a copy of the home".into(),
            Self::Published { .. } => {
                "raise `version` in plugin.toml: a version never gets other bytes once it was signed".into()
            }
            Self::Occupied { .. } => {
                "a version never gets other bytes: find out from its publisher which of the two is theirs, and have the other \
                 published as a new version"
                    .into()
            }
            Self::NotYanked { .. } => "`freehold plugin list` shows which versions are".into(),
            Self::NoVersion { .. } => "write publisher/name@version; `freehold plugin list` shows what there is".into(),
        }
    }
}

/// How to take an older version knowingly.
fn go_back(plugin: &PluginName, gone: &Version, offered: &str) -> String {
    format!(
        "put {plugin}/{gone} back into the folder; if it is not to be used any more, have its publisher yank it; to use an \
         older one knowingly, name it exactly: `={offered}`"
    )
}

/// The version to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The version.
    pub version: Version,
    /// Why it was yanked, if it is locked and was.
    pub yanked: Option<String>,
}

/// What is resolved.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The plugin.
    pub plugin: &'a PluginName,
    /// The range in the recipe.
    pub range: &'a VersionReq,
    /// The locked version.
    pub locked: Option<&'a Version>,
    /// Whether nothing but the locked version will do.
    pub strict: bool,
}

/// What there is to choose from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    /// What the recipe calls the folder.
    pub(crate) folder: &'a str,
    /// The versions in it.
    pub(crate) versions: &'a [Version],
    /// Versions that are not in it, but that this home has seen and would still trust.
    pub(crate) gone: &'a [Version],
}

/// An error if what was found under a locked version is not what is locked. A component never changes. A signed manifest may
/// have been renewed, which the home judges by what it has seen; with `strict` not even that.
pub(crate) fn as_locked(locked: &LockedPlugin, found: &VerifiedPlugin, strict: bool) -> Result<(), WorkflowError> {
    let refused = |what: &'static str, locked_digest: Digest, found: Digest| {
        let (plugin, version) = (locked.name.clone(), locked.version.clone());
        Err(ResolutionError::NotAsLocked { plugin, version, what, locked: locked_digest, found }.into())
    };
    let component = found.manifest().component;
    if component != locked.component {
        return refused(COMPONENT, locked.component, component);
    }
    if strict && found.envelope() != locked.manifest {
        return refused(SIGNED_MANIFEST, locked.manifest, found.envelope());
    }
    Ok(())
}

/// Versions for a message.
pub(crate) fn listed<'a>(versions: impl IntoIterator<Item = &'a Version>) -> String {
    let versions: Vec<_> = versions.into_iter().map(Version::to_string).collect();
    if versions.is_empty() { "none".into() } else { versions.join(", ") }
}

/// Differences for a message.
pub(crate) fn differing(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Chooses among the versions on offer. `yank` is asked for each version that the choice rests on; it says why that one is
/// yanked, and its error is the answer.
pub(crate) fn choose(
    wanted: &Wanted<'_>,
    Offer { folder, versions, gone }: Offer<'_>,
    mut yank: impl FnMut(&Version) -> Result<Option<String>, WorkflowError>,
) -> Result<Choice, WorkflowError> {
    let Wanted { plugin, range, .. } = *wanted;
    let locked = wanted.locked.filter(|version| range.matches(version));
    if let Some(locked) = locked.filter(|locked| versions.contains(locked)) {
        return Ok(Choice { version: locked.clone(), yanked: yank(locked)? });
    }
    let mut fitting: Vec<&Version> = versions.iter().filter(|version| range.matches(version)).collect();
    fitting.sort();
    let (mut newest, mut yanked) = (None, Vec::new());
    for version in fitting.iter().rev() {
        match yank(version)? {
            None => {
                newest = Some(*version);
                break;
            }
            Some(reason) => yanked.push(format!("{version} ({reason})")),
        }
    }
    if let Some(locked) = locked
        && (wanted.strict || newest.is_none_or(|newest| newest < locked))
    {
        return Err(ResolutionError::LockedGone {
            plugin: plugin.clone(),
            locked: locked.clone(),
            folder: folder.into(),
            offered: newest.map_or_else(|| "none that fits".into(), Version::to_string),
            older: newest.is_some_and(|newest| newest < locked),
        }
        .into());
    }
    if let Some(version) = newest {
        for seen in gone.iter().filter(|seen| *seen > version && range.matches(seen)) {
            if yank(seen)?.is_none() {
                return Err(ResolutionError::SeenGone {
                    plugin: plugin.clone(),
                    seen: seen.clone(),
                    wanted: range.clone(),
                    folder: folder.into(),
                    offered: version.clone(),
                }
                .into());
            }
        }
        return Ok(Choice { version: version.clone(), yanked: None });
    }
    if yanked.is_empty() {
        return Err(WorkflowError::NoPlugin {
            plugin: plugin.to_string(),
            wanted: range.to_string(),
            folder: folder.into(),
            found: listed(versions),
        });
    }
    let (plugin, wanted, folder) = (plugin.clone(), range.clone(), folder.to_owned());
    Err(ResolutionError::AllYanked { plugin, wanted, folder, yanked: yanked.join(", ") }.into())
}

#[cfg(test)]
mod tests;
