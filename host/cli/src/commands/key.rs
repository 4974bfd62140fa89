//! `freehold key`

use freehold_workflow::{ExitCode, KeyEntry};
use serde_json::{Value, json};

use super::Place;
use crate::args::KeyCommand;
use crate::failure::Failure;
use crate::page::{Terminal, say, table};

fn view(key: &KeyEntry) -> Value {
    json!({ "name": key.name, "id": key.id() })
}

pub(super) fn run(place: &Place<'_>, command: KeyCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match command {
        KeyCommand::New { name } => {
            let key = home.new_key(&name)?;
            terminal.print(&view(&key), |_| say(&format!("{} {}", key.id(), key.name)));
        }
        KeyCommand::List => {
            let keys = home.keys()?;
            let values: Vec<_> = keys.iter().map(view).collect();
            terminal.print(&values, |_| {
                table(&["Name", "Id"], keys.iter().map(|key| vec![key.name.clone(), key.id().to_string()]).collect());
            });
        }
    }
    Ok(ExitCode::Done)
}
