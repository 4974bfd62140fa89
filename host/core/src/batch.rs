//! Columnar rows, in Arrow's layout: the form in which data crosses to plugins. Shapes are checked once, on construction
//! from untrusted parts, so that what holds a [`Batch`] may index freely.

use std::collections::BTreeSet;

use crate::evidence::Attribute;
use crate::printable::{is_printable, printable};

/// Longest name of a column, in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// Who may speak in a dialogue. Plugins of the contract know the first three; the others pass through them as they are.
pub const ROLES: [&str; 5] = ["system", "user", "assistant", "tool", "function"];

/// Text of every row in one run of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextColumn {
    offsets: Vec<u32>,
    text: String,
}

/// A batch, column or outcome does not have the shape that the contract asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// A column has a name that is too long to show or does not show as it is.
    #[error(
        "a column is named `{name}...`: names are at most {NAME_BYTES_MAX} bytes long, of characters that can be seen"
    )]
    Name {
        /// How the name begins.
        name: String,
    },
    /// A list of offsets breaks its rule.
    #[error("column `{column}`: offsets {problem}")]
    Offsets {
        /// The column.
        column: String,
        /// Which rule.
        problem: &'static str,
    },
    /// Text is not UTF-8, or an offset cuts a character.
    #[error("column `{column}`: text is not valid UTF-8")]
    Utf8 {
        /// The column.
        column: String,
    },
    /// A column has another number of rows than its batch.
    #[error("column `{column}` has {found} rows, its batch has {expected}")]
    Rows {
        /// The column.
        column: String,
        /// Rows of the column.
        found: usize,
        /// Rows of the batch.
        expected: usize,
    },
    /// The validity bits are too short or too long.
    #[error("column `{column}`: validity has {found} bytes, {expected} are needed")]
    Validity {
        /// The column.
        column: String,
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// A boolean is neither 0 nor 1.
    #[error("column `{column}`: a boolean is {value}, not 0 or 1")]
    Boolean {
        /// The column.
        column: String,
        /// The byte found.
        value: u8,
    },
    /// A number is not finite.
    #[error("column `{column}`: the number in row {row} is {value}, not a finite number")]
    NotFinite {
        /// The column.
        column: String,
        /// The row in the batch.
        row: usize,
        /// What it is.
        value: String,
    },
    /// Two columns have one name.
    #[error("two columns are named `{0}`")]
    SameName(String),
    /// A dialogue has a message of a role that is not known.
    #[error("column `{column}`: role `{role}` is not one of {}", ROLES.join(", "))]
    Role {
        /// The column.
        column: String,
        /// The role found.
        role: String,
    },
}

/// Whether a column may have this name: names are shown and recorded.
pub fn check_name(name: &str) -> Result<(), ShapeError> {
    match name.len() <= NAME_BYTES_MAX && name.chars().all(is_printable) {
        true => Ok(()),
        false => Err(ShapeError::Name { name: printable(name, 40) }),
    }
}

/// A name in a message: it may be anybody's.
pub fn shown(name: &str) -> String {
    printable(name, NAME_BYTES_MAX)
}

fn check_offsets(column: &str, offsets: &[u32], rows: Option<usize>, end: usize) -> Result<(), ShapeError> {
    let broken = |problem| Err(ShapeError::Offsets { column: shown(column), problem });
    if offsets.first() != Some(&0) {
        return broken("do not begin with 0");
    }
    if let Some(rows) = rows
        && offsets.len() != rows + 1
    {
        return Err(ShapeError::Rows { column: shown(column), found: offsets.len() - 1, expected: rows });
    }
    if offsets.windows(2).any(|pair| pair[0] > pair[1]) {
        return broken("go backwards");
    }
    if offsets.last().map(|&last| last as usize) != Some(end) {
        return broken("do not end at the length of the values");
    }
    Ok(())
}

impl Default for TextColumn {
    fn default() -> Self {
        Self { offsets: vec![0], text: String::new() }
    }
}

