//! Plugins in one file: packed from a folder of plugins, and added to one. A file may come from anybody: nothing of it reaches
//! the folder before all of it was verified, as whatever is loaded is, and then it appears there whole.

use std::time::Duration;

use freehold_bundle::{Limits, Parts};
use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_files::FileError;
use freehold_sandbox::check_size;
use freehold_trust::{VerifiedPlugin, VerifiedRoot, claimed_plugin, verify_plugin, verify_yank};
use jiff::Timestamp;
use semver::Version;
use serde::Serialize;

use crate::catalog::{COMPONENT_LIMIT, MANIFEST_LIMIT, PluginFiles, YANK_LIMIT, accept, newest_yank};
use crate::occupant::{Occupant, Present, occupant};
use crate::resolution::ResolutionError;
use crate::{COMPONENT_FILE, Catalog, Home, MANIFEST_FILE, WorkflowError, YANK_FILE};

/// The most bytes that a bundle may have. What cannot be compressed grows by less than a thousandth.
pub const BUNDLE_LIMIT: u64 = COMPONENT_LIMIT + MANIFEST_LIMIT + YANK_LIMIT + (1 << 20);

const LOCK: &str = "plugins";
/// What is unfinished for so long, nobody is writing any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A plugin in one file.
#[derive(Debug)]
pub struct Packed {
    /// The plugin.
    pub plugin: VerifiedPlugin,
    /// Why it was yanked, if it was.
    pub yanked: Option<String>,
    /// What the file is called: `publisher.name-version.plugin`. It says nothing to who reads it.
    pub file: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A plugin from a file, verified and not yet in a folder.
#[derive(Debug)]
pub struct Bundled {
    plugin: VerifiedPlugin,
    manifest: Vec<u8>,
    yank: Option<Vec<u8>>,
}

/// What became of a plugin from a file.
#[derive(Debug)]
pub struct Addition {
    /// The plugin.
    pub plugin: VerifiedPlugin,
    /// Its folder within the folder of plugins.
    pub folder: String,
    /// What was done.
    pub state: AdditionState,
    /// Whether the publisher's word on the version was put beside it, because it is newer than what lay there.
    pub yank_written: bool,
    /// Why it is yanked, if it is.
    pub yanked: Option<String>,
}

/// What was done with a plugin from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdditionState {
    /// It was put into the folder.
    Added,
    /// It was there, under an older signature, which was replaced.
    Renewed,
    /// It was there.
    AlreadyThere,
}

/// Makes one file of a plugin that `catalog` has and that verifies, with the newest word of its publisher on whether it is
/// yanked. The same plugin gives the same bytes.
pub fn pack(
    home: &Home,
    root: &VerifiedRoot,
    catalog: &Catalog,
    (name, version): (&PluginName, &Version),
) -> Result<Packed, WorkflowError> {
    let asked = (name, version);
    let PluginFiles { manifest, component } = catalog.read(name, version)?;
    let plugin = accept(home, root, asked, (&manifest, component), None, |_| Ok(()))?;
    let yank = newest_yank(home, root, asked, catalog.read_yank(name, version)?)?;
    let parts = Parts {
        manifest: manifest.as_slice(),
        component: plugin.component(),
        yank: yank.as_ref().map(|(_, bytes)| bytes.as_slice()),
    };
    let file = format!("{}.{}-{version}.plugin", name.publisher(), name.name());
    let failed = |source| FileError::Io { action: "compress", path: (&file).into(), source };
    let bytes = freehold_bundle::write(&parts).map_err(failed)?;
    let yanked = yank.filter(|(yank, _)| yank.yanked).map(|(yank, _)| yank.reason.clone());
    Ok(Packed { plugin, yanked, file, bytes })
}

