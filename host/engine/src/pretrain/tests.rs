use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::*;
use crate::{ChatTokenizer, Message, ModelFolder};

pub(crate) fn spec() -> PretrainSpec {
    PretrainSpec {
        hidden_size: 32,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        intermediate_size: 48,
        vocab_size: 300,
        max_positions: 96,
        rope_theta: 10_000.0,
        steps: 30,
        tokens_per_step: 256,
        sequence_length: 64,
        learning_rate: 1e-2,
        warmup_steps: 3,
        weight_decay: 0.1,
        seed: 4,
    }
}

pub(crate) fn text() -> Vec<String> {
    let word = |i: usize| ["alpha", "beta", "gamma", "delta"][i % 4];
    (0..40).map(|i| format!("<|user|>{} {i}<|end|><|assistant|>{}<|end|>", word(i), word(i + 1))).collect()
}

pub(crate) fn write(files: &[(String, Vec<u8>)]) -> (tempfile::TempDir, Dir) {
    let temporary = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temporary.path(), ambient_authority()).unwrap();
    for (name, bytes) in files {
        dir.write(name, bytes).unwrap();
    }
    (temporary, dir)
}

#[test]
fn a_new_model_is_a_folder_that_loads_and_learns() {
    let folder = pretrain(&spec(), &text(), None, &mut ()).unwrap();
    assert!(folder.report.last_loss < folder.report.first_loss * 0.6, "{:?}", folder.report);
    assert_eq!(folder.report.steps, 30);
    let again = pretrain(&spec(), &text(), None, &mut ()).unwrap();
    assert!(folder.files == again.files, "the same text has to give the same files");

    let (_keep, dir) = write(&folder.files);
    let opened = ModelFolder::open(dir).unwrap();
    let names: Vec<&str> = opened.files().iter().map(|file| file.name.as_str()).collect();
    let all = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    assert_eq!(names, all);
    let model = Model::load(&opened).unwrap();
    assert_eq!(model.config.end_ids, [1]);
    let chat = ChatTokenizer::load(&opened).unwrap();
    let message = |role: &str, text: &str| Message { role: role.into(), text: text.into() };
    let [example] = &chat.examples(&[message("user", "alpha 1"), message("assistant", "beta")]).unwrap()[..] else {
        panic!()
    };
    assert_eq!(example.ids[..2], [0, 3]);
    assert_eq!((example.ids.last(), example.mask.last()), (Some(&1), Some(&true)));

    let mut more = spec();
    more.steps = 3;
    let continued = pretrain(&more, &text(), Some(&model), &mut ()).unwrap();
    assert!(continued.report.first_loss < folder.report.first_loss * 0.7);
    let file = |folder: &PretrainedFolder, name: &str| {
        folder.files.iter().find(|(file, _)| file == name).map(|(_, bytes)| bytes.clone()).unwrap()
    };
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        assert_eq!(file(&folder, name), file(&continued, name));
    }
    let config = String::from_utf8(file(&continued, "config.json")).unwrap();
    assert!(
        config.contains("rope_parameters")
            && !String::from_utf8(file(&folder, "config.json")).unwrap().contains("rope_parameters")
    );
    let (_keep, dir) = write(&continued.files);
    assert_eq!(Model::load(&ModelFolder::open(dir).unwrap()).unwrap().config, model.config);
}

#[test]
fn special_tokens_in_documents_are_special() {
    let files = vocabulary::train(&text(), 300).unwrap();
    let (tokenizer, special) = read_tokenizer(&files).unwrap();
    let documents = documents(&tokenizer, &special, &["<|user|>x<|end|>".into(), "y".into()], 64).unwrap();
    let x = tokenizer.token_to_id("x").unwrap();
    assert_eq!(documents[0].ids, [0, 3, x, 1]);
    assert_eq!(documents[1].ids, [0, x + 1, 1]);
}

#[test]
fn impossible_specifications_are_told() {
    let spoilt = |change: fn(&mut PretrainSpec)| {
        let mut spec = spec();
        change(&mut spec);
        pretrain(&spec, &text(), None, &mut ()).unwrap_err().to_string()
    };
    assert!(spoilt(|spec| spec.vocab_size = 100).contains("vocab_size"));
    assert!(spoilt(|spec| spec.heads = 0).contains("heads"));
    assert!(spoilt(|spec| spec.kv_heads = 3).contains("num_key_value_heads"));
    assert!(spoilt(|spec| spec.sequence_length = 500).contains("sequence_length"));
    assert!(spoilt(|spec| spec.learning_rate = f64::NAN).contains("learning_rate"));
    let empty = pretrain(&spec(), &[], None, &mut ());
    assert!(matches!(empty, Err(PretrainError::Train(TrainError::NothingToLearn { examples: 0 }))));
}
