//! `freehold plugin diff`

use std::path::Path;

use freehold_component::Interface;
use freehold_workflow::{Difference, differences};
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::inspect;
use crate::commands::Place;
use crate::failure::Failure;
use crate::page::{Terminal, paint, say, shown};

/// How two versions differ for who uses the plugin; both are verified.
pub(super) fn run(
    place: &Place<'_>,
    (before, after): (&str, &str),
    from: &Path,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let (before, _) = inspect::load(place, before, from)?;
    let (after, _) = inspect::load(place, after, from)?;
    let mut found = differences(before.manifest(), after.manifest());
    let (then, now) = (Interface::of(before.component())?, Interface::of(after.component())?);
    found.extend(names("imports", &then.imports, &now.imports));
    found.extend(names("exports", &then.exports, &now.exports));
    let breaks = found.iter().any(|one| one.breaks);
    let label =
        |plugin: &freehold_trust::VerifiedPlugin| format!("{} {}", plugin.manifest().name, plugin.manifest().version);
    let value = json!({ "before": label(&before), "after": label(&after), "differences": found, "breaks": breaks });
    terminal.print(&value, |_| {
        say(&format!("{} -> {}", label(&before), label(&after)));
        found.iter().for_each(show);
        say(match breaks {
            true => "Recipes that use the first may not run with the second.",
            false => "Recipes that use the first run with the second.",
        });
    });
    Ok(())
}

fn names(what: &str, before: &[String], after: &[String]) -> Option<Difference> {
    let listed = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
    let asks_more = what == "imports" && after.iter().any(|name| !before.contains(name));
    let difference =
        |breaks| Difference { what: what.into(), before: listed(before), after: listed(after), asks_more, breaks };
    (before != after).then(|| difference(what == "exports" && before.iter().any(|name| !after.contains(name))))
}

/// One difference, with what it means.
pub(super) fn show(one: &Difference) {
    let more = if one.asks_more { format!("  {}", "asks for more".yellow()) } else { String::new() };
    let breaks = if one.breaks { format!("  {}", "breaks recipes".red()) } else { String::new() };
    paint(&format!("  {}{more}{breaks}", shown(&one.to_string())));
}
