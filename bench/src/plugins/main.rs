//! `cargo xtask bench plugins`: what a plugin costs, in one run on one machine. Ratios are to the same Rust code compiled
//! natively and, where Python has Hugging Face datasets, to `datasets.map`.

mod load;
mod peer;
mod rows;
mod setup;
mod verdicts;

use serde::Serialize;

/// What is printed with `--json`. A rate that could not be measured is null.
#[derive(Debug, Serialize)]
struct Report {
    native_rows_per_s: f64,
    source_native_rows_per_s: f64,
    plugin_rows_per_s: f64,
    two_core_rows_per_s: f64,
    datasets_map_rows_per_s: Option<f64>,
    load_cached_us: f64,
    instantiate_us: f64,
    noop_call_ns: f64,
    verdict_us: f64,
    verdicts: Vec<verdicts::Latency>,
    verdict_p99_us_at_320: f64,
    thousand_plugins_mib: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let components = arguments.next().ok_or("the first argument is the folder of the components")?;
    let json = arguments.next().as_deref() == Some("--json");
    let setup = setup::Setup::new(components.as_ref())?;
    let rows = rows::measure(&setup)?;
    let load = load::measure(&setup)?;
    let verdicts = verdicts::measure(&setup)?;
    let at = |concurrent| verdicts.iter().find(|latency| latency.concurrent == concurrent);
    let report = Report {
        native_rows_per_s: rows.native,
        source_native_rows_per_s: rows.source_native,
        plugin_rows_per_s: rows.plugin,
        two_core_rows_per_s: rows.two_cores,
        datasets_map_rows_per_s: peer::datasets_map(),
        load_cached_us: load.cached_us,
        instantiate_us: load.instantiate_us,
        noop_call_ns: load.noop_call_ns,
        verdict_us: at(1).map_or(0.0, |latency| latency.p50_us),
        verdict_p99_us_at_320: at(320).map_or(0.0, |latency| latency.p99_us),
        verdicts,
        thousand_plugins_mib: load.thousand_plugins_mib,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?)
    } else {
        print(&report)
    }
    Ok(())
}

fn print(report: &Report) {
    let line = |what: &str, value: String, against: String| println!("{what:<44} {value:>14}   {against}");
    let rate = |rows: f64| format!("{:.2} M rows/s", rows / 1e6);
    line("redaction, native Rust, one core", rate(report.native_rows_per_s), String::new());
    let of_native = format!("{:.2} of native", report.plugin_rows_per_s / report.native_rows_per_s);
    line("redaction, plugin, one core, all limits on", rate(report.plugin_rows_per_s), of_native);
    let of_source = format!("the plugin is {:.2} of it", report.plugin_rows_per_s / report.source_native_rows_per_s);
    line("redaction, the plugin's source, native", rate(report.source_native_rows_per_s), of_source);
    let of_one = format!("{:.2} of one core", report.two_core_rows_per_s / report.plugin_rows_per_s);
    line("redaction, plugin, two cores", rate(report.two_core_rows_per_s), of_one);
    match report.datasets_map_rows_per_s {
        Some(peer) => {
            let times = format!("the plugin is {:.1} times as fast", report.plugin_rows_per_s / peer);
            line("redaction, datasets.map batched", rate(peer), times);
        }
        None => line("redaction, datasets.map batched", "-".into(), "python3 has no package `datasets`".into()),
    }
    line("load, verified, from the cache", format!("{:.0} us", report.load_cached_us), String::new());
    line("instantiate", format!("{:.2} us", report.instantiate_us), String::new());
    line("call that does nothing", format!("{:.0} ns", report.noop_call_ns), String::new());
    for latency in &report.verdicts {
        let what = format!("verdict, fresh store, {} at a time", latency.concurrent);
        let value = format!("{:.0} us", latency.p50_us);
        line(&what, value, format!("p99 {:.0} us, {:.0} verdicts/s", latency.p99_us, latency.per_s));
    }
    line("1000 loaded plugins", format!("{:.0} MiB", report.thousand_plugins_mib), String::new());
}
