//! `freehold model generate`

use std::path::Path;

use freehold_engine::{Adapter, ChatTokenizer, Ending, GenerateSettings, Message, Model, generate};
use freehold_workflow::WorkflowError;
use serde::Deserialize;
use serde_json::json;

use super::model::load;
use super::read_file;
use crate::args::GenerateArguments;
use crate::failure::Failure;
use crate::page::{Terminal, say};
use crate::progress::bar;

const FILE_LIMIT: u64 = 4 << 30;

/// A line of a file of dialogues.
#[derive(Deserialize)]
struct Line {
    messages: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

pub(super) fn run(arguments: &GenerateArguments, terminal: &Terminal) -> Result<(), Failure> {
    let path = &arguments.model;
    let (folder, model) = load(path)?;
    let failed = |source| WorkflowError::Model { model: path.display().to_string(), source };
    let tokenizer = ChatTokenizer::load(&folder).map_err(failed)?;
    let adapter = arguments.adapter.as_deref().map(|adapter| load_adapter(adapter, &model)).transpose()?;
    let dialogues = dialogues(arguments)?;
    let prompts = dialogues.iter().enumerate().map(|(row, dialogue)| {
        tokenizer
            .prompt(dialogue)
            .map_err(|source| Failure::from(WorkflowError::Chat { row, split: "prompts", source }))
    });
    let prompts = prompts.collect::<Result<Vec<_>, _>>()?;
    let settings = GenerateSettings {
        max_new_tokens: arguments.max_new_tokens,
        temperature: arguments.temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        seed: arguments.seed,
        stop: arguments.stop.clone(),
        end_ids: tokenizer.end_ids().to_vec(),
        precision: arguments.precision.into(),
    };
    let bar = bar(terminal);
    bar.set_message("generate");
    bar.set_length(prompts.len() as u64);
    let mut observe = |done: usize| bar.set_position(done as u64);
    let answers = generate(&model, adapter.as_ref(), &prompts, &settings, Some(&tokenizer), &mut observe)
        .map_err(WorkflowError::from)?;
    bar.finish_and_clear();
    let mut texts = Vec::with_capacity(answers.len());
    for (row, answer) in answers.iter().enumerate() {
        let text = match &answer.text {
            Some(text) => text.clone(),
            None => {
                tokenizer.answer(&answer.ids).map_err(|source| WorkflowError::Chat { row, split: "answers", source })?
            }
        };
        texts.push(text);
    }
    let value = answers.iter().zip(&texts).zip(&prompts).map(|((answer, text), prompt)| {
        let ending = match answer.ending {
            Ending::EndToken => "end-token",
            Ending::Stop => "stop",
            Ending::Length => "length",
        };
        json!({ "text": text, "ending": ending, "tokens": answer.ids.len(), "prompt_tokens": prompt.len() })
    });
    terminal.print(&json!({ "answers": value.collect::<Vec<_>>() }), |_| texts.iter().for_each(|text| say(text)));
    Ok(())
}

/// The adapter in a folder.
pub(super) fn load_adapter(folder: &Path, model: &Model) -> Result<Adapter, Failure> {
    let config = read_file(&folder.join("adapter_config.json"), FILE_LIMIT)?;
    let tensors = read_file(&folder.join("adapter_model.safetensors"), FILE_LIMIT)?;
    Ok(Adapter::from_files(&config, &tensors, model).map_err(WorkflowError::from)?)
}

fn dialogues(arguments: &GenerateArguments) -> Result<Vec<Vec<Message>>, Failure> {
    let user = |text: &String| vec![Message { role: "user".into(), text: text.clone() }];
    let Some(path) = &arguments.messages else { return Ok(arguments.prompt.iter().map(user).collect()) };
    let bytes = read_file(path, FILE_LIMIT)?;
    let lines = String::from_utf8_lossy(&bytes).into_owned();
    let dialogue = |(at, line): (usize, &str)| {
        let parsed: Line = serde_json::from_str(line)
            .map_err(|error| Failure::file("use", path, &format!("line {}: {error}", at + 1)))?;
        let message = |said: Said| Message { role: said.role, text: said.content };
        Ok(parsed.messages.into_iter().map(message).collect())
    };
    lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(dialogue).collect()
}
