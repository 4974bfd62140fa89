//! A model folder and an adapter as a hub or a stranger hands them over: one file is the input, the others are a small model's.

use std::path::Path;
use std::sync::OnceLock;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::recipe::Precision;
use freehold_engine::{Adapter, ChatTokenizer, Message, Model, ModelFolder, logits};

const WEIGHTS: &str = "model.safetensors";
const ADAPTER_CONFIG: &str = "adapter_config.json";
const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// The files of the model and of an adapter for it, by name. The first byte of an input says which of them it is.
pub(crate) const FILES: [(&str, &[u8]); 7] = [
    ("config.json", include_bytes!("../../fixtures/llama/config.json")),
    ("tokenizer.json", include_bytes!("../../fixtures/llama/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../../fixtures/llama/tokenizer_config.json")),
    ("chat_template.jinja", include_bytes!("../../fixtures/llama/chat_template.jinja")),
    (WEIGHTS, include_bytes!("../../fixtures/llama/model.safetensors")),
    (ADAPTER_CONFIG, include_bytes!("../../fixtures/llama/reference/adapter/adapter_config.json")),
    (ADAPTER_WEIGHTS, include_bytes!("../../fixtures/llama/reference/adapter/adapter_model.safetensors")),
];

/// Bytes before the head of a file of tensors, which say how long it is.
pub(crate) const LENGTH_BYTES: usize = 8;

/// The input as a file. Of files of tensors it is the head; the numbers are those of the small model.
fn file(name: &str, good: &[u8], input: &[u8]) -> Vec<u8> {
    if name != WEIGHTS && name != ADAPTER_WEIGHTS {
        return input.to_vec();
    }
    let length = good.first_chunk::<LENGTH_BYTES>().map_or(0, |length| u64::from_le_bytes(*length)) as usize;
    let numbers = good.get(LENGTH_BYTES + length..).expect("a file of tensors");
    [&(input.len() as u64).to_le_bytes(), input, numbers].concat()
}

/// The small model's folder.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in FILES {
            std::fs::write(folder.path().join(name), bytes).expect("a file");
        }
        folder
    });
    folder.path()
}

/// The input as one of the files.
pub fn run(data: &[u8]) {
    let Some((which, input)) = data.split_first() else { return };
    let (name, good) = FILES[usize::from(*which) % FILES.len()];
    let bytes = file(name, good, input);
    let path = folder().join(name);
    if !name.starts_with("adapter") {
        std::fs::write(&path, &bytes).expect("a file");
    }
    look(name, &bytes);
    if !name.starts_with("adapter") {
        std::fs::write(&path, good).expect("a file");
    }
}

fn look(name: &str, bytes: &[u8]) {
    let dir = Dir::open_ambient_dir(folder(), ambient_authority()).expect("a folder");
    let folder = match ModelFolder::open(dir) {
        Ok(folder) => folder,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    if let Ok(chat) = ChatTokenizer::load(&folder) {
        let message = |role: &str| Message { role: role.into(), text: "a <|end|> b".into() };
        let lesson = chat.lesson(&[message("user"), message("assistant")]);
        if let Ok(lesson) = lesson {
            let fits = |ids: &[u32], mask: &[bool]| ids.len() == mask.len() && !ids.is_empty();
            assert!(lesson.examples.iter().all(|example| fits(&example.ids, &example.mask)));
        }
        assert!(!chat.end_ids().is_empty(), "nothing ends an answer");
    }
    let Ok(model) = Model::load(&folder) else { return };
    let adapter = match name {
        ADAPTER_CONFIG => Adapter::from_files(bytes, FILES[6].1, &model).ok(),
        ADAPTER_WEIGHTS => Adapter::from_files(FILES[5].1, bytes, &model).ok(),
        _ => None,
    };
    let ids = vec![vec![0; model.max_positions().min(3)]];
    if let Ok(computed) = logits(&model, adapter.as_ref(), &ids, Precision::F32) {
        assert_eq!(computed.values.len(), ids[0].len() * model.vocabulary());
    }
}
