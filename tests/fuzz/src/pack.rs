//! The evidence of a run in one file: bytes as the file, and bytes as the archive in it, which no search would compress by itself.

use freehold_core::digest::Digest;
use freehold_pack::{Blob, PackError, read, write};

use crate::bundle::{archive, compressed, summed};

/// The first byte says what the others are: the file, the archive, or an archive whose checksums are to be set right.
pub fn run(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    match which % 3 {
        0 => look(rest),
        1 => look(&compressed(rest)),
        _ => look(&compressed(&summed(rest))),
    }
}

fn look(bytes: &[u8]) {
    let pack = match read(bytes) {
        Ok(pack) => pack,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            assert!(!matches!(error, PackError::Total { .. }), "no input is so large");
            return;
        }
    };
    assert!(!pack.roots.is_empty());
    for (digest, blob) in &pack.blobs {
        match blob {
            Blob::Held(bytes) => assert_eq!(Digest::of(bytes), *digest),
            // There is nothing left to write.
            Blob::Hashed { .. } => return,
        }
    }
    let written = write(&pack, &(), Vec::new()).expect("it is written to memory");
    assert_eq!(read(&written[..]).as_ref(), Ok(&pack));
    // One archive for each pack: nobody else can see something else in it.
    assert_eq!(archive(bytes), archive(&written));
}