impl TextColumn {
    /// A column from offsets and bytes that somebody else made.
    pub fn from_parts(column: &str, offsets: Vec<u32>, bytes: Vec<u8>) -> Result<Self, ShapeError> {
        check_offsets(column, &offsets, None, bytes.len())?;
        let utf8 = || ShapeError::Utf8 { column: shown(column) };
        let text = String::from_utf8(bytes).map_err(|_| utf8())?;
        if offsets.iter().any(|&at| !text.is_char_boundary(at as usize)) {
            return Err(utf8());
        }
        Ok(Self { offsets, text })
    }

    /// The offsets and the bytes.
    pub fn as_parts(&self) -> (&[u32], &[u8]) {
        (&self.offsets, self.text.as_bytes())
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of row `row`; `None` beyond the last.
    pub fn get(&self, row: usize) -> Option<&str> {
        let (start, end) = (*self.offsets.get(row)?, *self.offsets.get(row + 1)?);
        self.text.get(start as usize..end as usize)
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|row| self.get(row))
    }

    /// Adds a value. Returns `false`, and adds nothing, when the column would pass 4 GiB.
    pub fn push(&mut self, value: &str) -> bool {
        match u32::try_from(self.text.len() + value.len()) {
            Ok(end) => {
                self.text.push_str(value);
                self.offsets.push(end);
                true
            }
            Err(_) => false,
        }
    }
}

impl<'a> FromIterator<&'a str> for TextColumn {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut column = Self::default();
        for value in values {
            column.push(value);
        }
        column
    }
}

/// A dialogue in every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogueColumn {
    offsets: Vec<u32>,
    roles: TextColumn,
    texts: TextColumn,
}

/// One message: who says it, and what.
pub type Message<'a> = (&'a str, &'a str);

impl Default for DialogueColumn {
    fn default() -> Self {
        Self { offsets: vec![0], roles: TextColumn::default(), texts: TextColumn::default() }
    }
}

impl DialogueColumn {
    /// A column from parts that somebody else made.
    pub fn from_parts(
        column: &str,
        offsets: Vec<u32>,
        roles: TextColumn,
        texts: TextColumn,
    ) -> Result<Self, ShapeError> {
        check_offsets(column, &offsets, None, texts.len())?;
        if roles.len() != texts.len() {
            return Err(ShapeError::Rows { column: shown(column), found: roles.len(), expected: texts.len() });
        }
        if let Some(role) = roles.iter().find(|role| !ROLES.contains(role)) {
            return Err(ShapeError::Role { column: shown(column), role: printable(role, 40) });
        }
        Ok(Self { offsets, roles, texts })
    }

    /// Offsets, roles and texts.
    pub fn as_parts(&self) -> (&[u32], &TextColumn, &TextColumn) {
        (&self.offsets, &self.roles, &self.texts)
    }

    /// Number of dialogues.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no dialogue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages of row `row`; none beyond the last row.
    pub fn get(&self, row: usize) -> Vec<Message<'_>> {
        let (Some(&start), Some(&end)) = (self.offsets.get(row), self.offsets.get(row + 1)) else {
            return Vec::new();
        };
        (start as usize..end as usize).filter_map(|at| Some((self.roles.get(at)?, self.texts.get(at)?))).collect()
    }

    /// Adds a dialogue.
    pub fn push(&mut self, messages: &[Message<'_>]) -> bool {
        let fits = messages.iter().all(|(role, text)| self.roles.push(role) && self.texts.push(text));
        self.offsets.push(self.texts.len() as u32);
        fits
    }
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// Text.
    Text(TextColumn),
    /// Dialogues.
    Dialogue(DialogueColumn),
    /// Numbers.
    Numbers(Vec<f64>),
    /// One byte a row: 0 or 1.
    Booleans(Vec<u8>),
}

