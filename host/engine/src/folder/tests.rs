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
