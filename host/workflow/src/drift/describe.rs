//! What rows are like: descriptors of the engine, and of plugins.

use freehold_core::recipe::Precision;
use freehold_drift::{Projection, Sample, Values, Vectors};
use freehold_engine::{ChatError, impressions};
use schemars::JsonSchema;
use serde::Serialize;

use crate::observe::{Observer, progress};
use crate::run::{AnsweredRow, Dialogue, ReadyPlugin, Sides, statistics};
use crate::{Project, WorkflowError};

/// Dimensions of hidden states that are compared.
const HIDDEN_WIDTH: usize = 32;

/// A descriptor of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Described {
    /// Its name.
    pub descriptor: String,
    /// What it says of a row.
    pub meaning: String,
    /// The plugin and its version that it comes from; `None` if from the engine.
    pub plugin: Option<String>,
}

/// A descriptor with the values of both sides behind each other.
type Column = (Described, Values);

/// The rows of both sides, by the same descriptors. Both are described in one go, so that nothing can be different but the rows.
pub(super) fn describe(
    project: &Project,
    sides: &Sides,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<(Vec<Described>, Sample, Sample), WorkflowError> {
    let dialogues: Vec<&Dialogue> = sides.reference.drawn.iter().chain(&sides.current.drawn).collect();
    let mut columns = of_engine(sides, &dialogues, seed, observer)?;
    for (settings, ready) in project.recipe.descriptor.iter().zip(&sides.descriptors) {
        columns.extend(of_plugin(settings.measurement(), ready, &dialogues)?);
    }
    let (described, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let named = described.iter().map(|of: &Described| of.descriptor.clone()).zip(values);
    let mut reference = Sample::new(named)?;
    let current = reference.split_off(sides.reference.drawn.len());
    Ok((described, reference, current))
}

/// Length, perplexity and mean hidden state, under the base model: what was learned would know the rows that it was learned from.
fn of_engine(
    sides: &Sides,
    dialogues: &[&Dialogue],
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<Vec<Column>, WorkflowError> {
    let first = sides.reference.drawn.len();
    let mut texts = Vec::with_capacity(dialogues.len());
    for (at, dialogue) in dialogues.iter().enumerate() {
        let (row, split) = if at < first { (at, "train") } else { (at - first, "current") };
        texts.push(tokens(sides, dialogue).map_err(|source| WorkflowError::Chat { row, split, source })?);
    }
    let mut observe = |done: usize| progress(observer, "describe rows", done, texts.len(), String::new());
    let seen = impressions(&sides.model, None, &texts, Precision::F32, &mut observe)?;
    let lengths = texts.iter().map(|text| text.len() as f64).collect();
    let perplexities = seen.iter().map(|of| of.loss.unwrap_or(0.0).exp()).collect();
    let width = seen.first().map_or(0, |of| of.hidden.len());
    let projection = Projection::new(seed, width, HIDDEN_WIDTH);
    let hidden = seen.iter().flat_map(|of| projection.apply(&of.hidden)).collect();
    let column = |descriptor: &str, meaning: String, values| {
        (Described { descriptor: descriptor.into(), meaning, plugin: None }, values)
    };
    Ok(vec![
        column("length", "tokens".into(), Values::Numbers(lengths)),
        column("perplexity", "perplexity under the base model".into(), Values::Numbers(perplexities)),
        column(
            "hidden",
            format!("mean hidden state of the base model, {width} dimensions projected on {HIDDEN_WIDTH}"),
            Values::Vectors(Vectors::new(HIDDEN_WIDTH, hidden)?),
        ),
    ])
}

/// The tokens of a dialogue as it would be learned; of one without an answer, as it would be asked.
fn tokens(sides: &Sides, dialogue: &Dialogue) -> Result<Vec<u32>, ChatError> {
    match sides.tokenizer.lesson(dialogue) {
        // Of several examples the last has every message.
        Ok(lesson) => Ok(lesson.examples.into_iter().next_back().map(|example| example.ids).unwrap_or_default()),
        Err(ChatError::NothingToLearn) => sides.tokenizer.prompt(dialogue),
        Err(error) => Err(error),
    }
}

/// The statistics of a metric, which sees the answer of a row as prediction and as reference.
fn of_plugin(name: &str, ready: &ReadyPlugin, dialogues: &[&Dialogue]) -> Result<Vec<Column>, WorkflowError> {
    let parts: Vec<(String, &str)> = dialogues.iter().map(|dialogue| asked_and_answered(dialogue)).collect();
    let rows: Vec<AnsweredRow<'_>> =
        parts.iter().map(|(prompt, answer)| AnsweredRow { prompt, reference: answer, prediction: answer }).collect();
    let mut metric = ready.plugin.metric(ready.grants.clone())?;
    let names = metric.describe()?.statistics;
    let numbers = statistics(&mut metric, &rows)?;
    let plugin = format!("{}@{}", ready.locked.name, ready.locked.version);
    let column = |(at, statistic): (usize, &String)| {
        let values = numbers.iter().skip(at).step_by(names.len().max(1)).copied().collect();
        let described = Described {
            descriptor: format!("{name}.{statistic}"),
            meaning: format!("statistic `{statistic}` of the plugin"),
            plugin: Some(plugin.clone()),
        };
        (described, Values::Numbers(values))
    };
    Ok(names.iter().enumerate().map(column).collect())
}

/// What is asked, and what is answered; nothing if the last message is not the assistant's.
fn asked_and_answered(dialogue: &Dialogue) -> (String, &str) {
    let (before, answer) = match dialogue.split_last() {
        Some((last, before)) if last.role == "assistant" => (before, last.text.as_str()),
        _ => (dialogue.as_slice(), ""),
    };
    (before.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n"), answer)
}
