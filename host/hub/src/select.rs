//! Which files of a model the engine uses. Names come from a server: only plain ones are looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::HubError;

const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
/// The weights in one file.
const WEIGHTS: &str = "model.safetensors";
/// The weights in several.
pub(crate) const INDEX: &str = "model.safetensors.index.json";
/// The model card.
pub(crate) const CARD: &str = "README.md";
const OTHERS: [&str; 8] = [
    "generation_config.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    CARD,
];

/// The most files that an index may name.
const SHARDS_MAX: usize = 4096;

/// The files to fetch, without those that an index names: these are known when it is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// In the order in which they are fetched: small ones first.
    pub(crate) files: Vec<&'static str>,
    /// Whether `files` ends with an index of the weights.
    pub(crate) sharded: bool,
}

/// Chooses among the names that the hub lists.
pub(crate) fn select(model: &str, names: &BTreeSet<String>) -> Result<Selection, HubError> {
    let missing = |file| HubError::MissingFile { model: model.into(), file };
    for file in [CONFIG, TOKENIZER] {
        if !names.contains(file) {
            return Err(missing(file));
        }
    }
    let others = OTHERS.into_iter().filter(|file| names.contains(*file));
    let mut files: Vec<_> = [CONFIG, TOKENIZER].into_iter().chain(others).collect();
    let sharded = !names.contains(WEIGHTS);
    if sharded && !names.contains(INDEX) {
        return Err(missing(WEIGHTS));
    }
    files.push(if sharded { INDEX } else { WEIGHTS });
    Ok(Selection { files, sharded })
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that an index names, all of which the hub has to list.
pub(crate) fn shards(index: &[u8], names: &BTreeSet<String>) -> Result<BTreeSet<String>, HubError> {
    let failed = |problem: String| HubError::Answer { what: format!("`{INDEX}`"), problem };
    let index: Index = serde_json::from_slice(index).map_err(|error| failed(error.to_string()))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if shards.is_empty() || shards.len() > SHARDS_MAX {
        return Err(failed(format!("it names {} files; 1 to {SHARDS_MAX} are possible", shards.len())));
    }
    match shards.iter().find(|name| !is_weights(name) || !names.contains(*name)) {
        Some(name) => Err(HubError::HostileName { name: name.chars().take(100).collect() }),
        None => Ok(shards),
    }
}

/// Whether a name is a plain one of weights: safe as a name of a file and in an address, and none of ours.
fn is_weights(name: &str) -> bool {
    name.len() <= 200
        && name.strip_suffix(".safetensors").is_some_and(|stem| !stem.is_empty())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_what_the_engine_uses_is_fetched() {
        let all = names(&[
            "../../etc/passwd",
            ".gitattributes",
            "README.md",
            "config.json",
            "model.fp16.safetensors",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
        ]);
        let selection = select("m", &all).unwrap();
        assert_eq!(selection.files, ["config.json", "tokenizer.json", "README.md", "model.safetensors"]);
        assert!(!selection.sharded);
        let sharded = select("m", &names(&["config.json", "tokenizer.json", INDEX, "a.safetensors"])).unwrap();
        assert_eq!((sharded.files.last(), sharded.sharded), (Some(&INDEX), true));
        for (listed, file) in [
            (&["tokenizer.json", "model.safetensors"][..], CONFIG),
            (&["config.json", "model.safetensors"], TOKENIZER),
            (&["config.json", "tokenizer.json", "pytorch_model.bin"], WEIGHTS),
        ] {
            assert!(
                matches!(select("m", &names(listed)), Err(HubError::MissingFile { file: found, .. }) if found == file)
            );
        }
    }

    #[test]
    fn an_index_names_weights_beside_it() {
        let index = |name: &str| serde_json::to_vec(&serde_json::json!({ "weight_map": { "w": name } })).unwrap();
        let listed = |name: &str| shards(&index(name), &names(&[name, "config.json"]));
        assert_eq!(listed("model-00001-of-00002.safetensors").unwrap().len(), 1);
        for name in [
            "../model.safetensors",
            "/model.safetensors",
            "a/model.safetensors",
            "a\\model.safetensors",
            ".safetensors",
            ".model.safetensors",
            "config.json",
            "model.safetensors\0",
            "model?.safetensors",
            "C:model.safetensors",
        ] {
            assert!(matches!(listed(name), Err(HubError::HostileName { .. })), "{name}");
        }
        assert!(shards(&index("a.safetensors"), &names(&["b.safetensors"])).is_err());
        assert!(shards(b"{\"weight_map\": {}}", &names(&[])).is_err());
        assert!(shards(b"[]", &names(&[])).is_err());
    }
}
