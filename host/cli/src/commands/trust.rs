//! `freehold trust`

use std::path::Path;

use freehold_trust::{PublicKey, Role, VerifiedRoot};
use freehold_workflow::{ExitCode, Home};

use super::{Place, read_file};
use crate::args::TrustCommand;
use crate::failure::Failure;
use crate::page::{Terminal, pairs, table};

const KEY_LIMIT: u64 = 16 << 10;

pub(super) fn run(place: &Place<'_>, command: TrustCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    let root = match command {
        TrustCommand::Add { key, names } => home.trust_publisher(&public_key(&home, &key)?, &names)?,
        TrustCommand::Show => home.trust_root()?,
    };
    let names = home.keys()?;
    let name = |id: &freehold_trust::KeyId| {
        names.iter().find(|key| key.id() == *id).map_or_else(String::new, |key| key.name.clone())
    };
    terminal.print(&*root, |_| show(&root, name));
    Ok(ExitCode::Done)
}

/// A key of the home, or a PEM file.
pub(super) fn public_key(home: &Home, name: &str) -> Result<PublicKey, Failure> {
    if let Some(entry) = home.keys()?.into_iter().find(|key| key.name == name) {
        return Ok(entry.public);
    }
    let path = Path::new(name);
    if !path.is_file() {
        return Err(freehold_workflow::WorkflowError::NoKey(name.into()).into());
    }
    read_public_key(path)
}

pub(super) fn read_public_key(path: &Path) -> Result<PublicKey, Failure> {
    let pem = String::from_utf8_lossy(&read_file(path, KEY_LIMIT)?).into_owned();
    PublicKey::from_pem(&pem).map_err(|error| Failure::file("use", path, &error))
}

fn show(root: &VerifiedRoot, name: impl Fn(&freehold_trust::KeyId) -> String) {
    pairs(&[("trust root", format!("version {}", root.version)), ("expires", root.expires.to_string())]);
    let mut rows = Vec::new();
    for role in [Role::Root, Role::Recorder, Role::Log] {
        if let Some(members) = root.roles.get(&role) {
            let threshold = format!("{} of {}", members.threshold, members.keys.len());
            for key in &members.keys {
                rows.push(vec![format!("{role:?}").to_lowercase(), key.short(), name(key), threshold.clone()]);
            }
        }
    }
    for rule in &root.publishers {
        let names: Vec<_> = rule.names.iter().map(ToString::to_string).collect();
        rows.push(vec!["publisher".into(), rule.key.short(), name(&rule.key), names.join(", ")]);
    }
    table(&["Role", "Key", "Name", "Threshold or names"], rows);
}
