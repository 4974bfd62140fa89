//! Attacks by the archive: entries that are no files, or are elsewhere, twice, larger or smaller than they say.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use freehold_bundle::{COMPONENT_FILE, MANIFEST_FILE, Parts, YANK_FILE};
use tar::{EntryType, Header};

use super::{Attack, Operator, attack};

/// An archive, entry by entry, as no program would write it.
#[derive(Clone, Default)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    /// A file under any name, as `freehold plugin pack` writes its header.
    pub(crate) fn file(self, name: impl AsRef<[u8]>, data: &[u8]) -> Self {
        self.changed(name, data, |_| {})
    }

    /// A file whose header was changed. The checksum fits.
    pub(crate) fn changed(self, name: impl AsRef<[u8]>, data: &[u8], change: impl FnOnce(&mut Header)) -> Self {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.as_ref().len()].copy_from_slice(name.as_ref());
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        header.set_entry_type(EntryType::Regular);
        change(&mut header);
        header.set_cksum();
        self.raw(header.as_bytes()).raw(data).padded()
    }

    /// An entry that is no file.
    fn entry(self, kind: EntryType, name: &str, link: &str, data: &[u8]) -> Self {
        self.changed(name, data, |header| {
            header.set_entry_type(kind);
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        })
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn padded(mut self) -> Self {
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive in a bundle, with its end.
    pub(crate) fn unpacked(bundle: &[u8]) -> Self {
        let mut archive = Vec::new();
        GzDecoder::new(bundle).read_to_end(&mut archive).unwrap();
        Self(archive)
    }

    /// So that more can follow.
    pub(crate) fn without_end(&self) -> Self {
        Self(self.0[..self.0.len() - 1_024].to_vec())
    }

    /// The archive as it is.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// The two empty blocks, and gzip around it.
    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).cut()
    }

    /// Gzip around it as it is.
    pub(crate) fn cut(self) -> Vec<u8> {
        compressed(&self.0)
    }
}

pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An operator, the parts of a good plugin, and an archive that begins with its manifest.
fn begun() -> (Operator, Parts, Archive) {
    let operator = Operator::new();
    let parts = operator.parts();
    let archive = Archive::default().file(MANIFEST_FILE, &parts.manifest);
    (operator, parts, archive)
}

#[test]
fn the_archive_that_the_attacks_change_is_a_good_one() {
    let (operator, parts, archive) = begun();
    operator.add(&archive.file(COMPONENT_FILE, &parts.component).end()).expect(0).says(&["added to plugins/"]);
}

#[test]
fn entries_that_are_no_files() {
    let (operator, parts, archive) = begun();
    let kinds = [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a character device"),
        (EntryType::Block, "a block device"),
        (EntryType::Fifo, "a named pipe"),
        (EntryType::Directory, "a folder"),
        (EntryType::GNUSparse, "a sparse file"),
        (EntryType::Continuous, "an entry of type `7`"),
        (EntryType::new(b'Z'), "an entry of type `Z`"),
        (EntryType::new(0x1b), "an entry of type `\\x1b`"),
    ];
    let mut attacks = Vec::new();
    for (kind, says) in kinds {
        let entry = archive.clone().entry(kind, COMPONENT_FILE, "/etc/passwd", b"");
        attacks.push(attack(says, entry.clone().file(COMPONENT_FILE, &parts.component).end(), says));
    }
    let first = |kind, name| Archive::default().entry(kind, name, "../../../..", b"").raw(&archive.0);
    let whole = |archive: Archive| archive.file(COMPONENT_FILE, &parts.component);
    attacks.push(attack(
        "a link out, then files that go through it",
        whole(first(EntryType::Symlink, "freehold")).end(),
        "holds a symbolic link, `freehold`",
    ));
    attacks.push(attack("folders first", whole(first(EntryType::Directory, "./")).end(), "holds a folder, `./`"));
    attacks.push(attack(
        "a link behind the files",
        whole(archive.clone()).entry(EntryType::Symlink, YANK_FILE, "/etc/shadow", b"").end(),
        "holds a symbolic link, `yank.dsse.json`",
    ));
    operator.defend(attacks);
}

