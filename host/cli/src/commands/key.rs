//! `freehold key`

use freehold_workflow::{ExitCode, Home, KeyEntry, P256KeyEntry};
use serde_json::{Value, json};

use super::Place;
use crate::args::KeyCommand;
use crate::failure::Failure;
use crate::page::{Terminal, say, table};

fn view(key: &KeyEntry) -> Value {
    json!({ "name": key.name, "kind": "ed25519", "id": key.id() })
}

/// A key for other tools: they name it by its fingerprint, or take its file.
fn view_p256(key: &P256KeyEntry) -> Value {
    json!({ "name": key.name, "kind": "p256", "id": key.fingerprint.hex(), "public_file": key.public_file })
}

pub(super) fn run(place: &Place<'_>, command: KeyCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match command {
        KeyCommand::New { name, p256: false } => {
            let key = home.new_key(&name)?;
            terminal.print(&view(&key), |_| say(&format!("{} {}", key.id(), key.name)));
        }
        KeyCommand::New { name, p256: true } => {
            let key = home.new_p256_key(&name)?;
            terminal.print(&view_p256(&key), |_| {
                say(&format!(
                    "{} {}, P-256; its public half is {} of the home",
                    key.fingerprint.hex(),
                    key.name,
                    key.public_file
                ));
            });
        }
        KeyCommand::List => list(&home, terminal)?,
    }
    Ok(ExitCode::Done)
}

fn list(home: &Home, terminal: &Terminal) -> Result<(), Failure> {
    let (keys, others) = (home.keys()?, home.p256_keys()?);
    let values: Vec<_> = keys.iter().map(view).chain(others.iter().map(view_p256)).collect();
    terminal.print(&values, |_| {
        let native = keys.iter().map(|key| vec![key.name.clone(), "Ed25519".into(), key.id().to_string()]);
        let others = others.iter().map(|key| vec![key.name.clone(), "P-256".into(), key.fingerprint.hex()]);
        table(&["Name", "Kind", "Id"], native.chain(others).collect());
    });
    Ok(())
}
