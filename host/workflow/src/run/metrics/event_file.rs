//! Event files of TensorBoard: records with check sums, each a message of Protocol Buffers. Only what is written is here.
//!
//! The framing is that of `tensorflow/core/lib/io/record_writer.cc`; numbers and types of the fields are those of
//! `tensorflow/core/util/event.proto` and `tensorflow/core/framework/summary.proto`.

use crc::{CRC_32_ISCSI, Crc};

/// The Castagnoli polynomial.
static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// `Event`.
mod event {
    pub(super) const WALL_TIME: u64 = 1;
    pub(super) const STEP: u64 = 2;
    pub(super) const FILE_VERSION: u64 = 3;
    pub(super) const SUMMARY: u64 = 5;
    pub(super) const SESSION_LOG: u64 = 7;
}

/// `SessionLog`.
mod session_log {
    pub(super) const STATUS: u64 = 1;
    pub(super) const START: u64 = 1;
}

/// `Summary`, and `Summary.Value` in it.
mod summary {
    pub(super) const VALUE: u64 = 1;
    pub(super) const TAG: u64 = 1;
    pub(super) const SIMPLE_VALUE: u64 = 2;
}

/// The beginning of a file, of which `step` is the first step: TensorBoard forgets what the files before it say of that step
/// and of those after it. `time` is in seconds since 1970, here and below.
pub(super) fn beginning(time: f64, step: u64) -> Vec<u8> {
    let mut session = Message::default();
    session.varint(session_log::STATUS, session_log::START);
    let version = event(time, 0, |event| event.bytes(event::FILE_VERSION, VERSION.as_bytes()));
    let start = event(time, step, |event| event.bytes(event::SESSION_LOG, &session.0));
    [version, start].concat()
}

/// Values of one step by their tags.
pub(super) fn scalars(time: f64, step: u64, values: &[(&str, f32)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in values {
        let mut entry = Message::default();
        entry.bytes(summary::TAG, tag.as_bytes());
        entry.fixed32(summary::SIMPLE_VALUE, value.to_bits());
        summary.bytes(summary::VALUE, &entry.0);
    }
    event(time, step, |event| event.bytes(event::SUMMARY, &summary.0))
}

fn event(time: f64, step: u64, what: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = Message::default();
    message.fixed64(event::WALL_TIME, time.to_bits());
    message.varint(event::STEP, step);
    what(&mut message);
    record(&message.0)
}

/// Length, check sum of the length, data, check sum of the data; little-endian.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_checksum(&length).to_le_bytes());
    record.extend_from_slice(data);
    record.extend_from_slice(&masked_checksum(data).to_le_bytes());
    record
}

/// Masked as in `tensorflow/core/lib/hash/crc32c.h`, because the check sum of bytes that hold check sums is a bad one.
fn masked_checksum(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A message of Protocol Buffers: its fields, one after the other.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.number(field << 3);
        self.number(value);
    }

    fn fixed64(&mut self, field: u64, bits: u64) {
        self.number(field << 3 | 1);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.number(field << 3 | 2);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn fixed32(&mut self, field: u64, bits: u32) {
        self.number(field << 3 | 5);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_sums_are_those_of_the_published_vectors() {
        // RFC 3720, B.4.
        assert_eq!(CRC32C.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC32C.checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn numbers_of_any_length_are_written() {
        let written = |value| {
            let mut message = Message::default();
            message.number(value);
            message.0
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [0x7f]);
        assert_eq!(written(300), [0xac, 0x02]);
        assert_eq!(written(u64::MAX), [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    }

    #[test]
    fn an_event_is_the_bytes_that_tensorboard_reads() {
        // event_pb2.Event(wall_time=1.5, step=300, summary=Summary(value=[Value(tag="a", simple_value=0.5)]))
        let data = [9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 16, 0xac, 2, 42, 10, 10, 8, 10, 1, b'a', 21, 0, 0, 0, 0x3f];
        let written = scalars(1.5, 300, &[("a", 0.5)]);
        assert_eq!(written[..8], 24_u64.to_le_bytes());
        assert_eq!(written[12..36], data);
        assert_eq!(written.len(), 40);
    }
}
