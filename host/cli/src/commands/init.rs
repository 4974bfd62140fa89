//! `freehold init`

use freehold_workflow::{ExitCode, Home};
use serde_json::json;

use super::{Place, make_folder};
use crate::failure::Failure;
use crate::page::{Terminal, pairs, say};

pub(super) fn run(place: &Place<'_>, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let home = place.equipped(Home::init(make_folder(place.0)?)?);
    let root = home.newest_root()?;
    let keys = home.keys()?;
    let value = json!({
        "home": place.0,
        "trust_root": root.version,
        "expires": root.expires,
        "keys": keys.iter().map(|key| json!({ "name": key.name, "id": key.id() })).collect::<Vec<_>>(),
    });
    terminal.print(&value, |_| {
        say(&format!("Home in {}", place.0.display()));
        let mut lines = vec![("trust root", format!("version {}, expires {}", root.version, root.expires))];
        lines.extend(keys.iter().map(|key| ("key", format!("{} {}", key.id().short(), key.name))));
        pairs(&lines);
        say("\nKeep keys/root.pem offline once your publishers are trusted. Next:");
        say("  freehold key new NAME                              a key that signs plugins");
        say("  freehold trust add --key NAME --names 'acme/*'     let it publish");
    });
    Ok(ExitCode::Done)
}
