//! Parquet: row group by row group, a few rows of each at a time.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use crate::guard::guarded;
use crate::message::METADATA_BYTES_MAX;
use crate::pages::{Access, Pages, RandomAccess, Weight, codec};
use crate::table::{ReadError, Records, TableError, check_fields};
use crate::{BATCH_ROWS, BatchBuilder};

/// How a file begins and ends.
pub(crate) const MAGIC: &[u8] = b"PAR1";
/// How a file ends whose footer is encrypted.
const MAGIC_ENCRYPTED: &[u8] = b"PARE";
/// The length of the footer and the magic bytes.
const TAIL_BYTES: usize = 8;
/// Bytes of the rows that are decoded at a time, about.
const DECODE_BYTES: u64 = 4 << 20;

/// Reads the rows of a file, one after the other.
pub struct ParquetReader<R: RandomAccess> {
    access: Arc<Access<R>>,
    metadata: Arc<ParquetMetaData>,
    levels: FieldLevels,
    weight: Arc<Weight>,
    /// The row group that comes next.
    next_group: usize,
    group: Option<Group>,
    row: u64,
}

/// A row group that is being read.
struct Group {
    batches: ParquetRecordBatchReader,
    records: Option<Records>,
    /// Rows that it says it has and that have not come yet.
    missing: u64,
}

impl<R: RandomAccess> ParquetReader<R> {
    /// Reads the footer, and looks at the columns and row groups.
    pub fn new(file: R) -> std::result::Result<Self, ReadError<R::Error>> {
        let access = Arc::new(Access::new(file));
        let opened = guarded(|| {
            let metadata = footer(&access)?;
            let levels = levels(&metadata)?;
            metadata.row_groups().iter().try_for_each(|group| check_group(group, access.file().length()))?;
            Ok((metadata, levels))
        });
        let (metadata, levels) = opened.map_err(|error| failed(&access, error))?;
        let metadata = Arc::new(metadata);
        Ok(Self { access, metadata, levels, weight: Arc::default(), next_group: 0, group: None, row: 0 })
    }

    /// The file.
    pub fn file(&self) -> &R {
        self.access.file()
    }

    /// Adds the next row to `columns`; `false` at the end.
    pub fn next_row(&mut self, columns: &mut BatchBuilder) -> std::result::Result<bool, ReadError<R::Error>> {
        let read = guarded(|| self.read_row(columns));
        read.map_err(|error| failed(&self.access, self.weight.take_refusal().unwrap_or(error)))
    }

    fn read_row(&mut self, columns: &mut BatchBuilder) -> std::result::Result<bool, TableError> {
        loop {
            let Some(group) = &mut self.group else {
                if self.next_group == self.metadata.num_row_groups() {
                    return Ok(false);
                }
                self.group = Some(self.open_group()?);
                self.next_group += 1;
                continue;
            };
            if let Some(records) = &mut group.records {
                if records.push(columns, self.row + 1)? {
                    self.row += 1;
                    group.missing = group.missing.checked_sub(1).ok_or_else(other_rows)?;
                    return Ok(true);
                }
                group.records = None;
            }
            self.weight.reset();
            match group.batches.next() {
                Some(batch) => group.records = Some(Records::new(&batch.map_err(TableError::damaged)?)?),
                None if group.missing == 0 => self.group = None,
                None => return Err(other_rows()),
            }
        }
    }

    fn open_group(&self) -> std::result::Result<Group, TableError> {
        let metadata = self.metadata.row_group(self.next_group);
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let bytes = u64::try_from(metadata.total_byte_size()).unwrap_or(0);
        // Long rows are decoded a few at a time.
        let fitting = DECODE_BYTES.saturating_mul(rows.max(1)) / bytes.max(1);
        let batch_rows = usize::try_from(fitting).unwrap_or(BATCH_ROWS).clamp(1, BATCH_ROWS);
        let (access, weight) = (self.access.clone(), self.weight.clone());
        let group = OneGroup { access, metadata: self.metadata.clone(), at: self.next_group, weight };
        self.weight.reset();
        let batches = ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &group, batch_rows, None);
        Ok(Group { batches: batches.map_err(TableError::damaged)?, records: None, missing: rows })
    }
}

fn other_rows() -> TableError {
    TableError::damaged("a row group has another number of rows than the footer says")
}

