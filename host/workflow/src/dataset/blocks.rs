//! A file that is read at any place, and whose bytes are those of its digest all the same: it is read once from end to end,
//! the digest of each block is kept, and a block that is read later has to have it.

use std::collections::VecDeque;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::File;
use freehold_core::digest::{Digest, Hasher};
use freehold_rows::RandomAccess;

use crate::WorkflowError;
use crate::project::Place;

/// Bytes of a block. What is kept of each is 32 bytes.
const BLOCK_BYTES: usize = 1 << 20;
/// Blocks that stay in memory: the columns of a table are read side by side.
const BLOCKS_KEPT: usize = 32;

/// The blocks of a file.
pub(super) struct Blocks {
    place: Place,
    bytes: u64,
    digest: Digest,
    digests: Vec<Digest>,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// The blocks that were used last, by their numbers.
    kept: VecDeque<(u64, Vec<u8>)>,
    /// The furthest byte that was read.
    read: u64,
}

impl Blocks {
    /// Reads the whole file once.
    pub(super) fn new(place: Place, mut file: File) -> Result<Self, WorkflowError> {
        let (mut hasher, mut digests, mut bytes) = (Hasher::new(), Vec::new(), 0);
        let mut block = Vec::new();
        loop {
            block.clear();
            let read = (&mut file).take(BLOCK_BYTES as u64).read_to_end(&mut block);
            read.map_err(|error| place.failed(error))?;
            if block.is_empty() {
                break;
            }
            hasher.update(&block);
            digests.push(Digest::of(&block));
            bytes += block.len() as u64;
        }
        let state = Mutex::new(State { file, kept: VecDeque::new(), read: 0 });
        Ok(Self { place, bytes, digest: hasher.finish(), digests, state })
    }

    /// The digest of the whole file.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How far the file was read.
    pub(super) fn read(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).read
    }

    /// Gives the block `number` to `take`, and keeps it.
    fn with_block<T>(
        &self,
        state: &mut State,
        number: u64,
        take: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, WorkflowError> {
        let changed = || self.place.failed("the file changed while it was read; start again");
        let block = match state.kept.iter().position(|(kept, _)| *kept == number) {
            Some(at) => state.kept.remove(at).map(|(_, block)| block),
            None => None,
        };
        let block = match block {
            Some(block) => block,
            None => {
                let mut block = Vec::new();
                let mut read = || {
                    state.file.seek(SeekFrom::Start(number * BLOCK_BYTES as u64))?;
                    (&mut state.file).take(BLOCK_BYTES as u64).read_to_end(&mut block)
                };
                read().map_err(|error| self.place.failed(error))?;
                let expected = usize::try_from(number).ok().and_then(|number| self.digests.get(number));
                if expected != Some(&Digest::of(&block)) {
                    return Err(changed());
                }
                block
            }
        };
        let taken = take(&block).ok_or_else(changed);
        if state.kept.len() == BLOCKS_KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back((number, block));
        taken
    }
}

impl RandomAccess for Blocks {
    type Error = WorkflowError;

    fn length(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), WorkflowError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let (number, within) = (at / BLOCK_BYTES as u64, (at % BLOCK_BYTES as u64) as usize);
            filled += self.with_block(&mut state, number, |block| {
                let rest = block.get(within..).filter(|rest| !rest.is_empty())?;
                let count = rest.len().min(buffer.len() - filled);
                buffer[filled..filled + count].copy_from_slice(&rest[..count]);
                Some(count)
            })?;
            state.read = state.read.max(offset + filled as u64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use cap_std::fs::{Dir, OpenOptions};

    use super::*;

    #[test]
    fn bytes_are_those_of_the_digest_wherever_they_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let bytes: Vec<u8> = (0..2 * BLOCK_BYTES + 5).map(|at| (at / 7) as u8).collect();
        dir.write("file", &bytes).unwrap();
        let place = Place::in_dir(dir.try_clone().unwrap(), "file");
        let blocks = Blocks::new(place, dir.open("file").unwrap()).unwrap();
        assert_eq!((blocks.digest(), blocks.bytes()), (Digest::of(&bytes), bytes.len() as u64));
        for (at, length) in [(0, 4), (BLOCK_BYTES - 3, 9), (3, 2 * BLOCK_BYTES), (bytes.len() - 4, 4), (9, 0)] {
            let mut buffer = vec![0; length];
            blocks.read_at(at as u64, &mut buffer).unwrap();
            assert!(buffer == bytes[at..at + length], "{at} {length}");
        }
        // A block that is in memory is what it was; one that has to be read again is not.
        let mut file = dir.open_with("file", OpenOptions::new().write(true)).unwrap();
        file.write_all(b"other").unwrap();
        assert!(blocks.read_at(0, &mut [0; 4]).is_ok());
        let blocks = Blocks {
            state: Mutex::new(State { kept: VecDeque::new(), ..blocks.state.into_inner().unwrap() }),
            ..blocks
        };
        let error = blocks.read_at(0, &mut [0; 4]).unwrap_err().to_string();
        assert!(error.contains("the file changed while it was read"), "{error}");
        assert!(blocks.read_at(BLOCK_BYTES as u64, &mut [0; 4]).is_ok());
    }
}
