//! What a call returned, measured as it was taken out of the plugin's memory: a text by its bytes, a list by the host's size of
//! its entries and by what they hold.

use crate::bindings::policy::exports::freehold::policy::policy::Verdict;
use crate::bindings::types::{Attribute, AttributeValue, ColumnDataResult, ColumnResult, TextColumnResult};
use crate::bindings::{metric, transform};

/// Something that plugins return.
pub(crate) trait Lifted: Send {
    /// Its bytes.
    fn bytes(&self) -> u64;
}

/// The entries of a list themselves, without what they hold.
fn entries<T>(list: &[T]) -> u64 {
    size_of_val(list) as u64
}

fn texts(list: &[String]) -> u64 {
    entries(list) + list.iter().map(|text| text.len() as u64).sum::<u64>()
}

fn column(text: &TextColumnResult) -> u64 {
    entries(&text.offsets) + entries(&text.bytes)
}

fn values(column_of: &ColumnResult) -> u64 {
    let values = match &column_of.data {
        ColumnDataResult::Text(text) => column(text),
        ColumnDataResult::Dialogue(dialogue) => {
            entries(&dialogue.offsets) + column(&dialogue.roles) + column(&dialogue.texts)
        }
        ColumnDataResult::Numbers(values) => entries(values),
        ColumnDataResult::Booleans(values) => entries(values),
    };
    values + column_of.name.len() as u64 + column_of.validity.as_deref().map_or(0, entries)
}

fn attribute(attribute: &Attribute) -> u64 {
    let value = if let AttributeValue::Text(text) = &attribute.value { text.len() } else { 0 };
    (attribute.key.len() + value) as u64
}

impl Lifted for transform::Description {
    fn bytes(&self) -> u64 {
        texts(&self.reads) + texts(&self.writes)
    }
}

impl Lifted for transform::Outcome {
    fn bytes(&self) -> u64 {
        let columns = &self.batch.columns;
        let lists = entries(columns) + entries(&self.origins) + entries(&self.dropped) + entries(&self.counts);
        let reasons = self.dropped.iter().map(|row| row.reason.len() as u64).sum::<u64>();
        lists + reasons + columns.iter().map(values).sum::<u64>() + self.counts.iter().map(attribute).sum::<u64>()
    }
}

impl Lifted for metric::Description {
    fn bytes(&self) -> u64 {
        texts(&self.statistics)
    }
}

impl Lifted for Vec<f64> {
    fn bytes(&self) -> u64 {
        entries(self)
    }
}

impl Lifted for Verdict {
    fn bytes(&self) -> u64 {
        (self.code.len() + self.reason.len()) as u64 + texts(&self.rests_on)
    }
}
