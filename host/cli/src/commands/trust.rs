//! `freehold trust`

use std::path::Path;

use freehold_core::digest::Digest;
use freehold_trust::{ChangeError, KeyId, PublicKey, Revocation, Role, TrustRoot, Validity, VerifiedRoot};
use freehold_workflow::{ExitCode, Home, RootSigning, WorkflowError};
use jiff::{SignedDuration, Timestamp};

use super::{Place, init, read_file};
use crate::args::{RoleName, SigningArguments, TrustCommand};
use crate::failure::Failure;
use crate::page::{Terminal, pairs, table};

const KEY_LIMIT: u64 = 16 << 10;

/// A change of the trust root, made at some time.
type Change = Box<dyn FnOnce(&mut TrustRoot, Timestamp) -> Result<(), ChangeError>>;

pub(super) fn run(place: &Place<'_>, command: TrustCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let TrustCommand::Init = command {
        return init::run(place, terminal);
    }
    let home = place.open()?;
    let root = match change(&home, command)? {
        Requested::Change(change, signing) => home.change_trust(&signing, change)?,
        Requested::Past(version) => home.past_root(version)?,
        Requested::Newest => home.newest_root()?,
    };
    let names = home.keys()?;
    let name = |id: &KeyId| names.iter().find(|key| key.id() == *id).map_or_else(String::new, |key| key.name.clone());
    terminal.print(&*root, |_| show(&root, name));
    Ok(ExitCode::Done)
}

/// What a command asks for.
enum Requested {
    Change(Change, RootSigning),
    Past(u64),
    Newest,
}

fn change(home: &Home, command: TrustCommand) -> Result<Requested, Failure> {
    Ok(match command {
        TrustCommand::Init | TrustCommand::Show { version: None } => Requested::Newest,
        TrustCommand::Show { version: Some(version) } => Requested::Past(version),
        TrustCommand::Add { key, names, role, threshold, witness, quorum, valid_from, valid_until, signing } => {
            let (key, role) = (public_key(home, &key)?, role.map(Role::from));
            let change: Change = Box::new(move |root, _| {
                match (role, witness) {
                    (Some(role), _) => root.add_to_role(role, &key)?,
                    (None, Some(name)) => root.set_witness(&name, &key)?,
                    (None, None) => root.add_publisher(&key, &names)?,
                }
                quorum.into_iter().for_each(|quorum| root.set_witness_quorum(quorum));
                root.limit(key.id(), Validity { valid_from, valid_until });
                set_threshold(root, role, threshold)
            });
            Requested::Change(change, signing.into())
        }
        TrustCommand::Remove { key, role, names, threshold, witness, quorum, signing } => {
            let (key, role) = (public_key(home, &key)?.id(), role.map(Role::from));
            let change: Change = Box::new(move |root, _| {
                match (role, witness) {
                    (Some(role), _) => root.remove_from_role(role, &key)?,
                    (None, Some(name)) => root.remove_witness(&name, &key)?,
                    (None, None) => root.remove_publisher(&key, &names)?,
                }
                quorum.into_iter().for_each(|quorum| root.set_witness_quorum(quorum));
                set_threshold(root, role, threshold)
            });
            Requested::Change(change, signing.into())
        }
        TrustCommand::Rotate { old, new, role, overlap_days, signing } => {
            let (old, new) = (public_key(home, &old)?.id(), public_key(home, &new)?);
            let overlap = (overlap_days > 0).then(|| SignedDuration::from_hours(24 * i64::from(overlap_days)));
            let change: Change = Box::new(move |root, now| {
                root.rotate(&old, &new, role.map(Role::from), overlap.map(|overlap| now + overlap))
            });
            Requested::Change(change, signing.into())
        }
        TrustCommand::Revoke { what, reason, signing } => {
            Requested::Change(revoke(home, &what, reason)?, signing.into())
        }
        TrustCommand::Renew { signing } => Requested::Change(Box::new(|_, _| Ok(())), signing.into()),
    })
}

