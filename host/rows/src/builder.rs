//! Rows gathered into a batch of columns, whose names and kinds are learned on the way.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn, Message, ShapeError, TextColumn, check_name};

use crate::dialogue::Keys;
use crate::form::{CONVERSATIONS, Census, Form, FormError, Origin, Present, SYSTEM};
use crate::parse::{parse_row, shown};
use crate::{Line, RowError};

/// Rows of a batch at most.
pub const BATCH_ROWS: usize = 1024;
/// A batch ends with the line that brings its lines to this many bytes, so that long rows make short batches.
pub const BATCH_BYTES: usize = 8 << 20;
/// Columns of a table at most.
pub const COLUMNS_MAX: usize = 1024;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// Numbers.
    Number,
    /// True or false.
    Boolean,
    /// Dialogues.
    Dialogue,
}

impl Kind {
    /// In the words of an error.
    pub fn described(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Dialogue => "a list of messages, each {\"role\": ..., \"content\": ...}",
        }
    }

    /// A column without rows.
    pub(crate) fn empty(self) -> ColumnData {
        match self {
            Self::Text => ColumnData::Text(TextColumn::default()),
            Self::Number => ColumnData::Numbers(Vec::new()),
            Self::Boolean => ColumnData::Booleans(Vec::new()),
            Self::Dialogue => ColumnData::Dialogue(DialogueColumn::default()),
        }
    }
}

/// Names and kinds of columns, in the order in which they first had a value.
pub type Schema = Vec<(String, Kind)>;

/// A column that grows.
#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    pub(crate) name: String,
    data: ColumnData,
    /// One bit a row.
    valid: Vec<u8>,
    all_valid: bool,
    /// Whether it makes a form of dialogue.
    marker: Present,
    /// What the fields of its messages are called, once there was one.
    keys: Option<Keys>,
    /// The line or row of its first value; 0 if it has had none.
    since: u64,
}

impl ColumnBuilder {
    fn new(name: String, kind: Kind) -> Self {
        let marker = Present::marker(&name, kind);
        Self { name, data: kind.empty(), valid: Vec::new(), all_valid: true, marker, keys: None, since: 0 }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.data {
            ColumnData::Text(_) => Kind::Text,
            ColumnData::Numbers(_) => Kind::Number,
            ColumnData::Booleans(_) => Kind::Boolean,
            ColumnData::Dialogue(_) => Kind::Dialogue,
        }
    }

    fn rows(&self) -> usize {
        self.data.rows()
    }

    /// Adds a value of the column's kind. `false` if it is of another, or has no room.
    fn push(&mut self, value: Cell<'_>) -> bool {
        let row = self.rows();
        if row.is_multiple_of(8) {
            self.valid.push(0);
        }
        if let Some(bits) = self.valid.last_mut() {
            *bits |= 1 << (row % 8);
        }
        match (&mut self.data, value) {
            (ColumnData::Text(column), Cell::Text(text)) => column.push(text),
            (ColumnData::Dialogue(column), Cell::Dialogue(messages, keys)) => {
                self.keys = self.keys.or(keys);
                column.push(messages)
            }
            (ColumnData::Numbers(column), Cell::Number(number)) => {
                column.push(number);
                true
            }
            (ColumnData::Booleans(column), Cell::Boolean(boolean)) => {
                column.push(u8::from(boolean));
                true
            }
            _ => false,
        }
    }

    /// Adds rows without a value until there are `rows`.
    fn fill(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.rows());
        if missing == 0 {
            return;
        }
        self.all_valid = false;
        self.valid.resize(rows.div_ceil(8), 0);
        match &mut self.data {
            ColumnData::Text(column) => {
                (0..missing).for_each(|_| {
                    column.push("");
                });
            }
            ColumnData::Dialogue(column) => {
                (0..missing).for_each(|_| {
                    column.push(&[]);
                });
            }
            ColumnData::Numbers(column) => column.resize(rows, 0.0),
            ColumnData::Booleans(column) => column.resize(rows, 0),
        }
    }

    /// The rows so far; goes on with none.
    fn take(&mut self) -> Column {
        let (keys, since) = (self.keys, self.since);
        let empty = Self::new(self.name.clone(), self.kind());
        let full = std::mem::replace(self, Self { keys, since, ..empty });
        Column { name: full.name, data: full.data, validity: (!full.all_valid).then_some(full.valid) }
    }
}

