//! Phase tokenise: dialogues become tokens, and which of them are learned is marked.

use freehold_core::recipe::Split;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_engine::{ChatTokenizer, Examples, Message};
use serde::{Deserialize, Serialize};

use super::journal::{PhaseOutput, Work, detail};
use super::resolve::Resolved;
use super::transform::rows_output;
use crate::jsonl::RowReader;
use crate::observe::progress;
use crate::{Project, WorkflowError};

/// The column that models learn from.
const DIALOGUES: &str = "messages";

pub(crate) const TOKENS: &str = "tokens/train";

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokeniseDetail {
    pub(crate) examples: usize,
    pub(crate) tokens: usize,
    /// Tokens that are learned: the assistant's.
    pub(crate) target_tokens: usize,
    pub(crate) longest: usize,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<TokeniseDetail, WorkflowError> {
    detail(record)
}

/// A dialogue in the engine's form.
pub(crate) type Dialogue = Vec<Message>;

/// The dialogues of a split, from the output of the phase transform.
pub(crate) fn dialogues(work: &Work<'_>, split: Split) -> Result<Vec<Dialogue>, WorkflowError> {
    let name = rows_output(split);
    let mut reader = RowReader::default();
    reader.read(&name, &work.output(Phase::Transform, &name)?)?;
    let table = reader.finish(split.as_str())?;
    let dialogues = table.dialogues(DIALOGUES).ok_or_else(|| WorkflowError::NoColumn {
        split: split.as_str(),
        column: DIALOGUES,
        found: table.columns().join(", "),
    })?;
    let message = |(role, text): (&str, &str)| Message { role: role.into(), text: text.into() };
    Ok(dialogues.into_iter().map(|messages| messages.into_iter().map(message).collect()).collect())
}

pub(crate) fn tokenise(
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let tokenizer = tokenizer(project, resolved)?;
    let dialogues = dialogues(work, Split::Train)?;
    let mut examples = Vec::with_capacity(dialogues.len());
    for (row, dialogue) in dialogues.iter().enumerate() {
        let failed = |source| WorkflowError::Chat { row, split: Split::Train.as_str(), source };
        examples.push(tokenizer.example(dialogue).map_err(failed)?);
        if row % 100 == 0 {
            progress(work.observer, "tokenise", row, dialogues.len(), String::new());
        }
    }
    let detail = TokeniseDetail {
        examples: examples.len(),
        tokens: examples.iter().map(|example| example.ids.len()).sum(),
        target_tokens: examples.iter().map(|example| example.mask.iter().filter(|&&learned| learned).count()).sum(),
        longest: examples.iter().map(|example| example.ids.len()).max().unwrap_or(0),
    };
    let bytes = Examples::new(examples).to_bytes()?;
    let outputs = vec![Material::kept(TOKENS, work.store().put(&bytes)?)];
    PhaseOutput::new(work.before(Phase::Transform)?.outputs.clone(), outputs, &detail)
}

pub(crate) fn tokenizer(project: &Project, resolved: &Resolved) -> Result<ChatTokenizer, WorkflowError> {
    let model = &project.recipe.base.model;
    ChatTokenizer::load(&resolved.base).map_err(|source| WorkflowError::Model { model: model.clone(), source })
}
