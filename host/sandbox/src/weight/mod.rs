//! What compiling a component costs, bounded before it is compiled. A compiler of machine code takes time and memory that grow
//! faster than what it reads: forty kilobytes can keep it busy for minutes, one kilobyte for ever. What is counted here is what
//! that cost was measured to follow, so that what is let through costs about what honest code of its size does. The counts are
//! those of the bytes: the same component is refused everywhere.
//!
//! [`SECURITY.md`](../../../../SECURITY.md) has what the worst that is let through costs, and how far honest code is from it.

mod function;
mod parts;

use std::fmt;

use wasmparser::{BinaryReaderError, Parser, Payload};

use function::Module;
use parts::Parts;

/// Something whose number makes a component dear to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heavy {
    /// Functions of all modules.
    Functions,
    /// Values that the instructions of a function take and give; of all functions.
    Values { function: bool },
    /// Values that are alive where a block begins, summed over the blocks of a function; of all functions.
    Alive { function: bool },
    /// The same, each squared, of all functions: each of them may have to be moved past each other.
    AliveSquared,
    /// Types of functions with their parameters and results, of all modules.
    Types,
    /// Imports, exports, globals, tables and segments of all modules.
    Entries,
    /// Definitions of the component, those of a nested one as often as it is instantiated.
    Definitions,
    /// Types within types.
    Nesting,
}

impl Heavy {
    const fn limit(self) -> u64 {
        match self {
            Self::Functions => 60_000,
            Self::Values { function: true } => 250_000,
            Self::Values { function: false } => 15_000_000,
            Self::Alive { function: true } => 1_000_000,
            Self::Alive { function: false } => 25_000_000,
            Self::AliveSquared => 3_000_000_000,
            Self::Types => 50_000,
            Self::Entries => 50_000,
            Self::Definitions => 20_000,
            Self::Nesting => 16,
        }
    }
}

impl fmt::Display for Heavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit();
        match self {
            Self::Functions => write!(f, "has more than {limit} functions"),
            Self::Values { function: true } => {
                write!(f, "has a function whose instructions move more than {limit} values")
            }
            Self::Values { function: false } => write!(f, "has instructions that move more than {limit} values"),
            Self::Alive { function: true } => {
                write!(f, "has a function in which locals times blocks are more than {limit}")
            }
            Self::Alive { function: false } => {
                write!(f, "has functions in which locals times blocks are more than {limit}")
            }
            Self::AliveSquared => {
                write!(f, "has functions in which locals times locals times blocks are more than {limit}")
            }
            Self::Types => write!(f, "has types of functions with more than {limit} parameters and results"),
            Self::Entries => write!(f, "has modules with more than {limit} imports, exports, globals and segments"),
            Self::Definitions => write!(f, "makes more than {limit} definitions when it is instantiated"),
            Self::Nesting => write!(f, "nests types more than {limit} deep"),
        }
    }
}

/// Why a component is not compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It would cost too much.
    #[error("it {0}")]
    TooHeavy(Heavy),
    /// What it costs cannot be told.
    #[error("{0}")]
    Malformed(String),
}

impl From<BinaryReaderError> for Refusal {
    fn from(error: BinaryReaderError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// What a value costs that an instruction takes or gives beyond the few that most do, in instructions: it is moved one by one.
const CARRIED: u64 = 8;

/// Adds to a count, as long as it stays within its limit.
fn add(count: &mut u64, more: u64, heavy: Heavy) -> Result<(), Refusal> {
    *count = count.saturating_add(more);
    if *count > heavy.limit() { Err(Refusal::TooHeavy(heavy)) } else { Ok(()) }
}

/// What was counted of all modules so far.
#[derive(Debug, Default)]
pub(super) struct Total {
    functions: u64,
    values: u64,
    alive: u64,
    alive_squared: u64,
    types: u64,
    entries: u64,
}

/// Refuses what would be too dear to compile, and what this reader cannot read. Nothing here calls itself, save for types, up
/// to a depth that is bounded.
pub(crate) fn check(component: &[u8]) -> Result<(), Refusal> {
    weigh(component).map(drop)
}

pub(super) fn weigh(component: &[u8]) -> Result<Total, Refusal> {
    let mut total = Total::default();
    let mut parts = Parts::default();
    // The module that is open: modules hold no other.
    let mut module: Option<Module> = None;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        match (&payload, &mut module) {
            (Payload::ModuleSection { .. }, _) => module = Some(Module::default()),
            (Payload::End(_), open @ Some(_)) => *open = None,
            (_, Some(module)) => module.take(&payload, &mut total)?,
            (_, None) => parts.take(payload)?,
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests;
