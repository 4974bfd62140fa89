//! Which versions of the contract in `wit/` this host accepts, and which imports and exports belong to each: the one place that
//! decides it.
//!
//! Versions of one major version only add to each other, so that a plugin of an older one finds all that it asks for in the
//! newest, and nothing has to be converted. If a version ever has to be treated otherwise, that is said here. The component's own
//! imports and exports are looked at too, since a host that has only a newer or older version of an interface would be linked to
//! them as long as the functions that are used are there.

use semver::Version;

/// The version of the contract that this build speaks.
pub const CONTRACT: Version = Version::new(1, 1, 0);

/// Interfaces that a plugin may import. It exports those of the other packages.
const OFFERED: [&str; 2] = ["freehold:types/types", "freehold:platform/platform"];

/// A version of the contract, with the version of every interface in it.
#[derive(Debug)]
struct Release {
    contract: Version,
    interfaces: &'static [(&'static str, Version)],
}

/// The versions that are accepted, oldest first; the last is [`CONTRACT`].
static ACCEPTED: [Release; 2] = [
    Release {
        contract: Version::new(1, 0, 0),
        interfaces: &[
            ("freehold:types/types", Version::new(1, 0, 0)),
            ("freehold:platform/platform", Version::new(1, 0, 0)),
            ("freehold:transform/transform", Version::new(1, 0, 0)),
            ("freehold:metric/metric", Version::new(1, 0, 0)),
            ("freehold:policy/policy", Version::new(1, 0, 0)),
        ],
    },
    // `platform` got `typed-settings`; the worlds of the others import it, so that they moved with it.
    Release {
        contract: CONTRACT,
        interfaces: &[
            ("freehold:types/types", Version::new(1, 0, 0)),
            ("freehold:platform/platform", Version::new(1, 1, 0)),
            ("freehold:transform/transform", Version::new(1, 1, 0)),
            ("freehold:metric/metric", Version::new(1, 1, 0)),
            ("freehold:policy/policy", Version::new(1, 1, 0)),
        ],
    },
];

/// A version of the contract that this host does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("was built for contract {0}; this host accepts {range}", range = accepted_range())]
pub struct UnacceptedContract(pub Version);

/// A component does not fit the contract that it is said to be built for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BorderError {
    /// It imports what is no part of the contract.
    #[error("imports `{0}`, which no world offers")]
    Foreign(String),
    /// It has an interface in a version that no accepted contract has.
    #[error(
        "{verb} `{interface}`, which is in no contract that this host accepts ({range})",
        range = accepted_range()
    )]
    Unaccepted {
        /// `imports` or `exports`.
        verb: &'static str,
        /// The interface, with its version.
        interface: String,
        /// Whether the version is higher than any that is accepted.
        is_newer: bool,
    },
    /// It has an interface in a version that came after the contract that it is said to be built for.
    #[error("is said to be built for contract {claimed}, but {verb} `{interface}`, which came with contract {since}")]
    Unclaimed {
        /// The contract in its manifest.
        claimed: Version,
        /// `imports` or `exports`.
        verb: &'static str,
        /// The interface, with its version.
        interface: String,
        /// The contract that the interface came with.
        since: Version,
    },
}

fn oldest() -> &'static Release {
    &ACCEPTED[0]
}

fn newest() -> &'static Release {
    &ACCEPTED[ACCEPTED.len() - 1]
}

/// What this host accepts, for messages: `1.0.0 to 1.1.0`.
pub fn accepted_range() -> String {
    format!("{} to {}", oldest().contract, newest().contract)
}

