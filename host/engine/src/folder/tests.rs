use serde_json::json;

use super::*;
use crate::Model;
use crate::pretrain::{pretrain, tests as pretrained};

type Files = BTreeMap<String, Vec<u8>>;

fn files() -> Files {
    let mut spec = pretrained::spec();
    spec.steps = 1;
    pretrain(&spec, &pretrained::text(), None, &mut ()).unwrap().files.into_iter().collect()
}

fn load(files: &Files) -> Result<Model, ModelError> {
    let files: Vec<_> = files.clone().into_iter().collect();
    let (_keep, dir) = pretrained::write(&files);
    Model::load(&ModelFolder::open(dir)?)
}

fn edit(files: &mut Files, name: &str, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&files[name]).unwrap();
    change(&mut value);
    files.insert(name.into(), value.to_string().into_bytes());
}

#[test]
fn each_damage_has_its_own_error() {
    let good = files();
    assert!(load(&good).is_ok());
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let mut bad = good.clone();
        bad.remove(name);
        assert!(matches!(load(&bad), Err(ModelError::MissingFile { file }) if file == name));
    }
    let mut bad = good.clone();
    bad.get_mut("model.safetensors").unwrap().truncate(5000);
    assert!(matches!(load(&bad), Err(ModelError::Weights { .. })));
    let mut bad = good.clone();
    edit(&mut bad, "config.json", |config| config["num_hidden_layers"] = json!(3));
    assert!(matches!(load(&bad), Err(ModelError::MissingTensor { tensor }) if tensor.starts_with("model.layers.2.")));
    let mut bad = good.clone();
    edit(&mut bad, "config.json", |config| config["intermediate_size"] = json!(50));
    assert!(
        matches!(load(&bad), Err(ModelError::Shape { expected, found, .. }) if expected == [50, 32] && found == [48, 32])
    );
    let mut bad = good.clone();
    edit(&mut bad, "config.json", |config| config["vocab_size"] = json!(290));
    assert!(matches!(load(&bad), Err(ModelError::Vocabulary { vocab_size: 290, .. })));
    let mut bad = good.clone();
    bad.insert("tokenizer.json".into(), b"{}".to_vec());
    assert!(matches!(load(&bad), Err(ModelError::Tokenizer { .. })));
    let mut bad = good;
    bad.insert("config.json".into(), b"{".to_vec());
    assert!(matches!(load(&bad), Err(ModelError::Json { .. })));
}

#[test]
fn shards_and_templates_are_found() {
    let mut files = files();
    let whole = load(&files).unwrap();
    let bytes = files.remove("model.safetensors").unwrap();
    files.insert("model-00001-of-00001.safetensors".into(), bytes);
    let index = json!({"weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}});
    files.insert(INDEX_FILE.into(), index.to_string().into_bytes());
    let sharded = load(&files).unwrap();
    assert_eq!(sharded.parameters(), whole.parameters());
    assert_ne!(sharded.digest(), whole.digest());

    let open = |files: &Files| {
        let files: Vec<_> = files.clone().into_iter().collect();
        let (keep, dir) = pretrained::write(&files);
        (keep, ModelFolder::open(dir))
    };
    edit(&mut files, TOKENIZER_CONFIG_FILE, |config| {
        config["chat_template"] = json!([{"name": "tool_use", "template": "x"}, {"name": "default", "template": "y"}]);
    });
    assert_eq!(open(&files).1.unwrap().template_digest(), Some(Digest::of(b"y")));
    files.insert(TEMPLATE_FILE.into(), b"z".to_vec());
    assert_eq!(open(&files).1.unwrap().template_digest(), Some(Digest::of(b"z")));
    files.remove(TEMPLATE_FILE);
    edit(&mut files, TOKENIZER_CONFIG_FILE, |config| config["chat_template"] = json!([]));
    assert!(matches!(open(&files).1, Err(ModelError::Template { .. })));
    edit(&mut files, TOKENIZER_CONFIG_FILE, |config| config["chat_template"] = json!(null));
    let mut processor = files.clone();
    processor.insert(TEMPLATE_JSON_FILE.into(), br#"{"chat_template": "p"}"#.to_vec());
    assert_eq!(open(&processor).1.unwrap().template_digest(), Some(Digest::of(b"p")));
    let (_keep, folder) = open(&files);
    let folder = folder.unwrap();
    assert_eq!(folder.template_digest(), None);
    assert!(matches!(crate::ChatTokenizer::load(&folder), Err(ModelError::Template { .. })));
}

#[test]
fn a_file_that_changes_is_noticed() {
    let files: Vec<_> = files().into_iter().collect();
    let (_keep, dir) = pretrained::write(&files);
    let folder = ModelFolder::open(dir.try_clone().unwrap()).unwrap();
    dir.write("model.safetensors", b"other").unwrap();
    assert!(matches!(Model::load(&folder), Err(ModelError::Changed { file, .. }) if file == "model.safetensors"));
}

/// The weights with a change.
fn weights(bytes: &[u8], change: impl FnOnce(&mut BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let of = |(name, view): (&str, safetensors::tensor::TensorView<'_>)| {
        (name.to_string(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    let mut tensors: BTreeMap<_, _> = file.iter().map(of).collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn tensors_that_are_too_many_damaged_or_of_another_type_are_named() {
    let good = files();
    let with = |bytes: Vec<u8>| {
        let mut files = good.clone();
        files.insert("model.safetensors".into(), bytes);
        load(&files)
    };
    let original = &good["model.safetensors"];
    const NORM: &str = "model.norm.weight";
    let extra = weights(original, |tensors| {
        let copy = tensors[NORM].clone();
        tensors.insert("model.layers.0.self_attn.q_proj.bias".into(), copy);
    });
    assert!(matches!(with(extra), Err(ModelError::ExtraTensor { tensor, .. }) if tensor.ends_with("q_proj.bias")));
    // What old versions stored, and the head of a model whose head is the embedding, belong to nothing and hurt nobody.
    let spare = weights(original, |tensors| {
        let copy = tensors[NORM].clone();
        tensors.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), copy.clone());
        tensors.insert("lm_head.weight".into(), copy);
    });
    assert!(with(spare).is_ok());
    // bf16: 0x7fc0 is not a number.
    let damaged = weights(original, |tensors| {
        let data = &mut tensors.get_mut(NORM).unwrap().2;
        data[..2].copy_from_slice(&0x7fc0_u16.to_le_bytes());
    });
    assert!(matches!(with(damaged), Err(ModelError::NotFinite { tensor, .. }) if tensor == NORM));
    let other = weights(original, |tensors| tensors.get_mut(NORM).unwrap().0 = Dtype::I16);
    assert!(
        matches!(with(other), Err(ModelError::TensorType { tensor, found, .. }) if tensor == NORM && found == "I16")
    );

    let mut twice = good.clone();
    let bytes = twice.remove("model.safetensors").unwrap();
    let part = weights(&bytes, |tensors| tensors.retain(|name, _| name == NORM));
    twice.insert("a.safetensors".into(), bytes);
    twice.insert("b.safetensors".into(), part);
    let index = json!({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}});
    twice.insert(INDEX_FILE.into(), index.to_string().into_bytes());
    assert!(matches!(load(&twice), Err(ModelError::Twice { tensor, .. }) if tensor == NORM));
}