/// What went wrong with the file comes before what it led to.
fn failed<R: RandomAccess>(access: &Access<R>, error: TableError) -> ReadError<R::Error> {
    access.take_failure().map_or(ReadError::Table(error), ReadError::Source)
}

fn footer<R: RandomAccess>(access: &Access<R>) -> std::result::Result<ParquetMetaData, TableError> {
    let length = access.file().length();
    let early = || TableError::damaged("it ends too early");
    let tail_at = length.checked_sub(TAIL_BYTES as u64).filter(|at| *at >= MAGIC.len() as u64).ok_or_else(early)?;
    let tail = access.read(tail_at, TAIL_BYTES).map_err(TableError::damaged)?;
    let (size, magic) = tail.split_at(4);
    if magic == MAGIC_ENCRYPTED {
        return Err(TableError::of_file("the file is encrypted", "a file that is not"));
    }
    if magic != MAGIC {
        return Err(early());
    }
    let size = size.try_into().map(u32::from_le_bytes).map_or(usize::MAX, |size| size as usize);
    let at = tail_at.checked_sub(size as u64).filter(|at| *at >= MAGIC.len() as u64);
    let at = at.filter(|_| size <= METADATA_BYTES_MAX);
    let at = at.ok_or_else(|| TableError::damaged("its footer has an absurd length"))?;
    let footer = access.read(at, size).map_err(TableError::damaged)?;
    ParquetMetaDataReader::decode_metadata(&footer).map_err(TableError::damaged)
}

/// Which columns are read, and how.
fn levels(metadata: &ParquetMetaData) -> std::result::Result<FieldLevels, TableError> {
    let schema = metadata.file_metadata().schema_descr();
    let fields = parquet_to_arrow_schema(schema, None).map_err(TableError::damaged)?.fields().clone();
    check_fields(&fields)?;
    // Of a message only who speaks and what is said are read, whatever else there is.
    let leaves = || schema.columns().iter().enumerate().map(|(at, leaf)| (at, schema.get_column_root_idx(at), leaf));
    let mut shallowest = vec![usize::MAX; fields.len()];
    for (_, root, leaf) in leaves() {
        if let Some(depth) = shallowest.get_mut(root) {
            *depth = leaf.path().parts().len().min(*depth);
        }
    }
    let is_message_part = |name: &str| ["role", "content", "from", "value"].contains(&name);
    let wanted = leaves().filter(|(_, root, leaf)| {
        let of_messages = fields.get(*root).is_some_and(|field| is_list_of_structs(field));
        let depth = leaf.path().parts().len();
        !of_messages || (is_message_part(leaf.name()) && shallowest.get(*root) == Some(&depth))
    });
    let wanted: Vec<usize> = wanted.map(|(at, ..)| at).collect();
    let mask = ProjectionMask::leaves(schema, wanted);
    let hint: Fields = fields.iter().map(viewed).collect();
    parquet_to_arrow_field_levels(schema, mask, Some(&hint)).map_err(TableError::damaged)
}

fn is_list_of_structs(field: &Field) -> bool {
    matches!(field.data_type(), DataType::List(item) if matches!(item.data_type(), DataType::Struct(_)))
}

/// The field with texts that stay in their pages: however often a text is referred to, it is there once.
fn viewed(field: &Arc<Field>) -> Arc<Field> {
    let kind = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::List(item) => DataType::List(viewed(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(viewed).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(kind))
}

/// Looks at the places and lengths in a row group: the crate below takes them as they are.
fn check_group(group: &RowGroupMetaData, length: u64) -> std::result::Result<(), TableError> {
    let absurd = |what: &str| TableError::damaged(format!("a row group has an absurd {what}"));
    if group.num_rows() < 0 || group.num_columns() != group.schema_descr().num_columns() {
        return Err(absurd("size"));
    }
    for column in group.columns() {
        let name = column.column_descr().path().string();
        if column.file_path().is_some() {
            return Err(TableError::of_column(&name, "its values are in another file", "one file with all columns"));
        }
        if let Err(codec) = codec(column) {
            let problem = format!("it is compressed with {codec:?}");
            return Err(TableError::of_column(&name, problem, "snappy, zstd, gzip, lz4_raw, or none"));
        }
        let from = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let places = [Some(column.data_page_offset()), Some(column.compressed_size()), Some(from)];
        let end = u64::try_from(from).ok().zip(u64::try_from(column.compressed_size()).ok());
        let end = end.and_then(|(from, size)| from.checked_add(size));
        if places.into_iter().flatten().any(|place| place < 0) || end.is_none_or(|end| end > length) {
            return Err(absurd("place in the file"));
        }
    }
    Ok(())
}

/// One row group of a file.
struct OneGroup<R: RandomAccess> {
    access: Arc<Access<R>>,
    metadata: Arc<ParquetMetaData>,
    at: usize,
    weight: Arc<Weight>,
}

impl<R: RandomAccess> OneGroup<R> {
    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.at)
    }
}

