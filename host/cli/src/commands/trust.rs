//! `freehold trust`

use std::path::Path;

use freehold_trust::{PublicKey, Role, VerifiedRoot};
use freehold_workflow::{ExitCode, Home, WorkflowError};

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

fn show(root: &VerifiedRoot, name: impl Fn(&freehold_trust::KeyId) -> String) {
    pairs(&[("trust root", format!("version {}", root.version)), ("expires", root.expires.to_string())]);
    let mut rows = Vec::new();
    for role in [Role::Root, Role::Recorder, Role::Log] {
        if let Some(members) = root.roles.get(&role) {
            let threshold = format!("{} of {}", members.threshold, members.keys.len());
            for key in &members.keys {
                rows.push(vec![role.to_string(), key.short(), name(key), threshold.clone()]);
            }
        }
    }
    for rule in &root.publishers {
        let names: Vec<_> = rule.names.iter().map(ToString::to_string).collect();
        rows.push(vec!["publisher".into(), rule.key.short(), name(&rule.key), names.join(", ")]);
    }
    table(&["Role", "Key", "Name", "Threshold or names"], rows);
}