#[test]
fn names_that_lead_out_or_are_not_what_they_seem() {
    let (operator, parts, archive) = begun();
    let mut attacks = Vec::new();
    for (attempt, name, says) in [
        ("the folder above", &b"../component.wasm"[..], "`../component.wasm`, a file that no bundle has"),
        ("a file of the system", b"../../../../../../etc/cron.d/x", "`../../../../../../etc/cron.d/x`, a file"),
        ("an absolute path", b"/etc/passwd", "`/etc/passwd`, a file that no bundle has"),
        ("the same file otherwise", b"./component.wasm", "`./component.wasm`, a file"),
        ("a file that is a folder", b"component.wasm/", "`component.wasm/`, a file"),
        (
            "a place in the folder",
            b"freehold/hostile/1.0.0/component.wasm",
            "`freehold/hostile/1.0.0/component.wasm`, a",
        ),
        ("backslashes", b"..\\..\\component.wasm", "`..\\\\..\\\\component.wasm`, a file"),
        ("a drive", b"C:\\component.wasm", "`C:\\\\component.wasm`, a file"),
        ("a folder of a drive", b"C:component.wasm", "`C:component.wasm`, a file"),
        ("capital letters", b"COMPONENT.WASM", "`COMPONENT.WASM`, a file"),
        ("a space behind", b"component.wasm ", "`component.wasm `, a file"),
        ("a name that clears the screen", b"component.wasm\x1b[2J\x07", "`component.wasm\\x1b[2J\\x07`, a file"),
        ("a name of more lines", b"component.wasm\n\nverified", "`component.wasm\\n\\nverified`, a file"),
        ("a name from right to left", "component.wasm\u{202e}".as_bytes(), "`component.wasm\\xe2\\x80\\xae`, a file"),
        ("a name that is no UTF-8", b"\xff\xfe", "`\\xff\\xfe`, a file"),
        ("no name", b"", "``, a file"),
        ("another name behind a NUL", b"component.wasm\0.exe", "`component.wasm` with a `name` that it must not have"),
        ("a compiled component", b"component.cwasm", "`component.cwasm`, a file"),
    ] {
        attacks.push(attack(attempt, archive.clone().file(name, &parts.component).end(), says));
    }
    let prefixed = archive.changed(COMPONENT_FILE, &parts.component, |header| {
        header.as_mut_bytes()[345..349].copy_from_slice(b"/etc");
    });
    attacks.push(attack("an absolute prefix", prefixed.end(), "`/etc/component.wasm`, a file"));
    operator.defend(attacks);
}

#[test]
fn files_that_are_missing_too_many_or_out_of_place() {
    let (operator, Parts { manifest, component, .. }, archive) = begun();
    let empty = Archive::default;
    let good = archive.clone().file(COMPONENT_FILE, &component);
    operator.defend(vec![
        attack("an empty archive", empty().end(), "holds no `manifest.dsse.json`"),
        attack("no component", archive.clone().end(), "holds no `component.wasm`"),
        attack(
            "no manifest",
            empty().file(COMPONENT_FILE, &component).end(),
            "holds `component.wasm` where `manifest.dsse.json` has to be",
        ),
        attack(
            "a yank in the place of the component",
            archive.clone().file(YANK_FILE, b"{}").end(),
            "holds `yank.dsse.json` where `component.wasm` has to be",
        ),
        attack(
            "the component first",
            empty().file(COMPONENT_FILE, &component).file(MANIFEST_FILE, &manifest).end(),
            "holds `component.wasm` where `manifest.dsse.json` has to be",
        ),
        attack(
            "two manifests, of which another reader takes the last",
            archive.clone().file(MANIFEST_FILE, b"{}").file(COMPONENT_FILE, &component).end(),
            "holds `manifest.dsse.json` twice",
        ),
        attack(
            "two components, of which another reader takes the last",
            good.clone().file(COMPONENT_FILE, b"another").end(),
            "holds `component.wasm` twice",
        ),
        attack(
            "a second manifest at the end",
            good.clone().file(YANK_FILE, b"{}").file(MANIFEST_FILE, b"{}").end(),
            "holds `manifest.dsse.json` twice",
        ),
        attack("a file more", good.clone().file("README.md", b"run me").end(), "holds `README.md`, a file that no"),
        attack(
            "a compiled component for the cache",
            good.clone().file("cache/x.cwasm", b"\x7fELF").end(),
            "holds `cache/x.cwasm`, a file",
        ),
        attack(
            "a trust root of its own",
            good.clone().file(YANK_FILE, b"{}").file("trust/9.root.json", b"{}").end(),
            "holds `trust/9.root.json`, a file",
        ),
        attack("something between the two ends", good.raw(&[0; 512]).raw(&[b'x'; 512]).cut(), "behind its end"),
    ]);
}

