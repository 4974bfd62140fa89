//! The pages of a Parquet file: fetched one at a time, decompressed here, and weighed before anything is decoded.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::{CompressionCodec, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use crate::codec::Codec;
use crate::table::TableError;

/// Bytes of a page at most, compressed or not.
pub(crate) const PAGE_BYTES_MAX: usize = 64 << 20;
/// Bytes of the pages that are decoded for one batch at most.
pub(crate) const BATCH_PAGES_BYTES_MAX: usize = 512 << 20;
/// Bytes of the head of a page at most.
const HEAD_BYTES_MAX: u64 = 1 << 20;
/// Bytes that are fetched at a time for the head of a page.
const HEAD_READ_BYTES: usize = 512;
/// Bytes that a value in a list may take when it is decoded, beside its text.
const NESTED_VALUE_BYTES: usize = 24;

/// Bytes at any place of a file.
pub trait RandomAccess: Send + Sync + 'static {
    /// Why there are none.
    type Error: Send + 'static;

    /// How many bytes there are.
    fn length(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on; they are within the length.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::result::Result<(), Self::Error>;
}

/// A file, and what went wrong with it the last time.
pub(crate) struct Access<R: RandomAccess> {
    file: R,
    failure: Mutex<Option<R::Error>>,
}

impl<R: RandomAccess> Access<R> {
    pub(crate) fn new(file: R) -> Self {
        Self { file, failure: Mutex::new(None) }
    }

    pub(crate) fn file(&self) -> &R {
        &self.file
    }

    /// Why bytes could not be had, if that is what an error was about.
    pub(crate) fn take_failure(&self) -> Option<R::Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > self.file.length()) {
            return Err(ParquetError::General("a part lies behind the end of the file".into()));
        }
        let mut bytes = vec![0; length];
        self.file.read_at(offset, &mut bytes).map_err(|error| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            ParquetError::General("the file cannot be read".into())
        })?;
        Ok(bytes)
    }
}

impl<R: RandomAccess> Length for Access<R> {
    fn len(&self) -> u64 {
        self.file.length()
    }
}

impl<R: RandomAccess> ChunkReader for Shared<R> {
    type T = Head<R>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let end = self.0.len().min(start.saturating_add(HEAD_BYTES_MAX));
        Ok(Head { access: self.0.clone(), offset: start, end, bytes: Vec::new(), at: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if length > PAGE_BYTES_MAX {
            return Err(ParquetError::General(format!("a page has {length} bytes, at most {PAGE_BYTES_MAX} are read")));
        }
        Ok(self.0.read(start, length)?.into())
    }
}

/// A file that several columns read from.
pub(crate) struct Shared<R: RandomAccess>(pub(crate) Arc<Access<R>>);

impl<R: RandomAccess> Length for Shared<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

/// The head of a page, a few bytes at a time.
pub(crate) struct Head<R: RandomAccess> {
    access: Arc<Access<R>>,
    offset: u64,
    end: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl<R: RandomAccess> Read for Head<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.bytes.len() {
            let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            let length = left.min(HEAD_READ_BYTES);
            self.bytes = self.access.read(self.offset, length).map_err(std::io::Error::other)?;
            (self.at, self.offset) = (0, self.offset + length as u64);
        }
        let count = buffer.len().min(self.bytes.len() - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// What the pages of a batch weigh, and why one was refused; the columns of a row group share it.
#[derive(Debug, Default)]
pub(crate) struct Weight {
    bytes: AtomicUsize,
    refused: Mutex<Option<TableError>>,
}

impl Weight {
    /// Begins with the next batch.
    pub(crate) fn reset(&self) {
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Why a page was refused, if that is what an error was about.
    pub(crate) fn take_refusal(&self) -> Option<TableError> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, error: TableError) -> ParquetError {
        let told = ParquetError::General(error.to_string());
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        told
    }

    /// Bytes of all pages since the batch began, with those of one more.
    fn add(&self, bytes: usize) -> usize {
        self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes)
    }
}

/// The pages of a column in a row group.
pub(crate) struct Pages<R: RandomAccess> {
    pages: SerializedPageReader<Shared<R>>,
    name: String,
    codec: Option<Codec>,
    /// How deep its values are in lists, and how deep they can be missing.
    levels: (i16, i16),
    weight: Arc<Weight>,
}

/// How the pages of a column are compressed.
pub(crate) fn codec(column: &ColumnChunkMetaData) -> std::result::Result<Option<Codec>, CompressionCodec> {
    match column.compression_codec() {
        CompressionCodec::UNCOMPRESSED => Ok(None),
        CompressionCodec::SNAPPY => Ok(Some(Codec::Snappy)),
        CompressionCodec::GZIP => Ok(Some(Codec::Gzip)),
        CompressionCodec::ZSTD => Ok(Some(Codec::Zstd)),
        CompressionCodec::LZ4_RAW => Ok(Some(Codec::Lz4Block)),
        other => Err(other),
    }
}

impl<R: RandomAccess> Pages<R> {
    /// The pages of `column`, in a row group of `rows` rows.
    pub(crate) fn new(
        access: Arc<Access<R>>,
        column: &ColumnChunkMetaData,
        rows: usize,
        weight: Arc<Weight>,
    ) -> Result<Self> {
        let codec = codec(column).map_err(|codec| ParquetError::NYI(format!("{codec:?}")))?;
        // To the crate below nothing is compressed: its codecs are not built in, and know no limits.
        let builder = column.clone().into_builder().set_compression_codec(CompressionCodec::UNCOMPRESSED);
        let pages = SerializedPageReader::new(Arc::new(Shared(access)), &builder.build()?, rows, None)?;
        let name = column.column_descr().path().string();
        let levels = (column.column_descr().max_rep_level(), column.column_descr().max_def_level());
        Ok(Self { pages, name, codec, levels, weight })
    }

