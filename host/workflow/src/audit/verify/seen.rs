//! What the home remembers of plugins: every signed manifest and yank is whole, is that of the version under which it lies,
//! and is signed by a publisher of that name whom some trust root of this home knew.

use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_trust::{Encounter, VerifiedRoot};
use jiff::Timestamp;
use semver::Version;

use super::Verification;
use crate::catalog::YANK_FILE;
use crate::difference::differences;
use crate::seen::{SEEN, SEEN_SUFFIX};
use crate::{Home, WorkflowError};

/// Publisher, name, version.
const DEPTH: usize = 3;

pub(super) fn verify_seen(home: &Home, roots: &[VerifiedRoot], found: &mut Verification) {
    let mut folders = vec![SEEN.to_owned()];
    for _ in 0..DEPTH {
        let below = |folder: String| {
            let names = found.check(&folder, home.seen_names(&folder)).unwrap_or_default();
            names.into_iter().map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
        };
        folders = folders.into_iter().flat_map(below).collect();
    }
    for folder in folders {
        match version_of(&folder) {
            Some((name, version)) => verify_version(home, roots, &folder, (&name, &version), found),
            None => found.found(folder, "is not the folder of a version of a plugin"),
        }
    }
}

fn version_of(folder: &str) -> Option<(PluginName, Version)> {
    let (name, version) = folder.strip_prefix(SEEN)?.strip_prefix('/')?.rsplit_once('/')?;
    Some((name.parse().ok()?, version.parse().ok()?))
}

fn verify_version(
    home: &Home,
    roots: &[VerifiedRoot],
    folder: &str,
    (name, version): (&PluginName, &Version),
    found: &mut Verification,
) {
    let mut first: Option<Manifest> = None;
    for file in found.check(folder, home.seen_names(folder)).unwrap_or_default() {
        let what = format!("{folder}/{file}");
        if file == YANK_FILE {
            let verified = verify_yank(home, roots, (name, version));
            found.seen += usize::from(found.check(what, verified).is_some());
            continue;
        }
        let digest = file.strip_suffix(SEEN_SUFFIX).and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
        let Some(digest) = digest else {
            found.found(what, "is not named by the digest of a signed manifest");
            continue;
        };
        let Some(Some(manifest)) = found.check(&what, home.seen_manifest(name, version, &digest)) else { continue };
        found.seen += 1;
        let first = first.get_or_insert_with(|| manifest.clone());
        let same = differences(first, &manifest).is_empty();
        found.require(same, &what, "says something else than another signed manifest of the same version");
    }
}

/// It counts if it counted under any trust root: what was seen stays seen when its signer goes.
fn verify_yank(home: &Home, roots: &[VerifiedRoot], version: (&PluginName, &Version)) -> Result<(), WorkflowError> {
    let Some(bytes) = home.seen_yank(version.0, version.1)? else { return Ok(()) };
    let mut verified = Ok(());
    for root in roots {
        verified = freehold_trust::verify_yank(root, Encounter::again(Timestamp::now()), version, &bytes).map(drop);
        if verified.is_ok() {
            break;
        }
    }
    Ok(verified?)
}
