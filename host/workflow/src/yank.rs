//! Withdrawing a version in a folder of plugins, and offering it again. Runs that have it locked go on with it.

use freehold_core::name::PluginName;
use freehold_trust::{SecretKey, VerifiedYank, Yank, YankError, sign_yank, verify_yank};
use jiff::Timestamp;
use semver::Version;

use crate::catalog::YANK_FILE;
use crate::resolution::{ResolutionError, listed};
use crate::{Catalog, Home, WorkflowError};

/// Says of `version` that it is yanked, or with `yanked` false that it is no longer. Only what this home itself would accept is
/// written: a yank that is not to be trusted stops whoever meets it.
pub fn yank(
    home: &Home,
    catalog: &Catalog,
    (name, version): (&PluginName, &Version),
    (yanked, reason): (bool, &str),
    key: &SecretKey,
) -> Result<VerifiedYank, WorkflowError> {
    let root = home.trust_root()?;
    let versions = catalog.versions(name)?;
    let (plugin, wanted) = (name.clone(), version.clone());
    if !versions.contains(version) {
        let (folder, found) = (catalog.name().to_owned(), listed(&versions));
        return Err(ResolutionError::NoVersion { plugin, version: wanted, folder, found }.into());
    }
    if !yanked && catalog.yank(home, &root, name, version)?.is_none() {
        return Err(ResolutionError::NotYanked { plugin, version: wanted }.into());
    }
    let time = Timestamp::now();
    let statement = Yank { name: plugin, version: wanted, yanked, reason: reason.into(), time };
    let signed = sign_yank(&statement, key).to_bytes();
    let verified = verify_yank(&root, time, (name, version), &signed).map_err(|error| match error {
        YankError::Reason(_) => WorkflowError::Wording(error),
        other => other.into(),
    })?;
    freehold_files::write(catalog.dir(), format!("{name}/{version}/{YANK_FILE}"), &signed)?;
    catalog.yank(home, &root, name, version)?;
    Ok(verified)
}