fn set_threshold(root: &mut TrustRoot, role: Option<Role>, threshold: Option<usize>) -> Result<(), ChangeError> {
    match (role, threshold) {
        (Some(role), Some(threshold)) => root.set_threshold(role, threshold),
        _ => Ok(()),
    }
}

fn revoke(home: &Home, what: &str, reason: String) -> Result<Change, Failure> {
    if what.starts_with("sha256:") {
        let digest: Digest = what.parse().map_err(|error: freehold_core::digest::DigestError| {
            Failure::new(ExitCode::Usage, error.to_string(), "`freehold.lock` names components and manifests by digest")
        })?;
        return Ok(Box::new(move |root, time| root.revoke_digest(digest, Revocation { reason, time })));
    }
    let key = public_key(home, what)?;
    Ok(Box::new(move |root, time| root.revoke_key(&key, Revocation { reason, time })))
}

impl From<SigningArguments> for RootSigning {
    fn from(arguments: SigningArguments) -> Self {
        Self { with: arguments.sign_with, days: arguments.days }
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Root => Self::Root,
            RoleName::Recorder => Self::Recorder,
            RoleName::Log => Self::Log,
            RoleName::Approver => Self::Approver,
        }
    }
}

/// A key of the home or the trust root, or a PEM file.
fn public_key(home: &Home, name: &str) -> Result<PublicKey, Failure> {
    match home.find_key(name) {
        Err(WorkflowError::NoKey(_)) if Path::new(name).is_file() => read_public_key(Path::new(name)),
        found => Ok(found?),
    }
}

pub(super) fn read_public_key(path: &Path) -> Result<PublicKey, Failure> {
    let pem = String::from_utf8_lossy(&read_file(path, KEY_LIMIT)?).into_owned();
    PublicKey::from_pem(&pem).map_err(|error| Failure::file("use", path, &error))
}

fn show(root: &VerifiedRoot, name: impl Fn(&KeyId) -> String) {
    pairs(&[("trust root", format!("version {}", root.version)), ("expires", minute(root.expires))]);
    let mut rows = Vec::new();
    for role in Role::ALL {
        if let Some(members) = root.roles.get(&role) {
            let threshold = format!("{} of {}", members.threshold, members.keys.len());
            for key in &members.keys {
                rows.push(vec![role.to_string(), key.short(), name(key), good(root, key), threshold.clone()]);
            }
        }
    }
    for rule in &root.publishers {
        let names: Vec<_> = rule.names.iter().map(ToString::to_string).collect();
        let (key, good) = (rule.key.short(), good(root, &rule.key));
        rows.push(vec!["publisher".into(), key, name(&rule.key), good, names.join(", ")]);
    }
    let quorum = format!("{} of {}", root.witness_quorum(), root.witness_keys().count());
    for (witness, key) in root.witness_keys() {
        let id = key.id();
        let asked = format!("{witness}, {quorum}");
        rows.push(vec!["witness".into(), id.short(), name(&id), good(root, &id), asked]);
    }
    table(&["Role", "Key", "Name", "Good (UTC)", "Threshold or names"], rows);
    let revoked = |what: String, why: &Revocation| vec![what, minute(why.time), why.reason.clone()];
    let keys = root.revoked_keys.iter().map(|(key, why)| {
        let named = format!("key {} {}", key.short(), name(key));
        revoked(named.trim_end().to_owned(), why)
    });
    let digests = root.revoked_digests.iter().map(|(digest, why)| revoked(format!("sha256:{}", digest.short()), why));
    let rows: Vec<_> = keys.chain(digests).collect();
    if !rows.is_empty() {
        table(&["Revoked", "When (UTC)", "Why"], rows);
    }
}

fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn good(root: &TrustRoot, key: &KeyId) -> String {
    match root.validity_of(key) {
        Validity { valid_from: None, valid_until: None } => "always".into(),
        Validity { valid_from: Some(from), valid_until: None } => format!("from {}", minute(from)),
        Validity { valid_from: None, valid_until: Some(until) } => format!("until {}", minute(until)),
        Validity { valid_from: Some(from), valid_until: Some(until) } => {
            format!("{} to {}", minute(from), minute(until))
        }
    }
}
