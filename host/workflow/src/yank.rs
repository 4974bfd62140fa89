//! Withdrawing a version in a folder of plugins, and offering it again. Runs that have it locked go on with it.

use freehold_core::name::PluginName;
use freehold_trust::{SecretKey, VerifiedYank, Yank, YankError, sign_yank, verify_yank};
use jiff::Timestamp;
use semver::Version;

use crate::catalog::{YANK_FILE, is_newer, remembered};
use crate::resolution::{ResolutionError, listed};
use crate::{Catalog, Home, WorkflowError};

/// Says of `version` that it is yanked, or with `yanked` false that it is no longer. Only what this home itself would accept is
/// written: a yank that is not to be trusted stops whoever meets it, and one that is older than what was said before changes
/// nothing. A version that is gone from the folder can be yanked if this home has seen it.
pub fn yank(
    home: &Home,
    catalog: &Catalog,
    version: (&PluginName, &Version),
    word: (bool, &str),
    key: &SecretKey,
) -> Result<VerifiedYank, WorkflowError> {
    yank_at(home, catalog, version, word, (key, Timestamp::now()))
}

fn yank_at(
    home: &Home,
    catalog: &Catalog,
    (name, version): (&PluginName, &Version),
    (yanked, reason): (bool, &str),
    (key, time): (&SecretKey, Timestamp),
) -> Result<VerifiedYank, WorkflowError> {
    let root = home.trust_root()?;
    let versions = catalog.versions(name)?;
    let (plugin, wanted) = (name.clone(), version.clone());
    if !versions.contains(version) && !home.seen_versions(name)?.contains(version) {
        let (folder, found) = (catalog.name().to_owned(), listed(&versions));
        return Err(ResolutionError::NoVersion { plugin, version: wanted, folder, found }.into());
    }
    if !yanked && catalog.yank(home, &root, name, version)?.is_none() {
        return Err(ResolutionError::NotYanked { plugin, version: wanted }.into());
    }
    let statement = Yank { name: plugin, version: wanted, yanked, reason: reason.into(), time };
    let signed = sign_yank(&statement, key).map_err(WorkflowError::Signing)?.to_bytes();
    let verified = verify_yank(&root, time, (name, version), &signed).map_err(|error| match error {
        YankError::Reason(_) => WorkflowError::Wording(error),
        other => other.into(),
    })?;
    let in_force = |known: Option<VerifiedYank>| -> Result<(), WorkflowError> {
        let newer = known.filter(|known| *known != verified && !is_newer(&verified, known));
        let Some(newer) = newer else { return Ok(()) };
        let (plugin, version) = (name.clone(), version.clone());
        let newer = format!("{} at {}: {}", if newer.yanked { "yanked" } else { "offered" }, newer.time, newer.reason);
        Err(ResolutionError::NewerYank { plugin, version, time, newer }.into())
    };
    // What lies in the folder and cannot be trusted is replaced; what this home remembers is not.
    in_force(remembered(&root, (name, version), home.seen_yank(name, version)?.as_deref())?)?;
    in_force(catalog.yank_statement(home, &root, name, version).unwrap_or_default())?;
    freehold_files::write(catalog.dir(), format!("{name}/{version}/{YANK_FILE}"), &signed)?;
    // Another process may have said something meanwhile.
    in_force(catalog.yank_statement(home, &root, name, version)?)?;
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use jiff::SignedDuration;

    use super::*;
    use crate::{COMPONENT_FILE, RootSigning};

    #[test]
    fn what_is_older_than_what_was_said_before_is_refused_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            Dir::open_ambient_dir(folder.path().join(name), ambient_authority()).unwrap()
        };
        let home = Home::init(open("home")).unwrap();
        home.new_key("publisher", None).unwrap();
        let key = home.secret_key("publisher").unwrap();
        let signing = RootSigning { with: vec![], days: 1 };
        home.change_trust(&signing, |root, _| root.add_publisher(&key.public(), &["acme/*".parse().unwrap()])).unwrap();
        let catalog = Catalog::new(open("plugins"), "plugins");
        let (name, version): (PluginName, _) = ("acme/x".parse().unwrap(), Version::new(1, 0, 0));
        freehold_files::write(catalog.dir(), format!("acme/x/1.0.0/{COMPONENT_FILE}"), b"x").unwrap();
        let now = Timestamp::now();
        let at = |yanked: bool, seconds: i64| {
            let time = now + SignedDuration::from_secs(seconds);
            yank_at(&home, &catalog, (&name, &version), (yanked, "leaks"), (&key, time))
        };
        let file = || catalog.dir().read(format!("acme/x/1.0.0/{YANK_FILE}")).ok();
        let refused = |result: Result<VerifiedYank, WorkflowError>| match result {
            Err(WorkflowError::Resolution(error)) => {
                assert!(matches!(*error, ResolutionError::NewerYank { .. }), "{error}")
            }
            other => panic!("{other:?}"),
        };
        at(true, -10).unwrap();
        at(false, -5).unwrap();
        let offered = file();
        // The clock was set back: what is said now is older than what this home knows.
        refused(at(true, -7));
        assert_eq!(file(), offered, "nothing was written");
        // Also when what was said last is gone from the folder, or an older word took its place.
        catalog.dir().remove_file(format!("acme/x/1.0.0/{YANK_FILE}")).unwrap();
        refused(at(true, -7));
        assert_eq!(file(), None);
        at(true, -4).unwrap();
        assert!(catalog.yank(&home, &home.trust_root().unwrap(), &name, &version).unwrap().is_some());
    }
}
