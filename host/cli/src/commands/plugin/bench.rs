//! `freehold plugin bench`

use std::path::Path;
use std::time::Instant;

use freehold_authoring::{Bench, Distribution, bench};
use serde_json::json;

use super::author;
use super::test::used;
use crate::commands::Place;
use crate::failure::Failure;
use crate::page::{Terminal, say, table};

pub(super) fn run(
    place: &Place<'_>,
    folder: &Path,
    component: Option<&Path>,
    case: Option<String>,
    rows: usize,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let plugin_folder = author::open(folder)?;
    let named: Vec<String> = case.into_iter().collect();
    let cases = plugin_folder.cases(&named)?;
    // A case that was named is measured, or refused with the reason.
    let case = cases.iter().find(|case| !case.expects_error()).or(cases.first());
    let component = author::component(&plugin_folder, component)?;
    let bytes = component.len();
    let start = Instant::now();
    let rehearsed = author::load(place, &plugin_folder, component)?;
    let plugin = &rehearsed.plugin;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let Some(case) = case else { return Ok(()) };
    let found = bench(plugin, case, rows)?;
    let manifest = plugin.manifest();
    let value = json!({
        "plugin": manifest.name.to_string(),
        "version": manifest.version,
        "component_bytes": bytes,
        "load_ms": load_ms,
        "bench": found,
        "host_file": rehearsed.host_file,
    });
    terminal.print(&value, |_| {
        say(&format!(
            "{} {}, case {}: {} runs of {} {}",
            manifest.name, manifest.version, found.case, found.runs, found.count, found.unit
        ));
        show(&found, load_ms);
        say(&used(&found.usage));
        say(&rehearsed.limits());
    });
    Ok(())
}

fn show(found: &Bench, load_ms: f64) {
    let unit = found.unit.trim_end_matches('s');
    let times = |name: &str, times: Distribution| {
        vec![name.to_owned(), format!("{:.1} us", times.median_us), format!("{:.1} us", times.p95_us)]
    };
    let mut rows = vec![vec![format!("{} a second", found.unit), format!("{:.0}", found.per_second), String::new()]];
    rows.extend(found.instantiate.map(|start| times("start an instance", start)));
    rows.push(times(if unit == "verdict" { "a verdict" } else { "a call of up to 1024 rows" }, found.call));
    rows.extend(found.fuel_per_unit.map(|fuel| vec![format!("fuel a {unit}"), format!("{fuel:.0}"), String::new()]));
    rows.push(vec!["verify and compile".into(), format!("{load_ms:.1} ms"), String::new()]);
    table(&["", "Median", "95%"], rows);
}
