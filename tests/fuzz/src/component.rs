//! Bytes as a component that a trusted publisher signed: nesting, parsing, imports, exports, and a first call.

use freehold_component::Interface;
use freehold_core::batch::{Batch, Column, ColumnData};
use freehold_core::evidence::{Evidence, Subject};
use freehold_core::limits::LimitKind;
use freehold_core::manifest::World;
use freehold_core::verdict::Stage;
use freehold_sandbox::{Grants, Plugin, SandboxError};

use crate::batch::is_sound;
use crate::host::{LIMITS, is_told, load};

/// Loads bytes as a plugin of the world that they claim, and runs what loads.
pub fn run(data: &[u8]) {
    let interface = Interface::of(data);
    let world = match interface.as_ref().map(Interface::worlds).unwrap_or_default().first() {
        Some(&"transform") => World::Transform,
        Some(&"metric") => World::Metric,
        _ => World::Policy,
    };
    let plugin = match load(world, data) {
        Ok(plugin) => plugin,
        Err(error) => return is_told(&error),
    };
    let interface = interface.expect("what loads is a component");
    assert!(data.len() as u64 <= LIMITS.component_bytes);
    for import in &interface.imports {
        let known =
            import.starts_with("freehold:platform/platform@1.") || import.starts_with("freehold:types/types@1.");
        assert!(known, "it loads with the import {import}");
    }
    assert!(interface.worlds().contains(&world.to_string().as_str()), "{:?}", interface.exports);
    let ran = match world {
        World::Transform => transform(&plugin),
        World::Metric => metric(&plugin),
        World::Policy => policy(&plugin),
    };
    if let Err(error) = ran {
        is_told(&error);
    }
}

fn batch() -> Batch {
    let column = |name: &str, values: [&str; 2]| {
        let data = ColumnData::Text(values.into_iter().collect());
        Column { name: name.into(), data, validity: None }
    };
    let columns = ["prompt", "prediction", "reference"].map(|name| column(name, ["one", "two"]));
    Batch::new(0, 2, columns.into()).expect("two rows")
}

fn transform(plugin: &Plugin) -> Result<(), SandboxError> {
    let mut transform = plugin.transform(Grants::default())?;
    let _ = transform.describe()?;
    is_sound(&transform.process(&batch())?.batch);
    is_sound(&transform.finish()?.batch);
    for kind in [LimitKind::MemoryBytes, LimitKind::TableElements, LimitKind::OutputBytes] {
        let used = transform.usage().get(kind).expect("it is counted");
        assert!(used.used <= used.limit, "{kind}");
    }
    Ok(())
}

fn metric(plugin: &Plugin) -> Result<(), SandboxError> {
    let mut metric = plugin.metric(Grants::default())?;
    let width = metric.describe()?.statistics.len();
    let rows = metric.statistics(&batch())?;
    assert_eq!(rows.len(), 2 * width);
    assert!(rows.iter().all(|number| number.is_finite()));
    let _ = metric.values(&vec![1.0; width])?;
    Ok(())
}

fn policy(plugin: &Plugin) -> Result<(), SandboxError> {
    let subject = |name: &str| Subject { name: name.into(), digest: "sha256:0".into(), attributes: vec![] };
    let evidence = Evidence {
        stage: Stage::Admit,
        run: "run-1".into(),
        base: subject("base"),
        datasets: vec![subject("tickets")],
        plugins: vec![],
        measurements: vec![],
        production: None,
        attributes: vec![],
    };
    plugin.policy()?.check(Grants::default(), &evidence).0.map(drop)
}
