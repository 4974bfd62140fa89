//! Phase tokenise: dialogues become tokens, which of them are learned is marked, and all is counted before it is trained on.

use freehold_core::recipe::Split;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_engine::{ChatError, ChatTokenizer, Example, Examples, Packing};
use serde::{Deserialize, Serialize};

use super::dialogues::Dialogues;
use super::evaluate::question;
use super::journal::{PhaseOutput, Work, detail};
use super::resolve::Resolved;
use super::tokenised::{Place, Tokenised};
use super::validate::{CountSettings, Counter, SplitCounts, VALIDATION, Validation};
use crate::observe::{Event, progress_in_bytes};
use crate::{Home, Project, WorkflowError};

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

/// Rows that were tokenised and counted before are not again: nothing can be told from what is recorded, nor from what is said.
pub(crate) fn tokenise(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let settings = CountSettings::of(&project.recipe, &resolved.base);
    let place = Place::of(home, &resolved.base, &settings, work)?;
    let (tokenised, validation) = match place.find(work.store())? {
        Some(found) => {
            let validation = Validation::from_bytes(&work.store().get(&found.validation)?)?;
            (found, validation)
        }
        None => {
            let (made, validation) = make(&tokenizer(project, resolved)?, settings, work)?;
            place.keep(&made);
            (made, validation)
        }
    };
    output(tokenised, validation, work)
}

/// The same, whatever was tokenised before.
pub(crate) fn tokenise_anew(
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let settings = CountSettings::of(&project.recipe, &resolved.base);
    let (made, validation) = make(&tokenizer(project, resolved)?, settings, work)?;
    output(made, validation, work)
}

fn output(tokenised: Tokenised, validation: Validation, work: &mut Work<'_>) -> Result<PhaseOutput, WorkflowError> {
    work.observer.observe(Event::Validated(Box::new(validation)));
    let Tokenised { tokens, validation, detail } = tokenised;
    let outputs = vec![Material::kept(TOKENS, tokens), Material::kept(VALIDATION, validation)];
    PhaseOutput::new(work.before(Phase::Transform)?.outputs.clone(), outputs, &detail)
}

/// Tokenises and counts, and puts both into the store, unless the counts stop the run.
fn make(
    tokenizer: &ChatTokenizer,
    settings: CountSettings,
    work: &mut Work<'_>,
) -> Result<(Tokenised, Validation), WorkflowError> {
    let Prepared { examples, validation, detail } = prepare(tokenizer, settings, work)?;
    if let Some(problem) = validation.problems().into_iter().next() {
        return Err(problem.into());
    }
    let (store, bytes) = (work.store(), Examples::new(examples).to_bytes()?);
    let tokenised = Tokenised { tokens: store.put(&bytes)?, validation: store.put(&validation.to_bytes()?)?, detail };
    Ok((tokenised, validation))
}

/// The training split as tokens, and both splits counted.
pub(super) struct Prepared {
    pub(super) examples: Vec<Example>,
    pub(super) validation: Validation,
    detail: TokeniseDetail,
}

/// Tokenises and counts. What stops a run is in the counts, and it is for the caller to stop.
///
/// What this depends on besides its arguments, the rows and their lineage, is in the key of [`Place`], as these are; therefore
/// it is handed neither the recipe nor the base model.
pub(super) fn prepare(
    tokenizer: &ChatTokenizer,
    settings: CountSettings,
    work: &mut Work<'_>,
) -> Result<Prepared, WorkflowError> {
    let (examples, train, divided) = training_split(tokenizer, settings, work)?;
    let eval = held_out_split(tokenizer, settings, work)?;
    let end = tokenizer.end_of_turn().clone();
    let validation = Validation {
        train,
        eval,
        packing: Packing::of(&examples, settings.packing),
        positions: settings.positions,
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

/// The examples of the training split, its counts, and how many rows are several examples.
fn training_split(
    tokenizer: &ChatTokenizer,
    settings: CountSettings,
    work: &mut Work<'_>,
) -> Result<(Vec<Example>, SplitCounts, usize), WorkflowError> {
    let split = Split::Train;
    let mut dialogues = Dialogues::open(work, split)?;
    let mut counter = Counter::new(settings.packing.max_length);
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
    tokenizer: &ChatTokenizer,
    settings: CountSettings,
    work: &mut Work<'_>,
) -> Result<SplitCounts, WorkflowError> {
    let split = Split::Eval;
    let mut dialogues = Dialogues::open(work, split)?;
    let mut counter = Counter::new(settings.prompt_max());
    let mut row = 0;
    while let Some(some) = dialogues.next()? {
        for dialogue in &some {
            counter.given(question(tokenizer, row, dialogue)?.tokens.len());
            match tokenizer.lesson(dialogue) {
                Ok(lesson) => counter.lesson(dialogue.len(), &lesson),
                // What is only asked need not be learnable.
                Err(_) if !settings.held_out_loss => counter.nothing(dialogue.len()),
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