/// Reads and verifies a plugin from the bytes of a file. Nothing is written but what `home` remembers of the plugins that it
/// has seen; nothing is compiled. `catalog` is where it is to be added, if that folder is there already.
pub fn unpack(
    home: &Home,
    root: &VerifiedRoot,
    catalog: Option<&Catalog>,
    bytes: &[u8],
) -> Result<Bundled, WorkflowError> {
    let host = home.host_settings()?.limits;
    let limits = Limits {
        manifest_bytes: MANIFEST_LIMIT,
        component_bytes: host.component_bytes.min(COMPONENT_LIMIT),
        yank_bytes: YANK_LIMIT,
    };
    let Parts { manifest, component, yank } = freehold_bundle::read(bytes, &limits)?;
    let (name, version) = claimed_plugin(&manifest)?;
    let asked = (&name, &version);
    let plugin = accept(home, root, asked, (&manifest, component), None, |plugin| {
        check_size(plugin, host)?;
        if let Some(yank) = &yank {
            verify_yank(root, Timestamp::now(), asked, yank)?;
        }
        match catalog {
            Some(catalog) => lying(home, catalog, plugin.manifest()).map(drop),
            None => Ok(()),
        }
    })?;
    Ok(Bundled { plugin, manifest, yank })
}

/// Puts a plugin from a file into the folder of plugins. The same again changes nothing; the same under a later signature
/// replaces the signature, and so does one that verifies where the one that is there does not.
pub fn add(home: &Home, root: &VerifiedRoot, catalog: &Catalog, bundled: Bundled) -> Result<Addition, WorkflowError> {
    let Bundled { plugin, manifest, yank } = bundled;
    let Manifest { name, version, .. } = plugin.manifest();
    let asked = (name, version);
    let folder = format!("{name}/{version}");
    let _lock = home.lock(LOCK)?;
    freehold_files::remove_unfinished(catalog.dir(), name.to_string(), ABANDONED);
    let there = lying(home, catalog, plugin.manifest())?;
    // What lies there is looked at first: what cannot be trusted there is not covered up.
    let beside = catalog.read_yank(name, version)?;
    newest_yank(home, root, asked, beside.clone())?;
    let newest = newest_yank(home, root, asked, yank)?;
    let word = newest.as_ref().map(|(_, bytes)| bytes).filter(|bytes| beside.as_ref() != Some(*bytes));
    let state = match &there {
        None => AdditionState::Added,
        Some(there) if replaces(root, &plugin, there) && there.envelope != manifest => AdditionState::Renewed,
        Some(_) => AdditionState::AlreadyThere,
    };
    let file = |name: &str| format!("{folder}/{name}");
    let mut files = Vec::new();
    if state == AdditionState::Added {
        files.push((COMPONENT_FILE, plugin.component()));
    }
    // Before the manifest, so that a version is never offered without what is said of it.
    files.extend(word.map(|word| (YANK_FILE, word.as_slice())));
    if state != AdditionState::AlreadyThere {
        files.push((MANIFEST_FILE, &manifest));
    }
    if freehold_files::exists(catalog.dir(), &folder)? {
        for (name, bytes) in files {
            freehold_files::write(catalog.dir(), file(name), bytes)?;
        }
    } else {
        freehold_files::write_folder(catalog.dir(), &folder, &files)?;
    }
    let (yank_written, yanked) = (word.is_some(), newest.as_ref().filter(|(yank, _)| yank.yanked));
    let yanked = yanked.map(|(yank, _)| yank.reason.clone());
    Ok(Addition { plugin, folder, state, yank_written, yanked })
}

/// The same that lies in the folder already; an error if something else does.
fn lying(home: &Home, catalog: &Catalog, manifest: &Manifest) -> Result<Option<Present>, WorkflowError> {
    match occupant(home, catalog.dir(), manifest, None)? {
        Occupant::Nothing => Ok(None),
        Occupant::Same(present) => Ok(Some(*present)),
        Occupant::Other(differs) => {
            let (plugin, version) = (manifest.name.clone(), manifest.version.clone());
            Err(ResolutionError::Occupied { plugin, version, folder: catalog.name().into(), differs }.into())
        }
    }
}

/// Whether the signature of `plugin` is to take the place of the one that is there.
fn replaces(root: &VerifiedRoot, plugin: &VerifiedPlugin, there: &Present) -> bool {
    let Manifest { name, version, created, .. } = plugin.manifest();
    let component = plugin.component().to_vec();
    let verified = verify_plugin(root, Timestamp::now(), (name, version), &there.envelope, component);
    verified.is_err() || *created > there.manifest.created
}
