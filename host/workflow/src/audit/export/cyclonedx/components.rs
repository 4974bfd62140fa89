//! What the model is made of: the adapter with its card, the base model, datasets, plugins, granted files.

use std::collections::{BTreeMap, BTreeSet};

use freehold_core::digest::Digest;
use freehold_core::lock::LockedPlugin;
use freehold_core::recipe::Split;
use serde_json::{Value, json};

use super::super::license;
use super::super::run::FinishedRun;
use super::{ADAPTER_REF, hashes, model_card, property};
use crate::WorkflowError;
use crate::audit::DocumentError;
use crate::run::ResolveDetail;

/// Name of the label that says a dataset's license.
const LICENSE: &str = "license";

/// The adapter: what the bill is about.
pub(super) fn adapter(run: &FinishedRun, resolved: &ResolveDetail) -> Result<Value, WorkflowError> {
    let Some(digest) = run.report.adapter else { return Err(DocumentError::NoAdapter(run.name.clone()).into()) };
    let recipe = &run.recipe;
    let files = run.adapter_files()?;
    let method = recipe.adapter.method.as_str();
    Ok(json!({
        "bom-ref": ADAPTER_REF,
        "type": "machine-learning-model",
        "name": recipe.run.name,
        "version": run.name,
        "description": format!("{}, trained with method {method}: {}", recipe.base.model, run.report.decision.as_str()),
        "hashes": hashes(&digest),
        "components": files.iter().map(|(name, digest)| file(ADAPTER_REF, name, digest)).collect::<Vec<_>>(),
        "pedigree": {
            "ancestors": [{
                "type": "machine-learning-model",
                "name": recipe.base.model,
                "hashes": hashes(&resolved.lock.base.digest),
            }],
        },
        "modelCard": model_card::of(run),
    }))
}

/// What went into the adapter, or judged it.
pub(super) fn all(run: &FinishedRun, resolved: &ResolveDetail) -> Vec<Value> {
    let lock = &resolved.lock;
    let mut components = vec![base(run, resolved)];
    components.extend(lock.data.iter().filter_map(|data| dataset(run, resolved, &data.name, &data.digest)));
    components.extend(lock.plugin.iter().map(|locked| plugin(locked, &resolved.signers)));
    components.extend(lock.asset.iter().map(|asset| {
        json!({
            "bom-ref": format!("asset/{}", asset.name),
            "type": "file",
            "name": asset.name,
            "hashes": hashes(&asset.digest),
        })
    }));
    components
}

fn file(of: &str, name: &str, digest: &Digest) -> Value {
    json!({ "bom-ref": format!("{of}/{name}"), "type": "file", "name": name, "hashes": hashes(digest) })
}

fn base(run: &FinishedRun, resolved: &ResolveDetail) -> Value {
    let locked = &resolved.lock.base;
    let name = format!("base/{}", locked.name);
    let mut component = json!({
        "bom-ref": name,
        "type": "machine-learning-model",
        "name": locked.name,
        "hashes": hashes(&locked.digest),
        "components": resolved.base_files.iter().map(|base| file(&name, &base.name, &base.digest)).collect::<Vec<_>>(),
    });
    if let Some(commit) = &locked.commit {
        component["version"] = commit.as_str().into();
    }
    if let Some(license) = &run.recipe.base.license {
        component["licenses"] = license::choice(license);
    }
    component
}

fn dataset(run: &FinishedRun, resolved: &ResolveDetail, name: &str, digest: &Digest) -> Option<Value> {
    let settings = run.recipe.data.iter().find(|data| data.name == name)?;
    let labels = settings.labels.iter().map(|(label, value)| property(&format!("label:{label}"), value));
    let mut component = json!({
        "bom-ref": format!("data/{name}"),
        "type": "data",
        "name": name,
        "hashes": hashes(digest),
        "data": [{ "type": "dataset", "name": name, "contents": { "properties": labels.collect::<Vec<_>>() } }],
    });
    if let Some(license) = settings.labels.get(LICENSE) {
        component["licenses"] = license::choice(license);
    }
    let mut properties = vec![property("split", settings.split.as_str())];
    // Records of earlier versions do not say it.
    if let Some(read) = resolved.datasets.iter().find(|read| read.name == name) {
        properties.push(property("rows", read.rows));
        properties.push(property("file", read.file.as_str()));
        properties.push(property("form", read.form.as_str()));
    }
    component["properties"] = properties.into();
    Some(component)
}

fn plugin(locked: &LockedPlugin, signers: &BTreeMap<String, String>) -> Value {
    let name = format!("{}@{}", locked.name, locked.version);
    let mut properties = vec![property("manifest", locked.manifest)];
    properties.extend(signers.get(&name).map(|signer| property("signer", signer)));
    json!({
        "bom-ref": format!("plugin/{name}"),
        "type": "application",
        "mime-type": "application/wasm",
        "publisher": locked.name.publisher(),
        "group": locked.name.publisher(),
        "name": locked.name.name(),
        "version": locked.version.to_string(),
        "hashes": hashes(&locked.component),
        "properties": properties,
    })
}

/// The adapter depends on its base model, on what it was trained on and on what made that. What measured and judged it is here
/// too, and nothing depends on it.
pub(super) fn dependencies(run: &FinishedRun, refs: &BTreeSet<String>) -> Vec<Value> {
    let recipe = &run.recipe;
    let trained_on = |data: &&freehold_core::recipe::DataSettings| data.split == Split::Train;
    let data = recipe.data.iter().filter(trained_on).map(|data| format!("data/{}", data.name));
    let base = format!("base/{}", recipe.base.model);
    let transforms = recipe.transform.iter().filter(|transform| transform.splits.contains(&Split::Train));
    let transforms = transforms.flat_map(|transform| {
        let of_plugin = format!("plugin/{}@", transform.plugin);
        refs.iter().filter(move |name| name.starts_with(&of_plugin)).cloned()
    });
    let needs: BTreeSet<String> = data.chain([base]).chain(transforms).filter(|name| refs.contains(name)).collect();
    let alone = refs.iter().filter(|name| *name != ADAPTER_REF).map(|name| json!({ "ref": name }));
    [json!({ "ref": ADAPTER_REF, "dependsOn": needs })].into_iter().chain(alone).collect()
}