/// A value on its way into a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Text(&'a str),
    Number(f64),
    Boolean(bool),
    /// Messages, and what their fields are called if there are any.
    Dialogue(&'a [Message<'a>], Option<Keys>),
}

impl Cell<'_> {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Number(_) => Kind::Number,
            Self::Boolean(_) => Kind::Boolean,
            Self::Dialogue(..) => Kind::Dialogue,
        }
    }
}

/// Which column a value belongs to.
#[derive(Debug)]
pub(crate) enum Place {
    /// One that is there.
    Known(usize),
    /// One that is not there yet. It comes with its first value that is not null.
    New(String),
}

/// What would be right.
#[derive(Debug)]
pub(crate) enum Expected {
    /// What was there before.
    AsBefore(&'static str),
    /// Something else.
    Other(String),
}

impl Expected {
    /// In words; rows are called `rows`.
    pub(crate) fn told(self, rows: &str) -> String {
        match self {
            Self::AsBefore(what) => format!("{what}, as in the {rows} before"),
            Self::Other(what) => what,
        }
    }
}

/// Why a value cannot be kept, and what would be right.
#[derive(Debug)]
pub(crate) struct CellProblem {
    pub(crate) name: String,
    pub(crate) problem: String,
    pub(crate) expected: Expected,
}

/// Gathers rows into batches.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    pub(crate) columns: Vec<ColumnBuilder>,
    rows: usize,
    /// Bytes of the lines.
    bytes: usize,
    /// Number of the first row in its stream.
    first_row: u64,
    /// The line or row of the file that is being read, from 1.
    number: u64,
    census: Census,
}

impl BatchBuilder {
    /// Begins with columns that are known. Others may come.
    pub fn with_schema(schema: &Schema) -> Self {
        let columns = schema.iter().map(|(name, kind)| ColumnBuilder::new(name.clone(), *kind)).collect();
        Self { columns, ..Self::default() }
    }

    /// The columns so far.
    pub fn schema(&self) -> Schema {
        self.columns.iter().map(|column| (column.name.clone(), column.kind())).collect()
    }

