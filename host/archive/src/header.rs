//! The header of an entry: how it has to be, and what is said of one that is not so.

use tar::{EntryType, Header};

use crate::ArchiveError;

/// Size of a block of the archive, in bytes.
pub(crate) const BLOCK: usize = 512;

/// The fields of a header, and where they end.
const FIELDS: [(&str, usize); 17] = [
    ("name", 100),
    ("mode", 108),
    ("uid", 116),
    ("gid", 124),
    ("size", 136),
    ("mtime", 148),
    ("chksum", 156),
    ("typeflag", 157),
    ("linkname", 257),
    ("magic", 263),
    ("version", 265),
    ("uname", 297),
    ("gname", 329),
    ("devmajor", 337),
    ("devminor", 345),
    ("prefix", 500),
    ("padding", BLOCK),
];

/// Names of strangers are shown up to here.
const SHOWN_BYTES: usize = 100;

/// The one header that a file of this name and size has.
pub(crate) fn canonical(file: &[u8], bytes: u64) -> Header {
    let mut header = Header::new_ustar();
    for (place, byte) in header.as_mut_bytes().iter_mut().zip(file) {
        *place = *byte;
    }
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes);
    header.set_cksum();
    header
}

/// How many zero bytes follow a file of this size.
pub(crate) fn padding(bytes: u64) -> usize {
    (BLOCK - (bytes % BLOCK as u64) as usize) % BLOCK
}

/// An error unless the header has its own checksum and is that of a regular file. `entry` counts from 1.
pub(crate) fn check(header: &Header, entry: usize) -> Result<(), ArchiveError> {
    let mut summed = header.clone();
    summed.set_cksum();
    match (header.cksum(), summed.cksum()) {
        (Ok(said), Ok(found)) if said == found => {}
        _ => return Err(ArchiveError::HeaderChecksum { entry }),
    }
    match header.entry_type() {
        EntryType::Regular => Ok(()),
        other => Err(ArchiveError::Kind { name: shown(&header.path_bytes()), kind: kind(other) }),
    }
}

/// The size that a header says, if it is within `limit` and the header is the one that a file of this name and size has.
pub(crate) fn size(header: &Header, limit: u64) -> Result<u64, ArchiveError> {
    let name = header.path_bytes();
    let not = |field| ArchiveError::NotCanonical { file: shown(&name), field };
    let bytes = header.entry_size().map_err(|_| not("size"))?;
    if bytes > limit {
        return Err(ArchiveError::TooLarge { file: shown(&name), bytes, limit });
    }
    match differing(header.as_bytes(), canonical(&name, bytes).as_bytes()) {
        Some(field) => Err(not(field)),
        None => Ok(bytes),
    }
}

/// The first field in which two headers differ, apart from the checksum, which differs if another does.
fn differing(found: &[u8; BLOCK], expected: &[u8; BLOCK]) -> Option<&'static str> {
    let at = |from: usize, to: usize| found.get(from..to) != expected.get(from..to);
    let from = FIELDS.iter().scan(0, |from, (_, to)| Some(std::mem::replace(from, *to)));
    let mut differing = from.zip(FIELDS).filter(|(from, (_, to))| at(*from, *to)).map(|(_, (field, _))| field);
    let first = differing.next()?;
    Some(if first == "chksum" { differing.next().unwrap_or(first) } else { first })
}

/// A stranger's name, without what a terminal would act on.
pub(crate) fn shown(name: &[u8]) -> String {
    let cut = name.get(..SHOWN_BYTES).unwrap_or(name);
    cut.escape_ascii().to_string()
}

fn kind(kind: EntryType) -> String {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink => "a symbolic link",
        EntryType::Char => "a character device",
        EntryType::Block => "a block device",
        EntryType::Directory => "a folder",
        EntryType::Fifo => "a named pipe",
        EntryType::GNULongName | EntryType::GNULongLink => "a long name in the form of GNU tar",
        EntryType::GNUSparse => "a sparse file",
        EntryType::XGlobalHeader | EntryType::XHeader => "a header of PAX",
        other => return format!("an entry of type `{}`", other.as_byte().escape_ascii()),
    }
    .into()
}
