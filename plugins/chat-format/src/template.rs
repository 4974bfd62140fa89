//! Templates: text with `{column}` for the value of a column, `{json:a,b}` for a compact JSON object of columns in this
//! order, and `{{` and `}}` for braces.

use freehold_sdk::batch::{Batch, Values};
use std::fmt::Write;

/// A template that has been read.
pub(crate) struct Template(Vec<Part>);

enum Part {
    Text(String),
    Value(String),
    Json(Vec<String>),
}

impl Template {
    pub(crate) fn parse(template: &str) -> Result<Self, String> {
        let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), template);
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
            } else if brace == "}" {
                return Err("`}` without `{`; write `}}` for a brace".to_owned());
            } else {
                let (placeholder, after) =
                    rest.split_once('}').ok_or("`{` is not closed; write `{{` for a brace".to_owned())?;
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Self::placeholder(placeholder)?);
                rest = after;
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self(parts))
    }

    fn placeholder(placeholder: &str) -> Result<Part, String> {
        let part = match placeholder.strip_prefix("json:") {
            Some(columns) => Part::Json(columns.split(',').map(|column| column.trim().to_owned()).collect()),
            None => Part::Value(placeholder.trim().to_owned()),
        };
        let named = match &part {
            Part::Json(columns) => columns.iter().all(|column| !column.is_empty()),
            Part::Value(column) => !column.is_empty(),
            Part::Text(_) => true,
        };
        if named { Ok(part) } else { Err(format!("`{{{placeholder}}}` names no column")) }
    }

    /// The columns that the template needs, as often as it needs them.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|part| {
            let columns = match part {
                Part::Text(_) => &[],
                Part::Value(column) => std::slice::from_ref(column),
                Part::Json(columns) => columns.as_slice(),
            };
            columns.iter().map(String::as_str)
        })
    }

    /// Adds the template with the values of row `row` to `text`.
    pub(crate) fn fill(&self, batch: &Batch, row: usize, text: &mut String) -> Result<(), String> {
        for part in &self.0 {
            match part {
                Part::Text(own) => text.push_str(own),
                Part::Value(column) => match batch.column(column)?.values() {
                    Values::Text(texts) => text.push_str(texts.get(row)),
                    other => plain(column, other, row, text)?,
                },
                Part::Json(columns) => {
                    for (place, column) in columns.iter().enumerate() {
                        text.push(if place == 0 { '{' } else { ',' });
                        quoted(column, text);
                        text.push(':');
                        match batch.column(column)?.values() {
                            Values::Text(texts) => quoted(texts.get(row), text),
                            other => plain(column, other, row, text)?,
                        }
                    }
                    text.push('}');
                }
            }
        }
        Ok(())
    }
}

/// A number or truth value, which JSON and prose write alike.
fn plain(column: &str, values: &Values, row: usize, text: &mut String) -> Result<(), String> {
    match values {
        Values::Numbers(numbers) if numbers[row].is_finite() => {
            // Whole numbers come without a point, as JSON lines had them.
            write!(text, "{}", numbers[row]).map_err(|error| error.to_string())
        }
        Values::Numbers(numbers) => {
            Err(format!("column `{column}`, row {row} of the batch: {} is no number", numbers[row]))
        }
        Values::Booleans(booleans) => {
            text.push_str(if booleans[row] { "true" } else { "false" });
            Ok(())
        }
        Values::Text(_) | Values::Dialogue(_) => Err(format!("column `{column}` holds no plain values")),
    }
}

/// A JSON string.
fn quoted(value: &str, text: &mut String) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            control if control < ' ' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                text.push_str("\\u00");
                text.push(char::from(HEX[control as usize >> 4]));
                text.push(char::from(HEX[control as usize & 15]));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
