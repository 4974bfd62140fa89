//! `freehold key`

use freehold_workflow::{ExitCode, Home, KeyEntry, P256KeyEntry};
use serde_json::{Value, json};

use super::Place;
use crate::args::KeyCommand;
use crate::failure::Failure;
use crate::page::{Terminal, say, table};
use crate::passphrase::Passphrases;

fn view(home: &Home, key: &KeyEntry) -> Result<Value, Failure> {
    let kept = home.kept(&key.name)?;
    Ok(json!({ "name": key.name, "kind": "ed25519", "id": key.id(), "kept": kept.as_str() }))
}

/// A key for other tools: they name it by its fingerprint, or take its file.
fn view_p256(home: &Home, key: &P256KeyEntry) -> Result<Value, Failure> {
    let kept = home.p256_kept(&key.name)?;
    let (name, id, file) = (&key.name, key.fingerprint.hex(), &key.public_file);
    Ok(json!({ "name": name, "kind": "p256", "id": id, "public_file": file, "kept": kept.as_str() }))
}

pub(super) fn run(place: &Place<'_>, command: KeyCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut home = place.open()?;
    let key = match command {
        KeyCommand::New { name, p256: true, passphrase } => {
            let passphrase = passphrase.then(|| place.1.choose(&name)).transpose()?;
            return show_p256(&home, &home.new_p256_key(&name, passphrase.as_ref())?, terminal);
        }
        KeyCommand::New { name, p256: false, passphrase } => {
            let passphrase = passphrase.then(|| place.1.choose(&name)).transpose()?;
            home.new_key(&name, passphrase.as_ref())?
        }
        KeyCommand::Protect { name, p256, old_passphrase_file } => {
            let passphrase = place.1.choose(&name)?;
            if old_passphrase_file.is_some() {
                home.unlock_with(Box::new(Passphrases::new(old_passphrase_file, None)));
            }
            if p256 {
                return show_p256(&home, &home.protect_p256_key(&name, Some(&passphrase))?, terminal);
            }
            home.protect_key(&name, &passphrase)?
        }
        KeyCommand::Add { name, pkcs11, module } => home.add_token_key(&name, &pkcs11, &module)?,
        KeyCommand::Unprotect { name, p256: true } => {
            return show_p256(&home, &home.protect_p256_key(&name, None)?, terminal);
        }
        KeyCommand::Unprotect { name, p256: false } => home.unprotect_key(&name)?,
        KeyCommand::List => return list(&home, terminal),
    };
    terminal.print(&view(&home, &key)?, |_| say(&format!("{} {}", key.id(), key.name)));
    Ok(ExitCode::Done)
}

fn show_p256(home: &Home, key: &P256KeyEntry, terminal: &Terminal) -> Result<ExitCode, Failure> {
    terminal.print(&view_p256(home, key)?, |_| {
        let (fingerprint, name, file) = (key.fingerprint.hex(), &key.name, &key.public_file);
        say(&format!("{fingerprint} {name}, P-256; its public half is {file} of the home"));
    });
    Ok(ExitCode::Done)
}

fn list(home: &Home, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (keys, others) = (home.keys()?, home.p256_keys()?);
    let mut values = keys.iter().map(|key| view(home, key)).collect::<Result<Vec<_>, _>>()?;
    for key in &others {
        values.push(view_p256(home, key)?);
    }
    terminal.print(&values, |values| {
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let kind = |value: &Value| if value["kind"] == "p256" { "P-256" } else { "Ed25519" };
        let rows =
            values.iter().map(|key| vec![text(key, "name"), kind(key).into(), text(key, "id"), text(key, "kept")]);
        table(&["Name", "Kind", "Id", "Kept"], rows.collect());
    });
    Ok(ExitCode::Done)
}
