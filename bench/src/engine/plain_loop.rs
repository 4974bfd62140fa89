//! One answer after the other, as a program without a server would have them: what `cargo xtask bench serve` compares with.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_engine::{Adapter, ChatTokenizer, GenerateSettings, Message, Model, ModelFolder, generate};
use serde_json::{Value, json};

/// Answers the questions of a JSON list with a model and an adapter, from their folders.
pub(crate) fn measure(model: &str, adapter: &str, questions: &str, tokens_max: &str) -> Result<Value, Box<dyn Error>> {
    let folder = ModelFolder::open(Dir::open_ambient_dir(model, ambient_authority())?)?;
    let (model, tokenizer) = (Model::load(&folder)?, ChatTokenizer::load(&folder)?);
    let file = |name: &str| std::fs::read(Path::new(adapter).join(name));
    let adapter = Adapter::from_files(&file("adapter_config.json")?, &file("adapter_model.safetensors")?, &model)?;
    let questions: Vec<String> = serde_json::from_slice(&std::fs::read(questions)?)?;
    let settings = GenerateSettings {
        max_new_tokens: tokens_max.parse()?,
        end_ids: tokenizer.end_ids().to_vec(),
        ..GenerateSettings::default()
    };
    let (mut tokens, began) = (0, Instant::now());
    for text in questions {
        let prompt = tokenizer.prompt(&[Message { role: "user".into(), text }])?;
        let answers = generate(&model, Some(&adapter), &[prompt], &settings, None, &mut |_| ())?;
        for answer in answers {
            tokenizer.answer(&answer.ids)?;
            tokens += answer.ids.len();
        }
    }
    Ok(json!({ "tokens": tokens, "tokens_per_s": tokens as f64 / began.elapsed().as_secs_f64() }))
}
