//! `freehold key`

use freehold_workflow::{ExitCode, Home, KeyEntry};
use serde_json::{Value, json};

use super::Place;
use crate::args::KeyCommand;
use crate::failure::Failure;
use crate::page::{Terminal, say, table};
use crate::passphrase::Passphrases;

fn view(home: &Home, key: &KeyEntry) -> Result<Value, Failure> {
    Ok(json!({ "name": key.name, "id": key.id(), "kept": home.kept(&key.name)?.as_str() }))
}

pub(super) fn run(place: &Place<'_>, command: KeyCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut home = place.open()?;
    let key = match command {
        KeyCommand::New { name, passphrase } => {
            let passphrase = passphrase.then(|| place.1.choose(&name)).transpose()?;
            home.new_key(&name, passphrase.as_ref())?
        }
        KeyCommand::Protect { name, old_passphrase_file } => {
            let passphrase = place.1.choose(&name)?;
            if old_passphrase_file.is_some() {
                home.unlock_with(Box::new(Passphrases::new(old_passphrase_file, None)));
            }
            home.protect_key(&name, &passphrase)?
        }
        KeyCommand::Add { name, pkcs11, module } => home.add_token_key(&name, &pkcs11, &module)?,
        KeyCommand::Unprotect { name } => home.unprotect_key(&name)?,
        KeyCommand::List => return list(&home, terminal),
    };
    terminal.print(&view(&home, &key)?, |_| say(&format!("{} {}", key.id(), key.name)));
    Ok(ExitCode::Done)
}

fn list(home: &Home, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let keys = home.keys()?;
    let values = keys.iter().map(|key| view(home, key)).collect::<Result<Vec<_>, _>>()?;
    terminal.print(&values, |values| {
        let kept = |value: &Value| value["kept"].as_str().unwrap_or_default().to_owned();
        let rows =
            keys.iter().zip(values).map(|(key, value)| vec![key.name.clone(), key.id().to_string(), kept(value)]);
        table(&["Name", "Id", "Kept"], rows.collect());
    });
    Ok(ExitCode::Done)
}
