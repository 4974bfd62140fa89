//! Packs whose archive is not as it has to be: cut off, damaged, with other entries, or larger than anything.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use freehold_archive::Writer;
use freehold_core::digest::Digest;
use tar::{EntryType, Header};

use crate::stranger::{Stranger, pack, promoted};

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut archive).unwrap();
    archive
}

fn compressed(archive: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(archive).unwrap();
    gzip.finish().unwrap()
}

/// An archive that begins with `pack.json` and goes on with this file.
fn with(name: &str, data: &[u8]) -> Vec<u8> {
    let mut archive = Writer::new(Vec::new());
    archive.file("pack.json", b"{\"format\":\"freehold-pack/1\",\"run\":\"desk-1\"}").unwrap();
    archive.file(name, data).unwrap();
    archive.finish().unwrap()
}

/// A header of another kind in front of the good archive.
fn led_by(kind: EntryType, name: &str, link: &str, good: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(0);
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    compressed(&[header.as_bytes().as_slice(), &unpacked(good)].concat())
}

#[test]
fn what_is_no_pack_is_refused_by_name() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    let good = pack(&project, &[]);
    let archive = unpacked(&good);
    let first = 1024;
    let swapped = [&archive[first..first + 512], &archive[..first], &archive[first..]].concat();
    for (attack, bytes, says) in [
        ("an empty file", vec![], "the pack is empty"),
        ("a text", b"trust me".to_vec(), "does not begin as gzip does"),
        ("a bundle of a plugin", with_bundle(), "`manifest.dsse.json`, a file that no pack has"),
        ("a byte behind the end", [&good[..], b"\0"].concat(), "something behind its end"),
        ("twice", [&good[..], &good[..]].concat(), "something behind its end"),
        ("blocks behind the end", compressed(&[&archive[..], &[0; 4096]].concat()), "something behind its end"),
        ("the folder above", with("../x", b""), "`../x`, a file that no pack has"),
        ("an absolute path", with("/etc/passwd", b""), "`/etc/passwd`, a file that no pack has"),
        ("the folder above below", with("blobs/sha256/../../x", b""), "a file that no pack has"),
        ("a number with a zero", with("trust/01.root.json", b""), "a file that no pack has"),
        ("large digits", with(&format!("blobs/sha256/{}", "A".repeat(64)), b""), "a file that no pack has"),
        ("a symbolic link", led_by(EntryType::Symlink, "pack.json", "/etc/passwd", &good), "a symbolic link"),
        ("a hard link", led_by(EntryType::Link, "pack.json", "/etc/passwd", &good), "a hard link"),
        ("a folder", led_by(EntryType::Directory, "blobs/", "", &good), "a folder"),
        ("a device", led_by(EntryType::Char, "pack.json", "", &good), "a character device"),
        ("a file twice", compressed(&[&archive[..first], &archive].concat()), "behind its place or twice"),
        ("another order", compressed(&swapped), "the pack holds"),
        ("no trust root", with("ledger/checkpoint", b""), "holds no `trust/1.root.json`"),
        ("no tree head", with("trust/1.root.json", b""), "holds no `ledger/checkpoint`"),
        ("a gap", with("trust/2.root.json", b""), "holds no `trust/1.root.json`"),
        ("another format", other_format(), "is of another format"),
    ] {
        let outcome = stranger.verify(&bytes, &[]);
        assert_eq!(outcome.code, 4, "{attack}: {}{}", outcome.stdout, outcome.stderr);
        drop(outcome.says(&[says]));
    }
}

fn other_format() -> Vec<u8> {
    let mut archive = Writer::new(Vec::new());
    archive.file("pack.json", b"{\"format\":\"freehold-pack/2\",\"run\":\"desk-1\"}").unwrap();
    archive.file("trust/1.root.json", b"{}").unwrap();
    archive.file("ledger/checkpoint", b"").unwrap();
    archive.finish().unwrap()
}

fn with_bundle() -> Vec<u8> {
    let parts = freehold_bundle::Parts { manifest: b"{}".as_slice(), component: b"", yank: None };
    freehold_bundle::write(&parts).unwrap()
}

/// Wherever a byte is changed, in the file or in the archive, it is found, or what is said stays the same.
#[test]
fn a_changed_byte_is_found_or_means_nothing() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    let good = pack(&project, &[]);
    let said = stranger.verify(&good, &["--json"]).expect(0).stdout;
    let (archive, mut same) = (unpacked(&good), 0);
    let spread = |length: usize, count: usize| (0..count).map(move |n| n * (length - 1) / (count - 1));
    let in_file = (0..12).chain(spread(good.len(), 40)).map(|at| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        (format!("byte {at} of the file"), changed)
    });
    let in_archive = spread(archive.len(), 160).map(|at| {
        let mut changed = archive.clone();
        changed[at] ^= 1;
        (format!("byte {at} of the archive"), compressed(&changed))
    });
    let cut = spread(good.len(), 24).map(|length| (format!("{length} bytes"), good[..length].to_vec()));
    for (attack, bytes) in in_file.chain(in_archive).chain(cut) {
        let outcome = stranger.verify(&bytes, &["--json"]);
        match outcome.code {
            0 => {
                assert_eq!(outcome.stdout, said, "{attack}");
                same += 1;
            }
            code => assert_eq!(code, 4, "{attack}: {}{}", outcome.stdout, outcome.stderr),
        }
    }
    // Time and system in gzip's header.
    assert!(same <= 8, "{same}");
}

/// A pack of little that becomes much: memory stays bounded, and the error says which limit it was.
#[test]
fn bombs_exhaust_nothing() {
    const KIBIBYTES: u32 = 1 << 20;
    let project = promoted();
    let stranger = Stranger::of(&project);
    let zeros = vec![0; 16 << 20];
    let mut large = Writer::new(Vec::new());
    large.file("pack.json", b"{\"format\":\"freehold-pack/1\",\"run\":\"desk-1\"}").unwrap();
    let mut blobs: Vec<_> = (0..18_u8).map(|last| [&zeros[1..], &[last]].concat()).collect();
    blobs.sort_by_key(|blob| Digest::of(blob));
    for blob in &blobs {
        large.file(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob).unwrap();
    }
    let many = |count: usize| {
        let mut archive = Writer::new(Vec::new());
        (0..count).for_each(|index| archive.file(&format!("ledger/{index}.tlog-proof"), b"").unwrap());
        archive.finish().unwrap()
    };
    for (attack, bytes, says) in [
        ("zeros", compressed(&zeros), "something behind its end"),
        ("a large trust root", with("trust/1.root.json", &vec![b' '; 2 << 20]), "at most 1048576 are allowed"),
        ("a large proof", with("ledger/0.tlog-proof", &vec![b' '; 2 << 20]), "at most 1048576 are allowed"),
        ("much that is held", large.finish().unwrap(), "more than 268435456 bytes"),
        ("many files", many(65_537), "more than 65536 files"),
    ] {
        let outcome = stranger.verify_within(KIBIBYTES, &bytes);
        assert_eq!(outcome.code, 4, "{attack}: {}{}", outcome.stdout, outcome.stderr);
        drop(outcome.says(&[says]));
    }
}
