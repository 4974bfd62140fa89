//! Builds dialogues from columns with templates: what the user says, what the model should answer.

mod template;

use freehold_sdk::Transform;
use freehold_sdk::batch::{Batch, Column, Dialogues, Role, Values};
use freehold_sdk::transform::{Description, Outcome};
use template::Template;

/// What the recipe can set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    user: String,
    assistant: String,
    system: String,
    output: String,
    keep: Vec<String>,
}

/// The transform.
pub struct ChatFormat {
    /// Who says what, in the order of the dialogue.
    turns: Vec<(Role, Template)>,
    output: String,
    keep: Vec<String>,
}

impl Transform for ChatFormat {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let turns = [
            ("system", Role::System, &settings.system),
            ("user", Role::User, &settings.user),
            ("assistant", Role::Assistant, &settings.assistant),
        ];
        let mut parsed = Vec::new();
        for (key, role, template) in turns {
            if template.is_empty() {
                if role != Role::System {
                    return Err(format!("setting `{key}` is empty"));
                }
                continue;
            }
            let template = Template::parse(template).map_err(|error| format!("setting `{key}`: {error}"))?;
            parsed.push((role, template));
        }
        if settings.output.is_empty() || settings.keep.contains(&settings.output) {
            return Err("setting `output` must name a column that `keep` does not".to_owned());
        }
        Ok(Self { turns: parsed, output: settings.output, keep: settings.keep })
    }

    fn describe(&self) -> Description {
        let mut reads: Vec<&str> = self.placeholders().chain(self.keep.iter().map(String::as_str)).collect();
        reads.sort_unstable();
        reads.dedup();
        Description::rows_independent().reads(reads).writes([&self.output])
    }

    fn process(&mut self, mut batch: Batch) -> Result<Outcome, String> {
        for name in self.placeholders().chain(self.keep.iter().map(String::as_str)) {
            if let Values::Dialogue(_) = batch.column(name)?.values()
                && !self.keep.iter().any(|kept| kept == name)
            {
                return Err(format!("column `{name}` holds dialogues, which no template can take"));
            }
        }
        let missing = self.missing(&batch)?;
        let mut dialogues = Dialogues::new();
        let mut text = String::new();
        for (row, missing) in missing.iter().enumerate() {
            // A row that will be dropped keeps its place until then.
            if missing.is_none() {
                for (role, template) in &self.turns {
                    text.clear();
                    template.fill(&batch, row, &mut text)?;
                    dialogues.say(*role, &text);
                }
            }
            dialogues.end_row();
        }
        batch.retain_columns(|name| self.keep.iter().any(|kept| kept == name));
        batch.set(Column::new(&self.output, Values::Dialogue(dialogues)))?;
        Ok(Outcome::select(batch, |row| missing[row].as_ref().map(|column| format!("missing-{column}"))))
    }
}

impl ChatFormat {
    fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.turns.iter().flat_map(|(_, template)| template.columns())
    }

    /// For each row the first column that a placeholder needs and that has no value.
    fn missing(&self, batch: &Batch) -> Result<Vec<Option<String>>, String> {
        let mut missing = vec![None; batch.rows()];
        for name in self.placeholders() {
            let column = batch.column(name)?;
            for (row, missing) in missing.iter_mut().enumerate() {
                if missing.is_none() && column.is_null(row) {
                    *missing = Some(name.to_owned());
                }
            }
        }
        Ok(missing)
    }
}

freehold_sdk::transform!(ChatFormat);

#[cfg(test)]
mod tests;
