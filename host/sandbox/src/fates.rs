//! What became of each row of a long stream, in two bits a row at most: a stream of ten gigabytes has a hundred million rows.

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet.
    Open = 0,
    /// It came out.
    Out = 1,
    /// It was dropped.
    Dropped = 2,
}

/// Rows that are kept together.
const CHUNK_ROWS: usize = 4096;
const CHUNK_BYTES: usize = CHUNK_ROWS / 4;

#[derive(Debug)]
enum Chunk {
    /// All rows had the same fate; most chunks of most streams end so.
    All(Fate),
    /// Two bits a row, and how many rows are open.
    Each { bits: Box<[u8; CHUNK_BYTES]>, open: usize },
}

/// The fates of a run of rows. They begin open, and what is settled stays so.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    chunks: Vec<Chunk>,
    rows: u64,
}

fn place(at: u64) -> (usize, usize) {
    ((at / CHUNK_ROWS as u64) as usize, (at % CHUNK_ROWS as u64) as usize)
}

impl Fates {
    pub(crate) fn len(&self) -> u64 {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.rows = 0;
    }

    /// Adds open rows.
    pub(crate) fn add(&mut self, rows: u64) {
        self.rows += rows;
        let chunks = self.rows.div_ceil(CHUNK_ROWS as u64) as usize;
        self.chunks.resize_with(chunks, || Chunk::All(Fate::Open));
    }

    /// The fate of a row that is there.
    pub(crate) fn get(&self, at: u64) -> Fate {
        let (chunk, row) = place(at);
        match self.chunks.get(chunk) {
            Some(Chunk::All(fate)) => *fate,
            Some(Chunk::Each { bits, .. }) => match bits[row / 4] >> (row % 4 * 2) & 3 {
                0 => Fate::Open,
                1 => Fate::Out,
                _ => Fate::Dropped,
            },
            None => Fate::Open,
        }
    }

    /// Settles a row that is there and open.
    pub(crate) fn settle(&mut self, at: u64, fate: Fate) {
        let (chunk, row) = place(at);
        let Some(chunk) = self.chunks.get_mut(chunk) else { return };
        if let Chunk::All(_) = chunk {
            // Rows that have not come yet are open too, so that a chunk is only ever whole when it is full.
            *chunk = Chunk::Each { bits: Box::new([0; CHUNK_BYTES]), open: CHUNK_ROWS };
        }
        let Chunk::Each { bits, open } = chunk else { return };
        bits[row / 4] |= (fate as u8) << (row % 4 * 2);
        *open -= 1;
        let all = fate as u8 * 0b0101_0101;
        if *open == 0 && bits.iter().all(|byte| *byte == all) {
            *chunk = Chunk::All(fate);
        }
    }

    /// The first row that is open.
    pub(crate) fn first_open(&self) -> Option<u64> {
        let open = |chunk: &Chunk| matches!(chunk, Chunk::All(Fate::Open) | Chunk::Each { open: 1.., .. });
        let chunks = self.chunks.iter().enumerate().filter(|(_, chunk)| open(chunk));
        let mut rows = chunks.flat_map(|(chunk, _)| {
            let first = (chunk * CHUNK_ROWS) as u64;
            first..(first + CHUNK_ROWS as u64).min(self.rows)
        });
        rows.find(|row| self.get(*row) == Fate::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_are_those_of_a_plain_list() {
        let rows = 3 * CHUNK_ROWS as u64 + 100;
        let fate_of = |row: u64| match row {
            row if row < CHUNK_ROWS as u64 => Fate::Dropped,
            row if row % 3 == 0 => Fate::Dropped,
            _ => Fate::Out,
        };
        let mut fates = Fates::default();
        assert_eq!((fates.first_open(), fates.is_empty()), (None, true));
        let mut settled = 0;
        // In pieces that fit no chunk, and backwards within them.
        for piece in [1, 1000, 5000, rows - 6001] {
            fates.add(piece);
            assert_eq!(fates.first_open(), Some(settled));
            for row in (settled..settled + piece).rev() {
                assert_eq!(fates.get(row), Fate::Open);
                fates.settle(row, fate_of(row));
            }
            settled += piece;
            assert_eq!(fates.first_open(), None);
        }
        assert_eq!(fates.len(), rows);
        assert!((0..rows).all(|row| fates.get(row) == fate_of(row)));
        assert!(matches!(fates.chunks[0], Chunk::All(Fate::Dropped)), "a chunk of one fate takes no room");
        fates.clear();
        fates.add(2);
        fates.settle(0, Fate::Out);
        assert_eq!(fates.first_open(), Some(1));
    }
}
