//! Phase tokenise: dialogues become tokens, which of them are learned is marked, and all is counted before it is trained on.

use freehold_core::recipe::Split;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_engine::{ChatError, ChatTokenizer, Example, Examples, Packing};
use serde::{Deserialize, Serialize};

use super::dialogues::Dialogues;
use super::evaluate::question;
use super::journal::{PhaseOutput, Work, detail};
use super::resolve::Resolved;
use super::validate::{Counter, SplitCounts, VALIDATION, Validation};
use crate::observe::{Event, progress_in_bytes};
use crate::{Project, WorkflowError};

pub(crate) const TOKENS: &str = "tokens/train";

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokeniseDetail {
    pub(crate) examples: usize,
    /// Rows whose turns did not fit into one example; records of earlier versions do not say.
    #[serde(default)]
    pub(crate) divided: usize,
    /// The token that answers were taught to end with, and whether it was put there because the template writes none.
    #[serde(default)]
    pub(crate) end: Option<EndToken>,
    pub(crate) tokens: usize,
    /// Tokens that are learned: the assistant's.
    pub(crate) target_tokens: usize,
    pub(crate) longest: usize,
}

/// A token that ends answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndToken {
    pub(crate) id: u32,
    pub(crate) text: String,
    pub(crate) appended: bool,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<TokeniseDetail, WorkflowError> {
    detail(record)
}

/// The training split as tokens, and both splits counted.
pub(super) struct Prepared {
    pub(super) examples: Vec<Example>,
    pub(super) validation: Validation,
    detail: TokeniseDetail,
}

/// Tokenises and counts. What stops a run is in the counts, and it is for the caller to stop.
pub(super) fn prepare(project: &Project, resolved: &Resolved, work: &mut Work<'_>) -> Result<Prepared, WorkflowError> {
    let recipe = &project.recipe;
    let tokenizer = tokenizer(project, resolved)?;
    let (examples, train, divided) = training_split(project, &tokenizer, work)?;
    let eval = held_out_split(project, resolved, &tokenizer, work)?;
    let end = tokenizer.end_of_turn().clone();
    let validation = Validation {
        train,
        eval,
        packing: Packing::of(&examples, &recipe.train, recipe.run.seed),
        positions: resolved.base.max_positions(),
        end: end.text.clone(),
    };
    let detail = TokeniseDetail {
        examples: examples.len(),
        divided,
        end: Some(EndToken { id: end.id, text: end.text, appended: end.appended }),
        tokens: examples.iter().map(|example| example.ids.len()).sum(),
        target_tokens: examples.iter().map(|example| example.mask.iter().filter(|&&learned| learned).count()).sum(),
        longest: examples.iter().map(|example| example.ids.len()).max().unwrap_or(0),
    };
    Ok(Prepared { examples, validation, detail })
}

pub(crate) fn tokenise(
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let Prepared { examples, validation, detail } = prepare(project, resolved, work)?;
    if let Some(problem) = validation.problems().into_iter().next() {
        return Err(problem.into());
    }
    let (store, bytes) = (work.store(), Examples::new(examples).to_bytes()?);
    let outputs = vec![
        Material::kept(TOKENS, store.put(&bytes)?),
        Material::kept(VALIDATION, store.put(&validation.to_bytes()?)?),
    ];
    work.observer.observe(Event::Validated(Box::new(validation)));
    PhaseOutput::new(work.before(Phase::Transform)?.outputs.clone(), outputs, &detail)
}

/// The examples of the training split, its counts, and how many rows are several examples.
fn training_split(
    project: &Project,
    tokenizer: &ChatTokenizer,
    work: &mut Work<'_>,
) -> Result<(Vec<Example>, SplitCounts, usize), WorkflowError> {
    let split = Split::Train;
    let mut dialogues = Dialogues::open(work, split)?;
    let mut counter = Counter::new(project.recipe.train.max_length);
    let (mut examples, mut row, mut divided) = (Vec::new(), 0, 0);
    while let Some(some) = dialogues.next()? {
        for dialogue in &some {
            match tokenizer.lesson(dialogue) {
                Ok(lesson) => {
                    lesson.examples.iter().for_each(|example| counter.given(example.ids.len()));
                    counter.lesson(dialogue.len(), &lesson);
                    divided += usize::from(lesson.examples.len() > 1);
                    examples.extend(lesson.examples);
                }
                Err(ChatError::NothingToLearn) => counter.nothing(dialogue.len()),
                Err(source) => return Err(WorkflowError::Chat { row, split: split.as_str(), source }),
            }
            row += 1;
        }
        let (done, total) = dialogues.progress();
        progress_in_bytes(work.observer, "tokenise", done, total, String::new());
    }
    let counts = counter.finish(split, work.before(Phase::Transform)?, work.store())?;
    Ok((examples, counts, divided))
}

/// The counts of the held-out split. What would stop the phase evaluate stops here, before anything is trained.
fn held_out_split(
    project: &Project,
    resolved: &Resolved,
    tokenizer: &ChatTokenizer,
    work: &mut Work<'_>,
) -> Result<SplitCounts, WorkflowError> {
    let (split, recipe) = (Split::Eval, &project.recipe);
    let learns = recipe.train.early_stopping.as_ref().is_some_and(|stopping| stopping.metric == "loss");
    let mut dialogues = Dialogues::open(work, split)?;
    let mut counter = Counter::new(resolved.base.max_positions().saturating_sub(recipe.evaluate.max_new_tokens));
    let mut row = 0;
    while let Some(some) = dialogues.next()? {
        for dialogue in &some {
            counter.given(question(tokenizer, row, dialogue)?.tokens.len());
            match tokenizer.lesson(dialogue) {
                Ok(lesson) => counter.lesson(dialogue.len(), &lesson),
                // What is only asked need not be learnable.
                Err(_) if !learns => counter.nothing(dialogue.len()),
                Err(source) => return Err(WorkflowError::Chat { row, split: split.as_str(), source }),
            }
            row += 1;
        }
        let (done, total) = dialogues.progress();
        progress_in_bytes(work.observer, "tokenise held-out rows", done, total, String::new());
    }
    counter.finish(split, work.before(Phase::Transform)?, work.store())
}

pub(crate) fn tokenizer(project: &Project, resolved: &Resolved) -> Result<ChatTokenizer, WorkflowError> {
    let model = &project.recipe.base.model;
    ChatTokenizer::load(&resolved.base).map_err(|source| WorkflowError::Model { model: model.clone(), source })
}
