//! What a home has seen of each version of a plugin: every signed manifest that was ever loaded, in
//! `plugins-seen/publisher/name/version/DIGEST.dsse.json`. A version never gets other bytes: one that was loaded with another
//! component, or with another signed content, is refused.
//!
//! Why files and not the ledger: `plugin inspect`, `plugin list` and runs that fail see versions too, and must not need the
//! keys of recorder and log to remember them. The file is the signed manifest itself under the digest of its bytes, so that a
//! reader of the home can verify it with nothing but the trust roots beside it: the name fits the bytes, the signature fits a
//! publisher, and the component's digest is inside. What runs used is in the ledger besides, in the statements of their phase
//! resolve. Files are only added, one at a time under a lock, each whole and on the disk before its plugin is used; a crash
//! leaves the file or nothing.
//!
//! The content of a manifest is all but its two dates. A signature may be renewed, by any key that may publish the name: other
//! `created` and `expires`, and nothing else.
//!
//! Beside them, `yank.dsse.json` is the newest yank of the version that the home has seen, so that neither the removal of a
//! yank nor the return of an older one is obeyed.

use std::collections::BTreeMap;
use std::time::Duration;

use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_core::name::PluginName;
use freehold_files::FileError;
use freehold_trust::{Envelope, KeyId, MANIFEST_TYPE, PublicKey, VerifiedPlugin, VerifiedRoot};
use semver::Version;

use crate::catalog::{MANIFEST_LIMIT, YANK_FILE, YANK_LIMIT, folders};
use crate::difference::differences;
use crate::resolution::{ResolutionError, differing};
use crate::{Home, WorkflowError};

/// The folder of all that was seen.
pub(crate) const SEEN: &str = "plugins-seen";
/// What follows the digest in the name of a signed manifest.
pub(crate) const SEEN_SUFFIX: &str = ".dsse.json";
const LOCK: &str = "plugins-seen";
/// What is unfinished for so long, nobody is writing any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A signed manifest that was loaded once.
struct Seen {
    manifest: Manifest,
    signers: Vec<KeyId>,
    /// The digests that it could be revoked by.
    digests: Vec<Digest>,
}

fn folder(name: &PluginName, version: &Version) -> String {
    format!("{SEEN}/{name}/{version}")
}

fn file(name: &PluginName, version: &Version, envelope: &Digest) -> String {
    format!("{}/{}{SEEN_SUFFIX}", folder(name, version), envelope.hex())
}

impl Home {
    /// Remembers a plugin that was verified; an error if its version was seen with other bytes.
    pub(crate) fn remember(&self, plugin: &VerifiedPlugin, envelope: &[u8]) -> Result<(), WorkflowError> {
        let Manifest { name, version, .. } = plugin.manifest();
        let file = file(name, version, &plugin.envelope());
        // It was compared with the others when it was written.
        if freehold_files::exists(&self.dir, &file)? {
            return Ok(());
        }
        let _lock = self.lock(LOCK)?;
        freehold_files::remove_unfinished(&self.dir, folder(name, version), ABANDONED);
        self.refuse_other(plugin.manifest())?;
        Ok(freehold_files::write(&self.dir, file, envelope)?)
    }

    /// An error if the version of `manifest` was seen with another content.
    pub(crate) fn refuse_other(&self, manifest: &Manifest) -> Result<(), WorkflowError> {
        for seen in self.seen(&manifest.name, &manifest.version)? {
            let differs = differences(&seen.manifest, manifest);
            if !differs.is_empty() {
                let (plugin, version) = (manifest.name.clone(), manifest.version.clone());
                return Err(ResolutionError::NotAsSeen { plugin, version, differs: differing(&differs) }.into());
            }
        }
        Ok(())
    }