    fn plain(&self, bytes: &[u8]) -> Result<Bytes> {
        match self.codec {
            Some(codec) if !bytes.is_empty() => {
                let plain = codec.decompress(bytes, PAGE_BYTES_MAX).map_err(ParquetError::General)?;
                Ok(plain.into())
            }
            _ => Ok(Bytes::copy_from_slice(bytes)),
        }
    }

    fn decompress(&self, page: Page) -> Result<Page> {
        Ok(match page {
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                Page::DictionaryPage { buf: self.plain(&buf)?, num_values, encoding, is_sorted }
            }
            Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics } => {
                let buf = self.plain(&buf)?;
                Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, statistics }
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            } => {
                let levels = def_levels_byte_len as usize + rep_levels_byte_len as usize;
                if levels > buf.len() || num_nulls > num_values {
                    return Err(ParquetError::General("a page is shorter than its head says".into()));
                }
                let buf = match is_compressed && self.codec.is_some() {
                    true => Bytes::from([&buf[..levels], &self.plain(&buf[levels..])?[..]].concat()),
                    false => buf,
                };
                Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls,
                    num_rows,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed: false,
                    statistics,
                }
            }
        })
    }

    /// Refuses what would decode to more than its bytes let expect.
    fn weigh(&self, page: &Page) -> Result<()> {
        let (bytes, values) = (page.buffer().len(), page.num_values() as usize);
        if page.is_dictionary_page() && values > bytes {
            return Err(ParquetError::General("a dictionary has more values than bytes".into()));
        }
        // As many values as the page says it has, whatever it says of itself, take memory at once.
        if page.encoding() == Encoding::DELTA_LENGTH_BYTE_ARRAY && self.lengths(page).is_none_or(|count| count > values)
        {
            return Err(ParquetError::General("a page has other values than its head says".into()));
        }
        let refused = |problem: &str, expected: String| {
            Err(self.weight.refuse(TableError::of_column(&self.name, problem, expected)))
        };
        // Texts that repeat the beginning of the one before: a page can stand for any number of bytes.
        if page.encoding() == Encoding::DELTA_BYTE_ARRAY {
            let expected = "plain values, a dictionary or DELTA_LENGTH_BYTE_ARRAY".into();
            return refused("its values have the encoding DELTA_BYTE_ARRAY", expected);
        }
        let nested = if self.levels.0 > 0 { values.saturating_mul(NESTED_VALUE_BYTES) } else { 0 };
        match self.weight.add(bytes.saturating_add(nested)) {
            all if all <= BATCH_PAGES_BYTES_MAX => Ok(()),
            all => refused(
                &format!("the pages of a few rows take {all} bytes"),
                format!("at most {BATCH_PAGES_BYTES_MAX}; write smaller pages"),
            ),
        }
    }
}

impl<R: RandomAccess> Pages<R> {
    /// How many lengths of texts a page in DELTA_LENGTH_BYTE_ARRAY says that it has: behind the levels are the size of a block,
    /// its parts, and the number of lengths.
    fn lengths(&self, page: &Page) -> Option<usize> {
        let mut rest = &page.buffer()[..];
        match page {
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = (*def_levels_byte_len as usize).checked_add(*rep_levels_byte_len as usize)?;
                rest = rest.get(levels..)?;
            }
            Page::DataPage { def_level_encoding, rep_level_encoding, .. } => {
                for (level, encoding) in [(self.levels.0, rep_level_encoding), (self.levels.1, def_level_encoding)] {
                    if level > 0 {
                        let (length, levels) = rest.split_first_chunk::<4>().filter(|_| *encoding == Encoding::RLE)?;
                        rest = levels.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..)?;
                    }
                }
            }
            Page::DictionaryPage { .. } => return None,
        }
        let (_block, _parts, count) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
        usize::try_from(count).ok()
    }
}

/// A number in 7 bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl<R: RandomAccess> Iterator for Pages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: RandomAccess> PageReader for Pages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(page) = self.pages.get_next_page()? else { return Ok(None) };
        let page = self.decompress(page)?;
        self.weigh(&page)?;
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}
