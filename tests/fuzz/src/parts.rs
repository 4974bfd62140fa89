//! Batches in parts, as a plugin may hand them over: mostly of the right shape, for what is all wrong is refused at the first
//! look, and any of it may lie.

use freehold_core::batch::{Batch, Column, ColumnData, DialogueColumn, ShapeError, TextColumn};

/// The most rows that a batch is made to fit.
const ROWS_MAX: usize = 64;

/// Offsets as steps from one to the next, so that most are right, or as they are.
#[derive(Debug)]
pub(crate) enum Offsets {
    Steps(Vec<u8>),
    Any(Vec<u32>),
}

#[derive(Debug)]
pub(crate) enum Bytes {
    Text(String),
    /// As many bytes of this text as the offsets say, over and over.
    Fitting(String),
    Any(Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Texts {
    offsets: Offsets,
    bytes: Bytes,
}

#[derive(Debug)]
pub(crate) enum Roles {
    Known(Vec<u8>),
    Any(Texts),
}

#[derive(Debug)]
pub(crate) enum Data {
    Text(Texts),
    Dialogue(Offsets, Roles, Texts),
    Numbers(Vec<f64>),
    Booleans(Vec<bool>),
    AnyBooleans(Vec<u8>),
}

#[derive(Debug)]
pub(crate) enum Validity {
    None,
    Fitting(u8),
    Any(Vec<u8>),
}

#[derive(Debug)]
pub(crate) enum Name {
    Number(u8),
    Any(String),
}

#[derive(Debug)]
pub(crate) struct Lies {
    first_row: u64,
    /// The number of rows; that of the first column if not said.
    rows: Option<u32>,
    columns: Vec<(Name, Data, Validity)>,
}

structured! {
    enum Offsets { Steps(steps), Any(offsets) }
    enum Bytes { Text(text), Fitting(text), Any(bytes) }
    struct Texts { offsets, bytes }
    enum Roles { Known(roles), Any(texts) }
    enum Data { Text(texts), Dialogue(offsets, roles, texts), Numbers(numbers), Booleans(booleans), AnyBooleans(bytes) }
    enum Validity { None, Fitting(bits), Any(bits) }
    enum Name { Number(number), Any(name) }
    struct Lies { first_row, rows, columns }
}

/// The parts of a text column, as they cross.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextParts {
    pub(crate) offsets: Vec<u32>,
    pub(crate) bytes: Vec<u8>,
}

/// The parts of a column's values, as they cross.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DataParts {
    Text(TextParts),
    Dialogue(Vec<u32>, TextParts, TextParts),
    Numbers(Vec<f64>),
    Booleans(Vec<u8>),
}

/// The parts of a column, as they cross.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnParts {
    pub(crate) name: String,
    pub(crate) data: DataParts,
    pub(crate) validity: Option<Vec<u8>>,
}

/// The parts of a batch, as they cross.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BatchParts {
    pub(crate) first_row: u64,
    pub(crate) rows: u32,
    pub(crate) columns: Vec<ColumnParts>,
}

impl Offsets {
    fn parts(&self) -> Vec<u32> {
        match self {
            Self::Any(offsets) => offsets.clone(),
            Self::Steps(steps) => {
                let ends = steps.iter().take(ROWS_MAX).scan(0, |end, step| {
                    *end += u32::from(*step % 8);
                    Some(*end)
                });
                std::iter::once(0).chain(ends).collect()
            }
        }
    }
}

impl Texts {
    fn parts(&self) -> TextParts {
        let offsets = self.offsets.parts();
        let bytes = match &self.bytes {
            Bytes::Text(text) => text.clone().into_bytes(),
            Bytes::Any(bytes) => bytes.clone(),
            Bytes::Fitting(text) => {
                let length = offsets.last().copied().unwrap_or(0).min(4_096) as usize;
                let text = if text.is_empty() { "x" } else { text };
                text.bytes().cycle().take(length).collect()
            }
        };
        TextParts { offsets, bytes }
    }
}

impl Roles {
    fn parts(&self) -> TextParts {
        match self {
            Self::Any(texts) => texts.parts(),
            Self::Known(roles) => {
                let known = ["system", "user", "assistant"];
                let roles = roles.iter().map(|role| known[usize::from(*role) % known.len()]);
                let column: TextColumn = roles.collect();
                let (offsets, bytes) = column.as_parts();
                TextParts { offsets: offsets.to_vec(), bytes: bytes.to_vec() }
            }
        }
    }
}

