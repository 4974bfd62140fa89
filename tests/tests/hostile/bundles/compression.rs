//! Attacks by the compression: bombs, and files that are cut off, damaged, or go on behind their end.

use flate2::{Compress, Compression, Crc, FlushCompress};
use freehold_bundle::{COMPONENT_FILE, MANIFEST_FILE};
use tar::EntryType;

use super::archives::{Archive, compressed};
use super::{Attack, Operator, attack, bundle, component, manifest};

const GIB: u64 = 1 << 30;
/// What the pieces of a bomb are made of.
const PIECE: usize = 16 << 20;

/// Gzip, piece by piece, so that a bomb of many gigabytes need never be held by who makes it.
struct Gzip {
    bytes: Vec<u8>,
    crc: Crc,
}

impl Gzip {
    fn new() -> Self {
        Self { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], crc: Crc::new() }
    }

    /// Compressed, and ended at a byte: what was compressed before is not referred to.
    fn piece(data: &[u8]) -> Vec<u8> {
        let mut piece = Vec::with_capacity(data.len() / 2 + 1_000);
        let mut compress = Compress::new(Compression::best(), false);
        compress.compress_vec(data, &mut piece, FlushCompress::Full).unwrap();
        assert_eq!(compress.total_in(), data.len() as u64);
        piece
    }

    fn data(mut self, data: &[u8]) -> Self {
        self.bytes.extend(Self::piece(data));
        self.crc.update(data);
        self
    }

    fn zeros(mut self, bytes: u64) -> Self {
        let zeros = vec![0; PIECE];
        let piece = Self::piece(&zeros);
        let mut crc = Crc::new();
        crc.update(&zeros);
        for _ in 0..bytes / PIECE as u64 {
            self.bytes.extend_from_slice(&piece);
            self.crc.combine(&crc);
        }
        self
    }

    /// The last block, empty, then checksum and length.
    fn end(mut self) -> Vec<u8> {
        self.bytes.extend([3, 0]);
        self.bytes.extend(self.crc.sum().to_le_bytes());
        self.bytes.extend(self.crc.amount().to_le_bytes());
        self.bytes
    }
}

/// A header that says how many zeros follow, and they do.
fn zeros(name: &str, bytes: u64) -> Gzip {
    sized(name, bytes).zeros(bytes)
}

/// A header that says how much follows.
fn sized(name: &str, bytes: u64) -> Gzip {
    let mut archive = Archive::default();
    if name == COMPONENT_FILE {
        archive = archive.file(MANIFEST_FILE, b"{}");
    }
    let archive = archive.changed(name, b"", |header| header.set_size(bytes));
    Gzip::new().data(&archive.bytes())
}

#[test]
fn bombs_are_decompressed_up_to_a_limit_and_no_further() {
    let operator = Operator::new();
    let good = Archive::unpacked(&bundle(&operator.parts()));
    let large = |name, bundle, says| Attack { code: 1, ..attack(name, bundle, says) };
    let many = |name: &str| {
        let mut archive = good.without_end();
        for _ in 0..100_000 {
            archive = archive.file(name, b"");
        }
        archive.end()
    };
    let bomb = Gzip::new().zeros(4 * GIB).end();
    assert!(bomb.len() < 8 << 20);
    let long_name = Archive::default().changed("././@LongLink", b"", |header| {
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(4 * GIB);
    });
    let empty_blocks = [0, 0, 0, 0xff, 0xff].repeat(1 << 20);
    operator.defend(vec![
        large("a component of 4 GiB", zeros(COMPONENT_FILE, 4 * GIB).end(), "at most 33554432 are allowed here"),
        large("a manifest of 4 GiB", zeros(MANIFEST_FILE, 4 * GIB).end(), "at most 1048576 are allowed here"),
        attack(
            "a component of 4 GiB that says it has 10 bytes",
            sized(COMPONENT_FILE, 10).zeros(4 * GIB).end(),
            "the bundle has something behind its end",
        ),
        attack(
            "a component as large as is allowed, of zeros",
            zeros(COMPONENT_FILE, 32 << 20).zeros(PIECE as u64).end(),
            "something behind its end",
        ),
        attack("zeros behind the end", Gzip::new().data(&good.bytes()).zeros(4 * GIB).end(), "behind its end"),
        attack("zeros and nothing else", bomb.clone(), "holds no `manifest.dsse.json`"),
        attack("a second member of zeros", [bundle(&operator.parts()), bomb.clone()].concat(), "behind its end"),
        attack("a bomb in a bundle in gzip", compressed(&bomb), "the header of entry 1 has a wrong checksum"),
        attack("a bundle in gzip", compressed(&bundle(&operator.parts())), "entry 1 has a wrong checksum"),
        attack("a hundred thousand yanks", many("yank.dsse.json"), "holds `yank.dsse.json` twice"),
        attack("a hundred thousand other files", many("x"), "holds `x`, a file that no bundle has"),
        attack(
            "a name of 4 GiB",
            Gzip::new().data(&long_name.bytes()).zeros(4 * GIB).end(),
            "a long name in the form of GNU tar",
        ),
        attack(
            "a million blocks of nothing",
            [&Gzip::new().bytes[..], &empty_blocks[..]].concat(),
            "the bundle was cut off",
        ),
    ]);
}