    /// Whether these very bytes were verified here before.
    pub(crate) fn has_met(&self, name: &PluginName, version: &Version, envelope: &[u8]) -> Result<bool, WorkflowError> {
        match freehold_files::read(&self.dir, file(name, version, &Digest::of(envelope)), MANIFEST_LIMIT) {
            Ok(seen) => Ok(seen == envelope),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The versions of a plugin that this home has seen, by the names of files.
    pub(crate) fn seen_versions(&self, name: &PluginName) -> Result<Vec<Version>, WorkflowError> {
        let names = folders(&self.dir, &format!("{SEEN}/{name}"))?;
        let mut versions = Vec::new();
        for version in names.iter().filter_map(|name| name.parse().ok()) {
            let files = folders(&self.dir, &folder(name, &version))?;
            // A folder that holds nothing but a yank is that of a version that was never loaded.
            if files.iter().any(|file| file != YANK_FILE && file.ends_with(SEEN_SUFFIX)) {
                versions.push(version);
            }
        }
        Ok(versions)
    }

    /// Whether a version that this home has seen would still be trusted if it were there: a publisher that may sign the name
    /// signed it, and it is not revoked. That it has expired, or that its key's time is over, is no reason to go back.
    pub(crate) fn stands(
        &self,
        root: &VerifiedRoot,
        name: &PluginName,
        version: &Version,
    ) -> Result<bool, WorkflowError> {
        let stands = |seen: &Seen| {
            let signed = |key: &KeyId| root.may_publish_at(key, name, seen.manifest.created);
            let revoked = |digest: &Digest| root.revoked_digests.contains_key(digest);
            seen.signers.iter().any(signed) && !seen.digests.iter().any(revoked) && !revoked(&seen.manifest.component)
        };
        Ok(self.seen(name, version)?.iter().any(stands))
    }

    /// The signed manifests of a version that this home has seen.
    fn seen(&self, name: &PluginName, version: &Version) -> Result<Vec<Seen>, WorkflowError> {
        let folder = folder(name, version);
        let mut manifests = Vec::new();
        for file in self.seen_names(&folder)? {
            if file == YANK_FILE {
                continue;
            }
            let broken =
                |problem: &str| ResolutionError::Memory { file: format!("{folder}/{file}"), problem: problem.into() };
            let digest = file.strip_suffix(SEEN_SUFFIX).and_then(|hex| format!("sha256:{hex}").parse().ok());
            let digest = digest.ok_or_else(|| broken("is not named by the digest of a signed manifest"))?;
            manifests.extend(self.seen_at(name, version, &digest)?);
        }
        Ok(manifests)
    }

    /// The names in a folder of what was seen, in order; none if it is not there.
    pub(crate) fn seen_names(&self, folder: &str) -> Result<Vec<String>, WorkflowError> {
        let failed = |source| FileError::Io { action: "list", path: folder.into(), source };
        let entries = match self.dir.read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| !freehold_files::is_unfinished(name));
        names.sort();
        Ok(names)
    }

    /// A signed manifest that this home has seen, by its digest. Its signer may publish the name under some trust root.
    pub(crate) fn seen_manifest(
        &self,
        name: &PluginName,
        version: &Version,
        digest: &Digest,
    ) -> Result<Option<Manifest>, WorkflowError> {
        Ok(self.seen_at(name, version, digest)?.map(|seen| seen.manifest))
    }

    fn seen_at(&self, name: &PluginName, version: &Version, digest: &Digest) -> Result<Option<Seen>, WorkflowError> {
        let file = file(name, version, digest);
        let bytes = match freehold_files::read(&self.dir, &file, MANIFEST_LIMIT) {
            Err(error) if error.is_not_found() => return Ok(None),
            other => other?,
        };
        let broken = |problem: String| ResolutionError::Memory { file: file.clone(), problem };
        if Digest::of(&bytes) != *digest {
            return Err(broken("its bytes are not those that it is named by".into()).into());
        }
        let envelope = Envelope::from_bytes(&bytes).map_err(|error| broken(error.to_string()))?;
        let verified = envelope.verify(MANIFEST_TYPE, &self.publishers_ever()?, 1);
        let (payload, signers) = verified.map_err(|error| broken(error.to_string()))?;
        let digests = envelope.digests(&bytes).map_err(|error| broken(error.to_string()))?.into_iter().collect();
        let manifest: Manifest = serde_json::from_slice(&payload).map_err(|error| broken(error.to_string()))?;
        if (&manifest.name, &manifest.version) != (name, version) {
            return Err(broken(format!("it is the manifest of {} {}", manifest.name, manifest.version)).into());
        }
        let roots = self.trust_roots()?;
        if !roots.iter().any(|(root, _)| signers.iter().any(|signer| root.may_publish(signer, name))) {
            return Err(broken("no trust root lets its signer publish this name".into()).into());
        }
        Ok(Some(Seen { manifest, signers: signers.into_iter().collect(), digests }))
    }

    /// The keys that any trust root of this home lets publish: what was seen stays seen when its signer goes.
    pub(crate) fn publishers_ever(&self) -> Result<BTreeMap<KeyId, PublicKey>, WorkflowError> {
        Ok(self.trust_roots()?.iter().flat_map(|(root, _)| root.publisher_keys()).collect())
    }

    /// The newest yank of a version that this home has seen.
    pub(crate) fn seen_yank(&self, name: &PluginName, version: &Version) -> Result<Option<Vec<u8>>, WorkflowError> {
        match freehold_files::read(&self.dir, format!("{}/{YANK_FILE}", folder(name, version)), YANK_LIMIT) {
            Err(error) if error.is_not_found() => Ok(None),
            other => Ok(Some(other?)),
        }
    }

    /// Remembers a yank that was verified. `newer` says, under the lock, whether it is newer than what is remembered by then.
    pub(crate) fn remember_yank(
        &self,
        name: &PluginName,
        version: &Version,
        envelope: &[u8],
        newer: impl FnOnce(Option<Vec<u8>>) -> Result<bool, WorkflowError>,
    ) -> Result<(), WorkflowError> {
        let _lock = self.lock(LOCK)?;
        if newer(self.seen_yank(name, version)?)? {
            freehold_files::write(&self.dir, format!("{}/{YANK_FILE}", folder(name, version)), envelope)?;
        }
        Ok(())
    }
}
