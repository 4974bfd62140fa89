//! `freehold serve`

use std::path::Path;

use cap_std::fs::Dir;
use freehold_engine::use_threads;
use freehold_server::{ServeError, ServedModel, Server, Summary};
use freehold_workflow::serving::{ApiKeyEntry, Folders};
use freehold_workflow::{ExitCode, Home};
use serde_json::json;

use super::{Place, open_folder};
use crate::args::{ServeArguments, ServeCommand, ServeKeyCommand};
use crate::failure::Failure;
use crate::page::{Terminal, pairs, say, table};

pub(super) fn run(place: &Place<'_>, arguments: ServeArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.open()?;
    match arguments.command {
        Some(ServeCommand::Key(command)) => key(&home, command, terminal),
        None => serve(home, &arguments, terminal),
    }
}

fn serve(home: Home, arguments: &ServeArguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut settings = home.serve_settings()?;
    if let Some(listen) = arguments.listen {
        settings.listen = listen;
    }
    if let Some(threads) = arguments.threads {
        use_threads(threads);
    }
    let folders = arguments.folders.iter().map(|folder| Ok((absolute(folder)?, open_folder(folder)?)));
    let folders: Vec<(_, Dir)> = folders.collect::<Result<_, Failure>>()?;
    let server = Server::start(home, Folders::new(folders), settings)?;
    terminal.print(&server.summary(), show);
    let cut_off = server.run();
    if cut_off > 0 {
        tracing::warn!(
            "{cut_off} connections were cut off: `serve.grace_seconds_max` was over, or a second signal came"
        );
    }
    Ok(ExitCode::Done)
}

fn absolute(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    folder.canonicalize().map_err(|error| Failure::file("open", folder, &error))
}

fn show(summary: &Summary) {
    let who = if summary.keys { "who has an API key" } else { "everybody on this machine" };
    let mut lines = vec![("address", format!("http://{}", summary.address)), ("open to", who.to_owned())];
    if summary.captures {
        lines.push(("captures", "what transforms let through, in the folder `captured` of the home".into()));
    }
    if let Some(problem) = &summary.problem {
        lines.push(("problem", format!("nothing is served: {problem}")));
    }
    pairs(&lines);
    let (digests, aliases): (Vec<_>, Vec<_>) =
        summary.models.iter().partition(|model| model.model == model.adapter.to_string());
    if !aliases.is_empty() {
        let row = |model: &&ServedModel| vec![model.model.clone(), model.run.clone(), model.adapter.short()];
        table(&["Model", "Run", "Adapter"], aliases.iter().map(row).collect());
    }
    if !digests.is_empty() {
        say(&format!("Adapters that an alias names or named, by their digests: {} (--json lists them)", digests.len()));
    }
    for refused in &summary.refused {
        say(&format!("{} of {} is not served: {}", refused.model, refused.run, refused.reason));
    }
}

fn key(home: &Home, command: ServeKeyCommand, terminal: &Terminal) -> Result<ExitCode, Failure> {
    match command {
        ServeKeyCommand::New { name } => {
            let (entry, key) = home.new_api_key(&name)?;
            let value =
                json!({ "name": entry.name, "key": key.as_str(), "sha256": entry.sha256, "created": entry.created });
            terminal.print(&value, |_| {
                say(key.as_str());
                tracing::warn!("this is the only time that the key `{name}` is shown");
            });
        }
        ServeKeyCommand::List => terminal.print(&home.api_keys()?.entries(), |keys| {
            let time = |time: jiff::Timestamp| time.strftime("%F %T UTC").to_string();
            let row = |key: &ApiKeyEntry| {
                let revoked = key.revoked.map(time).unwrap_or_default();
                vec![key.name.clone(), key.sha256.short(), time(key.created), revoked]
            };
            table(&["Name", "SHA-256", "Made", "Revoked"], keys.iter().map(row).collect());
        }),
        ServeKeyCommand::Revoke { name } => {
            terminal.print(&home.revoke_api_key(&name)?, |key| say(&format!("{} is revoked", key.name)));
        }
    }
    Ok(ExitCode::Done)
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let code = match error {
            ServeError::Home(error) => return Self::from(error),
            ServeError::Exposed(_) => ExitCode::Usage,
            _ => ExitCode::Broken,
        };
        let (message, remedy) = (error.to_string(), error.remedy());
        Self::with_remedy(code, message, remedy)
    }
}