impl<R: RandomAccess> RowGroups for OneGroup<R> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group().num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let column = self.group().columns().get(column);
        let column = column.ok_or_else(|| ParquetError::General("a column is not in its row group".into()))?;
        let pages = Pages::new(self.access.clone(), column, self.num_rows(), self.weight.clone())?;
        Ok(Box::new(OneChunk(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The pages of one column of one row group.
struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}

#[cfg(test)]
mod tests {
    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    struct Bytes(Vec<u8>);

    impl RandomAccess for Bytes {
        type Error = &'static str;

        fn length(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::result::Result<(), Self::Error> {
            let from = usize::try_from(offset).map_err(|_| "far")?;
            let bytes = self.0.get(from..from + buffer.len()).ok_or("behind the end")?;
            buffer.copy_from_slice(bytes);
            if bytes.starts_with(b"fail") { Err("fails") } else { Ok(()) }
        }
    }

    fn written(column: ArrayRef) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn open(bytes: &[u8]) -> std::result::Result<ParquetReader<Bytes>, String> {
        ParquetReader::new(Bytes(bytes.to_vec())).map_err(|error| match error {
            ReadError::Table(error) => error.to_string(),
            ReadError::Source(error) => error.to_owned(),
        })
    }

    /// A file of less than 1 MiB stands for 1 GiB of text. Nothing but the rows that are asked for is made of it.
    #[test]
    fn a_text_that_many_rows_share_is_in_memory_once() {
        let long: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 18)]));
        let keys = vec![0; 4096];
        let bytes = written(Arc::new(DictionaryArray::<Int32Type>::new(keys.into(), long)));
        assert!(bytes.len() < 1 << 20, "{}", bytes.len());
        let (mut reader, mut columns, mut batches) = (open(&bytes).unwrap(), BatchBuilder::default(), Vec::new());
        for _ in 0..200 {
            assert!(reader.next_row(&mut columns).is_ok_and(|is_row| is_row));
            if columns.is_full() {
                batches.push(columns.take().unwrap().unwrap().rows());
            }
        }
        assert_eq!(batches, [32; 6]);
    }

    #[test]
    fn a_footer_that_lies_is_named() {
        let bytes = written(Arc::new(StringArray::from(vec!["a", "b"])));
        let footer_at = bytes.len() - 8;
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = bytes.clone();
            change(&mut bytes);
            open(&bytes).err().unwrap_or_default()
        };
        assert_eq!(with(&|_| {}), "");
        for length in [u32::MAX, i32::MAX as u32, footer_at as u32] {
            let lie = with(&|bytes| bytes[footer_at..footer_at + 4].copy_from_slice(&length.to_le_bytes()));
            assert!(lie.contains("its footer has an absurd length"), "{lie}");
        }
        for length in [0_u32, 1, 40] {
            let lie = with(&|bytes| bytes[footer_at..footer_at + 4].copy_from_slice(&length.to_le_bytes()));
            assert!(lie.contains("the file is damaged"), "{lie}");
        }
        assert!(with(&|bytes| bytes.truncate(11)).contains("it ends too early"));
        assert!(with(&|bytes| bytes[footer_at + 7] = b'E').contains("encrypted"));
    }

    /// What went wrong with the file is told, and not what the crate below made of it.
    #[test]
    fn the_file_s_own_failure_comes_through() {
        let mut bytes = written(Arc::new(StringArray::from(vec!["a", "b"])));
        let mut reader = open(&bytes).unwrap();
        let mut columns = BatchBuilder::default();
        while reader.next_row(&mut columns).unwrap() {}
        assert_eq!(columns.rows(), 2);
        bytes[4..8].copy_from_slice(b"fail");
        let failed = open(&bytes).unwrap().next_row(&mut BatchBuilder::default());
        assert!(matches!(failed, Err(ReadError::Source("fails"))));
    }
}