/// The versions of the contract that are accepted, oldest first, with the version of every interface in each.
pub fn accepted() -> impl Iterator<Item = (&'static Version, &'static [(&'static str, Version)])> {
    ACCEPTED.iter().map(|release| (&release.contract, release.interfaces))
}

/// Checks that plugins that were built for `contract` may be loaded.
///
/// # Errors
/// If it is none of the accepted versions. One that lies between two of them was never released.
pub fn check_contract(contract: &Version) -> Result<(), UnacceptedContract> {
    match ACCEPTED.iter().any(|release| release.contract == *contract) {
        true => Ok(()),
        false => Err(UnacceptedContract(contract.clone())),
    }
}

/// Checks that all that a component imports, and what it exports of the contract, is in the contract that its manifest says it
/// was built for.
///
/// # Errors
/// The first name at the component's border that is not.
pub fn check_border(
    contract: &Version,
    imports: impl IntoIterator<Item = impl AsRef<str>>,
    exports: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<(), BorderError> {
    each_interface(imports, exports, |verb, interface, since| {
        if since <= contract {
            return Ok(());
        }
        let (claimed, interface, since) = (contract.clone(), interface.to_owned(), since.clone());
        Err(BorderError::Unclaimed { claimed, verb, interface, since })
    })
}

/// The contract that a component was built for, as its border tells: the oldest that has all of it.
///
/// # Errors
/// The first name at the component's border that is in no accepted contract.
pub fn contract_of(
    imports: impl IntoIterator<Item = impl AsRef<str>>,
    exports: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Version, BorderError> {
    let mut needed = &oldest().contract;
    each_interface(imports, exports, |_, _, since| {
        needed = needed.max(since);
        Ok(())
    })?;
    Ok(needed.clone())
}

/// Calls `check` with each interface at the border, and the contract that it came with. What is exported and no part of the
/// contract is nobody's concern: nothing calls it.
fn each_interface(
    imports: impl IntoIterator<Item = impl AsRef<str>>,
    exports: impl IntoIterator<Item = impl AsRef<str>>,
    mut check: impl FnMut(&'static str, &str, &'static Version) -> Result<(), BorderError>,
) -> Result<(), BorderError> {
    for import in imports {
        let (import, verb) = (import.as_ref(), "imports");
        if !OFFERED.iter().any(|offered| import.split('@').next() == Some(offered)) {
            return Err(BorderError::Foreign(import.to_owned()));
        }
        check(verb, import, since(verb, import)?)?;
    }
    for export in exports {
        let (export, verb) = (export.as_ref(), "exports");
        let known = |(known, _): &(&str, Version)| export.split('@').next() == Some(known);
        if newest().interfaces.iter().any(known) {
            check(verb, export, since(verb, export)?)?;
        }
    }
    Ok(())
}

/// The contract that an interface came with in the version that its name says.
fn since(verb: &'static str, name: &str) -> Result<&'static Version, BorderError> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    let version = version.parse::<Version>().ok();
    let in_release = |release: &'static Release| {
        release.interfaces.iter().find(|(known, _)| *known == interface).map(|(_, version)| version)
    };
    let since = version.as_ref().and_then(|version| {
        ACCEPTED.iter().find(|release| in_release(release) == Some(version)).map(|release| &release.contract)
    });
    since.ok_or_else(|| {
        let is_newer = version.as_ref() > in_release(newest());
        BorderError::Unaccepted { verb, interface: name.to_owned(), is_newer }
    })
}

const SDK: &str = concat!("the SDK of freehold ", env!("CARGO_PKG_VERSION"), ", which `freehold plugin new` writes");

/// What to do about a plugin that was built for something newer or older than what this host accepts.
fn rebuild_or_update(is_newer: bool) -> String {
    match is_newer {
        true => {
            format!("update freehold to a version that has this contract, or have the plugin built again with {SDK}")
        }
        false => format!("get a newer version of the plugin, or have it built again with {SDK}"),
    }
}

impl UnacceptedContract {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        rebuild_or_update(self.0 > CONTRACT)
    }
}

impl BorderError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Foreign(_) => {
                "build it for wasm32-unknown-unknown with the SDK; plugins get no clock, files or network".into()
            }
            Self::Unaccepted { is_newer, .. } => rebuild_or_update(*is_newer),
            Self::Unclaimed { .. } => {
                "have its publisher sign it again: `freehold plugin sign` writes which contract the component is for"
                    .into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
