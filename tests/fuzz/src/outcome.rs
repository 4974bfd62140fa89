//! What a transform returns, byte by byte as it lies in its memory: pointers, lengths and tags that lie, and what the sandbox
//! makes of them. The guest is `guest/echo.wat`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use arbitrary::{Arbitrary as _, Unstructured};
use freehold_core::batch::{Batch, Column, ColumnData, Outcome};
use freehold_core::evidence::Value;
use freehold_core::manifest::World;
use freehold_sandbox::{Grants, Plugin};

use crate::batch::is_sound;
use crate::host::{is_told, load};
use crate::parts::{BatchParts, ColumnParts, DataParts, Lies, TextParts};

/// Where the guest puts what it returns.
const BASE: u32 = 131_072;
/// Less than the guest has memory for.
const IMAGE_BYTES_MAX: usize = 96 << 10;
/// Rows that the guest is given.
const ROWS: usize = 3;

#[derive(Debug)]
struct Returned {
    /// The plugin's own error, in the place of an outcome.
    error: Option<String>,
    batch: Lies,
    origins: Vec<Row>,
    dropped: Vec<(Row, Reason)>,
    counts: Vec<(Reason, Count)>,
    /// Words of the memory that are other words.
    patches: Vec<(u16, u32)>,
}

#[derive(Debug)]
enum Row {
    Given(u8),
    Any(u64),
}

#[derive(Debug)]
enum Reason {
    Code(u8),
    Any(String),
}

#[derive(Debug)]
enum Count {
    Text(String),
    Number(f64),
    Integer(i64),
    Boolean(bool),
}

structured! {
    struct Returned { error, batch, origins, dropped, counts, patches }
    enum Row { Given(row), Any(row) }
    enum Reason { Code(code), Any(text) }
    enum Count { Text(text), Number(number), Integer(integer), Boolean(boolean) }
}

impl Row {
    fn number(&self) -> u64 {
        match self {
            Self::Given(row) => u64::from(*row) % ROWS as u64,
            Self::Any(row) => *row,
        }
    }
}

impl Reason {
    fn text(&self) -> String {
        match self {
            Self::Code(code) => format!("code-{code}"),
            Self::Any(text) => text.clone(),
        }
    }
}

/// Memory under construction, in the canonical ABI of components.
struct Image(Vec<u8>);

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Image {
    /// Puts a list into memory: its address and its length in elements.
    fn list(&mut self, elements: usize, bytes: &[u8]) -> [u32; 2] {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = BASE + self.0.len() as u32;
        self.0.extend_from_slice(bytes);
        [address, elements as u32]
    }

    fn text(&mut self, text: &str) -> [u32; 2] {
        self.list(text.len(), text.as_bytes())
    }

    fn offsets(&mut self, offsets: &[u32]) -> [u32; 2] {
        self.list(offsets.len(), &words(offsets))
    }

    fn texts(&mut self, texts: &TextParts) -> [u32; 4] {
        let ([a, b], [c, d]) = (self.offsets(&texts.offsets), self.list(texts.bytes.len(), &texts.bytes));
        [a, b, c, d]
    }

    /// The sixteen words of a column.
    fn column(&mut self, column: &ColumnParts) -> Vec<u8> {
        let name = self.text(&column.name);
        let (tag, mut data) = match &column.data {
            DataParts::Text(texts) => (0, self.texts(texts).to_vec()),
            DataParts::Dialogue(offsets, roles, texts) => {
                (1, [&self.offsets(offsets)[..], &self.texts(roles), &self.texts(texts)].concat())
            }
            DataParts::Numbers(numbers) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                (2, self.list(numbers.len(), &bytes).to_vec())
            }
            DataParts::Booleans(bytes) => (3, self.list(bytes.len(), bytes).to_vec()),
        };
        data.resize(10, 0);
        let validity = match &column.validity {
            None => [0, 0, 0],
            Some(bits) => {
                let [address, length] = self.list(bits.len(), bits);
                [1, address, length]
            }
        };
        words(&[&name[..], &[tag], &data, &validity].concat())
    }

    fn counts(&mut self, counts: &[(Reason, Count)]) -> [u32; 2] {
        let mut bytes = Vec::new();
        for (key, count) in counts {
            let key = self.text(&key.text());
            let (tag, value) = match count {
                Count::Text(text) => (0, words(&self.text(text))),
                Count::Number(number) => (1, number.to_le_bytes().to_vec()),
                Count::Integer(integer) => (2, integer.to_le_bytes().to_vec()),
                Count::Boolean(boolean) => (3, words(&[u32::from(*boolean), 0])),
            };
            bytes.extend([words(&key), words(&[tag, 0]), value].concat());
        }
        self.list(counts.len(), &bytes)
    }
}