/// The measurement sees what is taken, and what a plugin may have is no attack.
#[test]
fn a_component_as_large_as_is_allowed_is_taken_in_bounded_memory() {
    let operator = Operator::new();
    // A custom section that cannot be compressed.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let length = (32 << 20) - component().len() - 6;
    let mut large = component().to_vec();
    large.extend([0, 0x80 | (length & 0x7f) as u8, 0x80 | (length >> 7 & 0x7f) as u8]);
    large.extend([0x80 | (length >> 14 & 0x7f) as u8, (length >> 21) as u8, 1]);
    large.extend(noise.take(length - 1));
    large[component().len() + 6] = b'x';
    assert!(large.len() <= 32 << 20);
    let mut parts = operator.parts();
    let mut manifest = manifest(&large);
    manifest.limits.component_bytes = 32 << 20;
    parts.manifest = freehold_trust::sign_plugin(&manifest, &operator.key).unwrap().to_bytes();
    parts.component = large;
    operator.write("large.plugin", &bundle(&parts));
    let (outcome, peak) = operator.measured(&["plugin", "add", "large.plugin"]);
    outcome.expect(0).says(&["added to plugins/freehold/hostile/1.0.0"]);
    assert!((48 << 20..super::MEMORY_LIMIT).contains(&peak), "{peak}");
}

#[test]
fn files_that_are_no_bundle_cut_off_or_damaged() {
    let operator = Operator::new();
    let good = bundle(&operator.parts());
    let archive = Archive::unpacked(&good).bytes();
    let changed = |at: usize, byte: u8| {
        let mut changed = good.clone();
        changed[at] ^= byte;
        changed
    };
    let cut = |length: usize| good[..length].to_vec();
    let (length, no_gzip) = (good.len(), "the bundle does not begin as gzip does");
    let named = [&good[..3], &[8], &good[4..10], b"evil\x1b[2J\0", &good[10..]].concat();
    operator.defend(vec![
        attack("an empty file", vec![], "the bundle is empty"),
        attack("a text", b"please trust me".to_vec(), no_gzip),
        attack("a component", component().to_vec(), no_gzip),
        attack("an archive without gzip", archive.clone(), no_gzip),
        attack("a zip archive", b"PK\x03\x04\x14\0\0\0\x08\0".repeat(100), no_gzip),
        attack("zstd", [&[0x28, 0xb5, 0x2f, 0xfd][..], &good].concat(), no_gzip),
        attack("a method that gzip has not", changed(2, 1), no_gzip),
        attack("a file name in gzip's header", named, "carries optional fields in its gzip header"),
        attack("reserved bits in gzip's header", changed(3, 0x80), "carries optional fields in its gzip header"),
        attack("gzip's magic bytes alone", cut(2), "the bundle was cut off"),
        attack("gzip's header alone", cut(10), "the bundle was cut off"),
        attack("half of it", cut(length / 2), "the bundle was cut off"),
        attack("all but the checksum", cut(length - 8), "the bundle was cut off"),
        attack("all but a byte", cut(length - 1), "the bundle was cut off"),
        attack("gzip of nothing", compressed(b""), "the bundle was cut off"),
        attack("an archive cut in a header", compressed(&archive[..300]), "the bundle was cut off"),
        attack("an archive cut in the component", compressed(&archive[..archive.len() - 2_000]), "was cut off"),
        attack("an archive without its end", compressed(&archive[..archive.len() - 1_024]), "was cut off"),
        attack("an archive with half of its end", compressed(&archive[..archive.len() - 512]), "was cut off"),
        attack("a wrong checksum", changed(length - 8, 1), "the bundle was damaged: corrupt gzip stream"),
        attack("a wrong length", changed(length - 1, 1), "the bundle was damaged: corrupt gzip stream"),
        attack("a block of no kind", changed(10, 6), "the bundle was"),
        attack("a byte behind the end", [&good[..], b"\0"].concat(), "the bundle has something behind its end"),
        attack("a script behind the end", [&good[..], b"\n#!/bin/sh\n"].concat(), "something behind its end"),
        attack("a second bundle behind the end", [&good[..], &good].concat(), "something behind its end"),
        attack("empty blocks behind the end", compressed(&[&archive[..], &[0; 8_192]].concat()), "behind its end"),
    ]);
}