    /// Adds the row of a line; `false` if the line holds nothing but white space. After an error nothing more can be added.
    pub fn push(&mut self, line: &Line<'_>) -> Result<bool, RowError> {
        if line.bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(false);
        }
        self.begin_row(line.number);
        parse_row(self, line)?;
        self.end_row(line.bytes.len());
        Ok(true)
    }

    /// Begins the row that is `number` in its file.
    pub(crate) fn begin_row(&mut self, number: u64) {
        self.number = number;
    }

    /// Ends the row: columns without a value in it have none. `bytes` are those of its values.
    pub(crate) fn end_row(&mut self, bytes: usize) {
        let here = self.rows;
        let (mut present, mut system) = (Present::default(), None);
        for column in self.columns.iter().filter(|column| column.rows() > here) {
            present.0 |= column.marker.0;
            if column.name == SYSTEM {
                system = Some(column);
            }
        }
        if self.has_two_systems(system) {
            self.census.two_systems.get_or_insert(self.number);
        }
        let columns = &self.columns;
        self.census.count(present, self.number, || {
            columns.iter().filter(|column| column.rows() > here).map(|column| column.name.clone()).collect()
        });
        self.rows += 1;
        self.bytes += bytes;
        for column in &mut self.columns {
            column.fill(self.rows);
        }
    }

    /// Whether the row has a text in `system`, and a dialogue that begins with a system message.
    fn has_two_systems(&self, system: Option<&ColumnBuilder>) -> bool {
        let Some(ColumnData::Text(texts)) = system.map(|column| &column.data) else { return false };
        let dialogue = self.columns.iter().find(|column| column.name == CONVERSATIONS);
        let Some(ColumnData::Dialogue(dialogues)) = dialogue.map(|column| &column.data) else { return false };
        texts.get(self.rows).is_some_and(|text| !text.is_empty())
            && dialogues.get(self.rows).first().is_some_and(|(role, _)| *role == "system")
    }

    /// Whether there is no row since the last batch.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many rows there were, those of earlier batches included.
    pub fn rows(&self) -> u64 {
        self.census.rows()
    }

    /// The form of all rows so far, and the columns that their dialogues are in.
    ///
    /// # Errors
    /// A row has none though others have one, or two.
    pub fn form(&self) -> Result<(Form, Origin), FormError> {
        let known = self.columns.iter().filter(|column| column.since > 0);
        self.census.form(known.map(|column| (column.name.as_str(), column.kind(), column.keys, column.since)))
    }

    /// The line or row in which the column `name` had its first value.
    pub fn since(&self, name: &str) -> Option<u64> {
        self.columns.iter().find(|column| column.name == name).map(|column| column.since)
    }

    /// Whether the batch should be taken before another row is added.
    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The rows since the last batch, if there are any.
    pub fn take(&mut self) -> Result<Option<Batch>, ShapeError> {
        if self.rows == 0 {
            return Ok(None);
        }
        let columns = self.columns.iter_mut().map(ColumnBuilder::take).collect();
        let batch = Batch::new(self.first_row, self.rows, columns)?;
        self.first_row += self.rows as u64;
        (self.rows, self.bytes) = (0, 0);
        Ok(Some(batch))
    }

    /// Where the column `name` is. The columns of most rows come in the same order, so that `expected` is right most times.
    pub(crate) fn place(&self, name: &str, expected: usize) -> Place {
        let named = |column: &ColumnBuilder| column.name == name;
        if self.columns.get(expected).is_some_and(named) {
            return Place::Known(expected);
        }
        self.columns.iter().position(named).map_or_else(|| Place::New(name.into()), Place::Known)
    }

    /// Adds a value to the row that is being read.
    pub(crate) fn set(&mut self, place: Place, value: Cell<'_>, found: &str) -> Result<(), CellProblem> {
        let refused = |name: String, problem: String, expected| CellProblem { name, problem, expected };
        let other = |what: &str| Expected::Other(what.into());
        let at = match place {
            Place::Known(at) => at,
            Place::New(name) if self.columns.len() == COLUMNS_MAX => {
                let problem = format!("`{}` would be one column more than {COLUMNS_MAX}", shown(&name));
                return Err(refused(name, problem, Expected::AsBefore("the same keys")));
            }
            Place::New(name) => {
                if let Err(problem) = check_name(&name) {
                    return Err(refused(name, problem.to_string(), other("another name for the column")));
                }
                let mut column = ColumnBuilder::new(name, value.kind());
                column.fill(self.rows);
                self.columns.push(column);
                self.columns.len() - 1
            }
        };
        let (rows, column) = (self.rows, &mut self.columns[at]);
        if column.kind() != value.kind() {
            let (problem, wanted) = (format!("`{}` is {found}", column.name), column.kind().described());
            return Err(refused(column.name.clone(), problem, Expected::AsBefore(wanted)));
        }
        if let (Cell::Dialogue(_, Some(keys)), Some(before)) = (value, column.keys)
            && keys != before
        {
            let problem = format!("`{}` has {}", column.name, keys.described());
            return Err(refused(column.name.clone(), problem, Expected::AsBefore(before.described())));
        }
        if column.rows() > rows {
            let problem = format!("`{}` is there twice", column.name);
            return Err(refused(column.name.clone(), problem, other("each key once")));
        }
        if column.since == 0 {
            column.since = self.number;
        }
        match column.push(value) {
            true => Ok(()),
            false => Err(refused(column.name.clone(), "the batch would pass 4 GiB".into(), other("shorter texts"))),
        }
    }
}