impl Returned {
    /// `result<outcome, string>` as it lies in memory, before the patches.
    fn image(&self, batch: &BatchParts) -> Vec<u8> {
        let mut image = Image(vec![0; 56]);
        let mut head = Vec::new();
        if let Some(error) = &self.error {
            head.extend(words(&[1, 0]));
            head.extend(words(&image.text(error)));
        } else {
            let columns: Vec<u8> = batch.columns.iter().flat_map(|column| image.column(column)).collect();
            let columns = image.list(batch.columns.len(), &columns);
            let origins: Vec<u8> = self.origins.iter().flat_map(|row| row.number().to_le_bytes()).collect();
            let origins = image.list(self.origins.len(), &origins);
            let mut dropped = Vec::new();
            for (row, reason) in &self.dropped {
                let reason = image.text(&reason.text());
                dropped.extend([row.number().to_le_bytes().to_vec(), words(&reason)].concat());
            }
            let dropped = image.list(self.dropped.len(), &dropped);
            let counts = image.counts(&self.counts);
            head.extend(words(&[0, 0]));
            head.extend(batch.first_row.to_le_bytes());
            head.extend(words(&[batch.rows, columns[0], columns[1], 0]));
            head.extend(words(&[origins, dropped, counts].concat()));
        }
        image.0[..head.len()].copy_from_slice(&head);
        image.0
    }

    fn patch(&self, image: &mut [u8]) {
        for (at, word) in &self.patches {
            let at = usize::from(*at) * 4 % image.len().max(4);
            if let Some(old) = image.get_mut(at..at + 4) {
                old.copy_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// What came back is what was returned.
    fn is_told_by(&self, parts: &BatchParts, outcome: &Outcome) {
        assert_eq!(format!("{:?}", BatchParts::of(&outcome.batch)), format!("{parts:?}"));
        assert!(outcome.origins.iter().copied().eq(self.origins.iter().map(Row::number)));
        let dropped = self.dropped.iter().map(|(row, reason)| (row.number(), reason.text()));
        assert!(outcome.dropped.iter().map(|row| (row.row, row.reason.clone())).eq(dropped));
        assert!(outcome.counts.iter().map(|count| count.key.clone()).eq(self.counts.iter().map(|(key, _)| key.text())));
    }
}

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| load(World::Transform, include_bytes!("../guest/echo.wasm")).expect("a transform"))
}

/// Reads what is returned from bytes, and has a guest return it.
pub fn run(data: &[u8]) {
    let Ok(returned) = Returned::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let parts = returned.batch.parts();
    let mut image = returned.image(&parts);
    if image.len() > IMAGE_BYTES_MAX {
        return;
    }
    returned.patch(&mut image);
    let grants = Grants::new(toml::Table::new(), BTreeMap::from([("outcome".to_owned(), image)]));
    let mut transform = plugin().transform(grants).expect("it starts");
    transform.describe().expect("it describes itself");
    let texts = ColumnData::Text(["one", "two", "three"].into_iter().collect());
    let column = Column { name: "text".into(), data: texts, validity: None };
    match transform.process(&Batch::new(0, ROWS, vec![column]).expect("three rows")) {
        Ok(outcome) => {
            is_accounted_for(&outcome);
            if returned.patches.is_empty() {
                returned.is_told_by(&parts, &outcome);
            }
            if let Err(error) = transform.finish() {
                assert_eq!(error.code(), "row-lineage", "{error}");
            }
        }
        Err(error) => {
            is_told(&error);
            if returned.patches.is_empty() {
                let expected = match (&returned.error, parts.checked()) {
                    (Some(_), _) => &["error"][..],
                    (None, Err(_)) => &["malformed-batch"],
                    (None, Ok(_)) => &["row-lineage", "malformed-numbers"],
                };
                assert!(expected.contains(&error.code()), "{error}, expected {expected:?}");
            }
        }
    }
}

/// An outcome that was taken keeps the rules of the contract.
fn is_accounted_for(outcome: &Outcome) {
    is_sound(&outcome.batch);
    assert_eq!(outcome.origins.len(), outcome.batch.rows());
    let code = |text: &str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    let mut fates = [None; ROWS];
    for row in &outcome.origins {
        fates[*row as usize] = Some("out");
    }
    for dropped in &outcome.dropped {
        assert_eq!(fates[dropped.row as usize].replace("dropped"), None, "row {} has two fates", dropped.row);
        assert!(code(&dropped.reason), "{:?}", dropped.reason);
    }
    for count in &outcome.counts {
        let number = match count.value {
            Value::Integer(_) => true,
            Value::Number(number) => number.is_finite(),
            _ => false,
        };
        assert!(code(&count.key) && number, "{count:?}");
    }
}
