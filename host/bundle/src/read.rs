//! Bytes to parts: which files there are, in which order and within which limits.

use freehold_archive::{Entry, Reader};

use crate::{BundleError, COMPONENT_FILE, Limits, MANIFEST_FILE, Part, Parts};

/// The parts of a bundle. They take no more memory than `limits` allow.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Parts, BundleError> {
    let mut archive = Reader::open(bytes)?;
    let manifest = file(&mut archive, Part::Manifest, limits)?.ok_or(BundleError::Missing(MANIFEST_FILE))?;
    let component = file(&mut archive, Part::Component, limits)?.ok_or(BundleError::Missing(COMPONENT_FILE))?;
    let yank = file(&mut archive, Part::Yank, limits)?;
    if yank.is_some()
        && let Some(entry) = archive.entry()?
    {
        return Err(misplaced(&entry, None));
    }
    archive.end()?;
    Ok(Parts { manifest, component, yank })
}

/// The file at which the archive is, which has to be `part`; nothing if the files end here.
fn file(archive: &mut Reader<&[u8]>, part: Part, limits: &Limits) -> Result<Option<Vec<u8>>, BundleError> {
    let Some(entry) = archive.entry()? else { return Ok(None) };
    if *entry.name() != *part.file().as_bytes() {
        return Err(misplaced(&entry, Some(part)));
    }
    Ok(Some(entry.read(part.limit(limits))?))
}

/// Why a file is not `expected`; without it, no file may follow any more. Every part before the expected one was there.
fn misplaced(entry: &Entry<'_, &[u8]>, expected: Option<Part>) -> BundleError {
    let part = Part::ALL.into_iter().find(|part| part.file().as_bytes() == &*entry.name());
    let Some(part) = part else { return BundleError::Foreign(entry.shown()) };
    match expected {
        Some(expected) if (part as usize) > (expected as usize) => {
            BundleError::Order { found: part.file(), expected: expected.file() }
        }
        _ => BundleError::Duplicate(part.file()),
    }
}
