//! A proof that an entry is in the log, as a text that other programs read: C2SP [tlog-proof](https://c2sp.org/tlog-proof). The
//! entry itself stands in its line `extra`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tlog_tiles::Hash;

use super::{HASHES_MAX, ProofError};
use crate::tiles::ENTRY_BYTES_MAX;

const HEAD: &str = "c2sp.org/tlog-proof@v1";

/// An entry with the proof that it is under a tree head.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryProof {
    /// Its number.
    pub index: u64,
    /// Its bytes.
    pub record: Vec<u8>,
    /// The hashes that lead from it to the root.
    pub hashes: Vec<Hash>,
    /// The signed tree head.
    pub checkpoint: Vec<u8>,
}

impl EntryProof {
    /// The text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (extra, index) = (STANDARD.encode(&self.record), self.index);
        let mut text = format!("{HEAD}\nextra {extra}\nindex {index}\n").into_bytes();
        text.extend(lines_of_hashes(&self.hashes));
        text.push(b'\n');
        text.extend_from_slice(&self.checkpoint);
        text
    }

    /// Reads the text. There is one for each proof: what would be written otherwise is refused.
    ///
    /// # Errors
    /// It is another text, has no entry with it, or more hashes than any proof.
    pub fn from_bytes(text: &[u8]) -> Result<Self, ProofError> {
        let no = ProofError::Text;
        let end = text.windows(2).position(|two| two == b"\n\n").ok_or(no("there is no empty line"))?;
        let (head, checkpoint) = (text.get(..=end).unwrap_or_default(), text.get(end + 2..).unwrap_or_default());
        let head = std::str::from_utf8(head).map_err(|_| no("it is no text"))?;
        let rest = head.strip_prefix(HEAD).and_then(|rest| rest.strip_prefix('\n')).ok_or(no("another first line"))?;
        let (extra, rest) = rest.split_once('\n').ok_or(no("no line `extra`"))?;
        let extra = extra.strip_prefix("extra ").ok_or(no("no line `extra`"))?;
        let (index, rest) = rest.split_once('\n').ok_or(no("no line `index`"))?;
        let index = index.strip_prefix("index ").and_then(|index| index.parse().ok()).ok_or(no("no line `index`"))?;
        let record = STANDARD.decode(extra).map_err(|_| no("the line `extra` is not in base64"))?;
        if record.len() > ENTRY_BYTES_MAX {
            return Err(no("the entry is larger than any"));
        }
        let proof = Self { index, record, hashes: hashes_of_lines(rest)?, checkpoint: checkpoint.to_vec() };
        if proof.to_bytes() == text { Ok(proof) } else { Err(no("a number has another form")) }
    }
}

/// Hashes in base64, a line each.
pub(crate) fn lines_of_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| format!("{}\n", STANDARD.encode(hash.0)).into_bytes()).collect()
}

/// The hashes of such lines.
pub(crate) fn hashes_of_lines(text: &str) -> Result<Vec<Hash>, ProofError> {
    let no = ProofError::Text("a line is not a hash in base64");
    let mut hashes = Vec::new();
    for line in text.split_inclusive('\n') {
        let decoded = STANDARD.decode(line.strip_suffix('\n').ok_or(no)?).map_err(|_| no)?;
        hashes.push(Hash(decoded.try_into().map_err(|_| no)?));
        if hashes.len() > HASHES_MAX {
            return Err(ProofError::Text("more hashes than any proof has"));
        }
    }
    Ok(hashes)
}