impl ColumnData {
    /// Bytes of the values.
    pub fn bytes(&self) -> usize {
        let text = |column: &TextColumn| 4 * column.offsets.len() + column.text.len();
        match self {
            Self::Text(column) => text(column),
            Self::Dialogue(column) => 4 * column.offsets.len() + text(&column.roles) + text(&column.texts),
            Self::Numbers(values) => 8 * values.len(),
            Self::Booleans(values) => values.len(),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Self::Text(column) => column.len(),
            Self::Dialogue(column) => column.len(),
            Self::Numbers(values) => values.len(),
            Self::Booleans(values) => values.len(),
        }
    }
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The values.
    pub data: ColumnData,
    /// Which rows have a value, one bit a row; `None` when every row has.
    pub validity: Option<Vec<u8>>,
}

impl Column {
    /// A column of `rows` rows without a value, of the kind of `empty`, a column without rows.
    pub fn absent(name: String, empty: ColumnData, rows: usize) -> Self {
        let data = match empty {
            ColumnData::Text(_) => ColumnData::Text(std::iter::repeat_n("", rows).collect()),
            ColumnData::Dialogue(_) => {
                ColumnData::Dialogue(DialogueColumn { offsets: vec![0; rows + 1], ..DialogueColumn::default() })
            }
            ColumnData::Numbers(_) => ColumnData::Numbers(vec![0.0; rows]),
            ColumnData::Booleans(_) => ColumnData::Booleans(vec![0; rows]),
        };
        Self { name, data, validity: Some(vec![0; rows.div_ceil(8)]) }
    }

    /// Whether row `row` has a value.
    pub fn is_valid(&self, row: usize) -> bool {
        self.validity.as_ref().is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
    }
}

/// Some rows of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    first_row: u64,
    rows: usize,
    columns: Vec<Column>,
}

impl Batch {
    /// A batch of columns that all have `rows` rows.
    pub fn new(first_row: u64, rows: usize, columns: Vec<Column>) -> Result<Self, ShapeError> {
        let mut names = BTreeSet::new();
        for column in &columns {
            check_name(&column.name)?;
            let name = || column.name.clone();
            if !names.insert(&column.name) {
                return Err(ShapeError::SameName(name()));
            }
            if column.data.rows() != rows {
                return Err(ShapeError::Rows { column: name(), found: column.data.rows(), expected: rows });
            }
            if let Some(bits) = &column.validity
                && bits.len() != rows.div_ceil(8)
            {
                return Err(ShapeError::Validity { column: name(), found: bits.len(), expected: rows.div_ceil(8) });
            }
            if let ColumnData::Booleans(values) = &column.data
                && let Some(&value) = values.iter().find(|&&value| value > 1)
            {
                return Err(ShapeError::Boolean { column: name(), value });
            }
            // Records are JSON, which has no such number: it would come back as no value at all.
            if let ColumnData::Numbers(values) = &column.data
                && let Some(row) = values.iter().position(|value| !value.is_finite())
            {
                return Err(ShapeError::NotFinite { column: name(), row, value: values[row].to_string() });
            }
        }
        Ok(Self { first_row, rows, columns })
    }