impl Data {
    fn parts(&self) -> DataParts {
        match self {
            Self::Text(texts) => DataParts::Text(texts.parts()),
            Self::Dialogue(offsets, roles, texts) => DataParts::Dialogue(offsets.parts(), roles.parts(), texts.parts()),
            Self::Numbers(numbers) => DataParts::Numbers(numbers.clone()),
            Self::Booleans(booleans) => DataParts::Booleans(booleans.iter().copied().map(u8::from).collect()),
            Self::AnyBooleans(bytes) => DataParts::Booleans(bytes.clone()),
        }
    }
}

impl DataParts {
    /// How many rows there seem to be.
    fn rows(&self) -> u32 {
        let length = match self {
            Self::Text(texts) => texts.offsets.len().saturating_sub(1),
            Self::Dialogue(offsets, ..) => offsets.len().saturating_sub(1),
            Self::Numbers(numbers) => numbers.len(),
            Self::Booleans(booleans) => booleans.len(),
        };
        length as u32
    }
}

impl Lies {
    /// The parts that are handed over.
    pub(crate) fn parts(&self) -> BatchParts {
        let mut columns: Vec<ColumnParts> = Vec::new();
        for (name, data, _) in &self.columns {
            let name = match name {
                Name::Number(number) => format!("c{number}"),
                Name::Any(name) => name.clone(),
            };
            columns.push(ColumnParts { name, data: data.parts(), validity: None });
        }
        let rows = self.rows.unwrap_or_else(|| columns.first().map_or(0, |column| column.data.rows()));
        for (column, (_, _, validity)) in columns.iter_mut().zip(&self.columns) {
            column.validity = match validity {
                Validity::None => None,
                Validity::Fitting(bits) => Some(vec![*bits; rows.div_ceil(8).min(4_096) as usize]),
                Validity::Any(bits) => Some(bits.clone()),
            };
        }
        BatchParts { first_row: self.first_row, rows, columns }
    }
}

impl TextParts {
    fn checked(&self, column: &str) -> Result<TextColumn, ShapeError> {
        TextColumn::from_parts(column, self.offsets.clone(), self.bytes.clone())
    }

    fn of(column: &TextColumn) -> Self {
        let (offsets, bytes) = column.as_parts();
        Self { offsets: offsets.to_vec(), bytes: bytes.to_vec() }
    }
}

impl BatchParts {
    /// The host's batch of these parts, if they have the shape.
    pub(crate) fn checked(&self) -> Result<Batch, ShapeError> {
        let column = |parts: &ColumnParts| {
            let name = parts.name.clone();
            let data = match &parts.data {
                DataParts::Text(texts) => ColumnData::Text(texts.checked(&name)?),
                DataParts::Dialogue(offsets, roles, texts) => {
                    let (roles, texts) = (roles.checked(&name)?, texts.checked(&name)?);
                    ColumnData::Dialogue(DialogueColumn::from_parts(&name, offsets.clone(), roles, texts)?)
                }
                DataParts::Numbers(numbers) => ColumnData::Numbers(numbers.clone()),
                DataParts::Booleans(bytes) => ColumnData::Booleans(bytes.clone()),
            };
            Ok(Column { name, data, validity: parts.validity.clone() })
        };
        let columns = self.columns.iter().map(column).collect::<Result<_, _>>()?;
        Batch::new(self.first_row, self.rows as usize, columns)
    }

    /// The parts of a batch.
    pub(crate) fn of(batch: &Batch) -> Self {
        let column = |column: &Column| {
            let data = match &column.data {
                ColumnData::Text(texts) => DataParts::Text(TextParts::of(texts)),
                ColumnData::Dialogue(dialogues) => {
                    let (offsets, roles, texts) = dialogues.as_parts();
                    DataParts::Dialogue(offsets.to_vec(), TextParts::of(roles), TextParts::of(texts))
                }
                ColumnData::Numbers(numbers) => DataParts::Numbers(numbers.clone()),
                ColumnData::Booleans(bytes) => DataParts::Booleans(bytes.clone()),
            };
            ColumnParts { name: column.name.clone(), data, validity: column.validity.clone() }
        };
        let columns = batch.columns().iter().map(column).collect();
        Self { first_row: batch.first_row(), rows: batch.rows() as u32, columns }
    }
}
