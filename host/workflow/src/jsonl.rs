//! JSON Lines: one JSON object a line. Errors say file, line and column.

use serde_json::Value;

use crate::WorkflowError;
use crate::table::{Kind, Row, Table};

/// Takes rows of one or more files and learns their columns.
#[derive(Default)]
pub(crate) struct RowReader {
    schema: Vec<(String, Kind)>,
    rows: Vec<Row>,
}

impl RowReader {
    /// Takes the rows of a file and returns how many there were.
    pub(crate) fn read(&mut self, file: &str, bytes: &[u8]) -> Result<usize, WorkflowError> {
        let before = self.rows.len();
        for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let error = |column: usize, problem: String, expected: &str| WorkflowError::Data {
                file: file.into(),
                line: at + 1,
                column,
                problem,
                expected: expected.into(),
            };
            let row =
                parse_line(line).map_err(|(column, problem)| error(column, problem, "one JSON object on the line"))?;
            for (key, value) in row.iter().filter(|(_, value)| !value.is_null()) {
                let column = || column_of(line, key);
                let wanted = self.schema.iter().find(|(name, _)| name == key).map(|(_, kind)| *kind);
                match (Kind::of(value), wanted) {
                    (Some(found), None) => {
                        freehold_core::batch::check_name(key)
                            .map_err(|problem| error(column(), problem.to_string(), "another name for the column"))?;
                        self.schema.push((key.clone(), found));
                    }
                    (Some(found), Some(wanted)) if found == wanted => {}
                    (_, Some(wanted)) => {
                        let problem = format!("`{key}` is {}", described(value));
                        return Err(error(
                            column(),
                            problem,
                            &format!("{}, as in the lines before", wanted.described()),
                        ));
                    }
                    (None, None) => {
                        let problem = format!("`{key}` is {}", described(value));
                        let expected = "a text, a number, true or false, null, or a list of messages";
                        return Err(error(column(), problem, expected));
                    }
                }
            }
            self.rows.push(row);
        }
        Ok(self.rows.len() - before)
    }

    /// All rows.
    pub(crate) fn finish(self, split: &'static str) -> Result<Table, WorkflowError> {
        Table::from_rows(&self.schema, &self.rows).ok_or_else(|| WorkflowError::Record {
            what: format!("split `{split}`"),
            problem: "a batch of 1024 rows would pass 4 GiB; shorten the texts".into(),
        })
    }
}

fn parse_line(line: &[u8]) -> Result<Row, (usize, String)> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(other) => Err((1, format!("the line is {}", described(&other)))),
        Err(error) => {
            let text = error.to_string();
            let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
            Err((error.column().max(1), problem.to_owned()))
        }
    }
}

/// Where a key stands in its line, as near as a search can tell.
fn column_of(line: &[u8], key: &str) -> usize {
    let quoted = format!("\"{key}\"");
    line.windows(quoted.len()).position(|window| window == quoted.as_bytes()).map_or(1, |at| at + 1)
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list that is no dialogue",
        Value::Object(_) => "an object",
    }
}

/// The rows of a table, one JSON object a line.
pub(crate) fn write(table: &Table) -> Vec<u8> {
    write_rows(table.to_rows().into_iter().map(Value::Object))
}

/// JSON values, one a line.
pub(crate) fn write_rows(rows: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(row.to_string().as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Table, WorkflowError> {
        let mut reader = RowReader::default();
        reader.read("data.jsonl", text.as_bytes())?;
        reader.finish("train")
    }

    #[test]
    fn rows_survive_columns_with_nulls_and_dialogues() {
        let text = concat!(
            "{\"a\":\"x\",\"n\":1.5}\n\n",
            "{\"a\":null,\"b\":true,\"m\":[{\"role\":\"user\",\"content\":\"hi\"}]}\n",
        );
        let table = read(text).unwrap();
        assert_eq!((table.rows(), table.columns().len()), (2, 4));
        assert_eq!(read(&String::from_utf8(write(&table)).unwrap()).unwrap().to_rows(), table.to_rows());
        assert_eq!(table.to_rows()[1]["b"], true);
        assert!(!table.to_rows()[1].contains_key("a"));
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        for (text, line, column, part) in [
            ("{\"a\":1}\n{\"a\":\n", 2, 5, "EOF"),
            ("{\"a\":1}\n[1]\n", 2, 1, "the line is a list"),
            ("{\"a\":1}\n{\"b\":2,\"a\":\"x\"}\n", 2, 8, "`a` is a text"),
            ("{\"a\":{\"b\":1}}\n", 1, 2, "`a` is an object"),
            ("{\"m\":[{\"role\":\"robot\",\"content\":\"\"}]}\n", 1, 2, "no dialogue"),
            ("not json\n", 1, 2, "expected ident"),
            ("{\"a\":1}\n{\"\u{202e}b\":2}\n", 2, 2, "characters that can be seen"),
        ] {
            let error = read(text).unwrap_err();
            let WorkflowError::Data { line: l, column: c, problem, .. } = &error else { panic!("{error}") };
            assert_eq!((*l, *c), (line, column), "{text}: {error}");
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