    /// Bytes of all values, as they cross to a plugin.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.data.bytes() + column.validity.as_ref().map_or(0, Vec::len)).sum()
    }

    /// Number of the first row in its stream.
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// The same rows at another place in a stream.
    pub fn at(self, first_row: u64) -> Self {
        Self { first_row, ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, and nothing else.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// The column named `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A row that does not come out of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedRow {
    /// Number of the row in the stream.
    pub row: u64,
    /// Why, as a short code.
    pub reason: String,
}

/// What came of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The rows that come out.
    pub batch: Batch,
    /// For each of them the input row that it comes from.
    pub origins: Vec<u64>,
    /// The rows that do not come out.
    pub dropped: Vec<DroppedRow>,
    /// What was done.
    pub counts: Vec<Attribute>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(offsets: &[u32], bytes: &[u8]) -> Result<TextColumn, ShapeError> {
        TextColumn::from_parts("c", offsets.to_vec(), bytes.to_vec())
    }

    #[test]
    fn lying_offsets_and_bytes_are_refused() {
        assert!(text(&[0], b"").is_ok());
        assert!(text(&[0, 2, 2, 3], b"abc").is_ok());
        for (offsets, bytes) in [
            (&[][..], &b""[..]),
            (&[1], b"a"),
            (&[0], b"a"),
            (&[0, 2], b"a"),
            (&[0, 3, 1, 3], b"abc"),
            (&[0, u32::MAX], b"abc"),
            (&[0, 1], b"\xff"),
            (&[0, 1, 2], "é".as_bytes()),
        ] {
            assert!(text(offsets, bytes).is_err(), "{offsets:?} {bytes:?}");
        }
    }

    #[test]
    fn a_batch_refuses_columns_of_another_shape() {
        let column = |name: &str, data, validity| Column { name: name.into(), data, validity };
        let numbers = || ColumnData::Numbers(vec![1.0, 2.0]);
        assert!(Batch::new(0, 2, vec![column("a", numbers(), Some(vec![3]))]).is_ok());
        assert!(Batch::new(0, 3, vec![column("a", numbers(), None)]).is_err());
        assert!(Batch::new(0, 2, vec![column("a", numbers(), Some(vec![]))]).is_err());
        assert!(Batch::new(0, 2, vec![column("a", numbers(), None), column("a", numbers(), None)]).is_err());
        assert!(Batch::new(0, 1, vec![column("a", ColumnData::Booleans(vec![2]), None)]).is_err());
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = Batch::new(0, 2, vec![column("a", ColumnData::Numbers(vec![0.0, number]), None)]).unwrap_err();
            assert!(error.to_string().contains("row 1"), "{error}");
        }
    }

    #[test]
    fn names_are_short_and_show_as_they_are() {
        for (name, holds) in [
            ("", true),
            ("Grüße, 你好", true),
            (&"n".repeat(256), true),
            (&"n".repeat(257), false),
            ("a\u{1b}[31m", false),
            ("a\nb", false),
            ("\u{202e}txet", false),
        ] {
            let column = Column { name: name.into(), data: ColumnData::Numbers(vec![]), validity: None };
            assert_eq!(Batch::new(0, 0, vec![column]).is_ok(), holds, "{name:?}");
        }
        // What is wrong with a column is told before its name is looked at, and is shown all the same.
        let name = format!("\u{202e}\u{1b}[2J{}", "n".repeat(10_000));
        let robots: TextColumn = ["\u{1b}[2J\u{202e}"].into_iter().collect();
        for error in [
            TextColumn::from_parts(&name, vec![1], vec![]).unwrap_err(),
            TextColumn::from_parts(&name, vec![0, 1], vec![0xff]).unwrap_err(),
            DialogueColumn::from_parts(&name, vec![0, 1], robots.clone(), robots.clone()).unwrap_err(),
            DialogueColumn::from_parts(&name, vec![0, 1], TextColumn::default(), robots).unwrap_err(),
        ] {
            let shown = error.to_string();
            assert!(shown.len() < 500 && shown.chars().all(is_printable), "{shown:?}");
        }
    }

    #[test]
    fn dialogues_keep_their_messages() {
        let mut column = DialogueColumn::default();
        column.push(&[("user", "hi"), ("assistant", "hello")]);
        column.push(&[]);
        assert_eq!(column.get(0), [("user", "hi"), ("assistant", "hello")]);
        assert_eq!(column.get(1), []);
        let (offsets, roles, texts) = column.as_parts();
        assert!(DialogueColumn::from_parts("m", offsets.to_vec(), roles.clone(), texts.clone()).is_ok());
        let robots: TextColumn = ["robot", "user"].into_iter().collect();
        assert!(DialogueColumn::from_parts("m", offsets.to_vec(), robots, texts.clone()).is_err());
    }
}