#[test]
fn headers_that_say_of_the_next_what_it_is_not() {
    let (operator, parts, archive) = begun();
    let component = |archive: Archive| archive.file(COMPONENT_FILE, &parts.component).end();
    let extended = |kind, name: &str, data: &[u8]| component(archive.clone().entry(kind, name, "", data));
    operator.defend(vec![
        attack(
            "a path by PAX",
            extended(EntryType::XHeader, "PaxHeaders/component.wasm", b"30 path=../../../../etc/passwd\n"),
            "holds a header of PAX, `PaxHeaders/component.wasm`",
        ),
        attack(
            "a size by PAX",
            extended(EntryType::XHeader, "PaxHeaders/component.wasm", b"10 size=0\n"),
            "a header of PAX",
        ),
        attack(
            "a sparse file by PAX",
            extended(EntryType::XHeader, "x", b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"),
            "a header of PAX",
        ),
        attack(
            "a path for all by PAX",
            extended(EntryType::XGlobalHeader, "pax_global_header", b"13 path=/etc\n"),
            "a header of PAX",
        ),
        attack(
            "a long name by GNU tar",
            extended(EntryType::GNULongName, "././@LongLink", b"../../../../etc/passwd\0"),
            "a long name in the form of GNU tar, `././@LongLink`",
        ),
        attack(
            "a long link by GNU tar",
            extended(EntryType::GNULongLink, "././@LongLink", b"/etc/passwd\0"),
            "a long name in the form of GNU tar",
        ),
    ]);
}

#[test]
fn sizes_that_lie() {
    let (operator, Parts { manifest, component, .. }, archive) = begun();
    let sized = |size: u64| archive.clone().changed(COMPONENT_FILE, &component, |header| header.set_size(size));
    let written = |size: &[u8]| {
        archive.clone().changed(COMPONENT_FILE, &component, |header| {
            header.as_mut_bytes()[124..124 + size.len()].copy_from_slice(size);
        })
    };
    let large = |name, archive: Archive| Attack { code: 1, ..attack(name, archive.end(), "at most 33554432 are") };
    let length = component.len() as u64;
    operator.defend(vec![
        attack("more than there is", sized(length + 100_000).end(), "it ends within the archive"),
        attack("less than there is", sized(512).end(), "the header of entry 3 has a wrong checksum"),
        attack(
            "one byte less than there is",
            Archive::default()
                .changed(MANIFEST_FILE, &manifest, |header| header.set_size(manifest.len() as u64 - 1))
                .end(),
            if manifest.len() % 512 == 1 { "wrong checksum" } else { "with a `padding` that it must not have" },
        ),
        attack("nothing, with data behind", sized(0).end(), "the header of entry 3 has a wrong checksum"),
        attack("a size that is no number", written(b"99999999999").end(), "with a `size` that it must not have"),
        attack("a size below zero", written(b"-1\0\0\0\0\0\0\0\0\0").end(), "with a `size` that it must not have"),
        attack("a size in another form", written(&binary(length)).end(), "with a `size` that it must not have"),
        attack("a size without zeros", written(format!("{length:o}\0\0\0\0\0\0\0").as_bytes()).end(), "with a `size`"),
        large("8 GiB", sized((8 << 30) - 1)),
        large("16 EiB in binary", written(&binary(u64::MAX))),
        large("one byte more than the host allows", sized((32 << 20) + 1)),
    ]);
}

/// A number in the form for those that do not fit into the field: big-endian, with the first bit set.
fn binary(number: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&number.to_be_bytes());
    field
}

#[test]
fn what_could_be_hidden_in_a_header() {
    let (operator, parts, archive) = begun();
    let changed = |at: usize, bytes: &[u8]| {
        let change = |header: &mut Header| header.as_mut_bytes()[at..at + bytes.len()].copy_from_slice(bytes);
        archive.clone().changed(COMPONENT_FILE, &parts.component, change).end()
    };
    let named = |name, at, bytes: &[u8], says| attack(name, changed(at, bytes), says);
    let mut padded = archive.clone().file(COMPONENT_FILE, &parts.component);
    assert_ne!(parts.component.len() % 512, 0, "there is no padding");
    *padded.0.last_mut().unwrap() = b'x';
    let mut damaged = archive.clone().file(COMPONENT_FILE, &parts.component);
    let header = archive.0.len();
    damaged.0[header + 200] ^= 1;
    operator.defend(vec![
        named("a program for its owner", 100, b"0004755", "with a `mode` that it must not have"),
        named("an owner", 108, b"0001750", "with a `uid`"),
        named("a group", 116, b"0001750", "with a `gid`"),
        named("a time", 136, b"14777777777", "with a `mtime`"),
        named("the type of old files", 156, b"\0", "with a `typeflag`"),
        named("the target of a link", 157, b"/etc/passwd", "with a `linkname`"),
        named("the form of GNU tar", 257, b"ustar  \0", "with a `magic`"),
        named("a user", 265, b"root", "with a `uname`"),
        named("a group's name", 297, b"wheel", "with a `gname`"),
        named("a device", 329, b"0000001", "with a `devmajor`"),
        named("data behind the header", 500, b"hidden", "with a `padding`"),
        attack("data behind the file", padded.end(), "with a `padding`"),
        attack("a header that was damaged", damaged.end(), "the header of entry 2 has a wrong checksum"),
    ]);
}
