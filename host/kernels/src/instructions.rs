//! Which instructions the processor has.

use std::sync::OnceLock;

/// How f32 products are computed. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum F32Path {
    /// With what every processor has.
    Portable,
    /// 8 values at once, fused multiply-add.
    Avx2,
    /// 16 values at once.
    Avx512,
}

/// How bf16 products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bf16Path {
    /// As f32 products of the rounded factors.
    Portable,
    /// Dot products of pairs, 16 at once (AVX512-BF16).
    Avx512,
    /// Tiles of 16 by 16 (AMX-BF16).
    Amx,
}

impl F32Path {
    /// The name in records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

impl Bf16Path {
    /// The name in records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx512 => "avx512-bf16",
            Self::Amx => "amx-bf16",
        }
    }
}

/// Instructions up to which everything is computed, for tests and diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// What every processor has.
    Portable,
    /// AVX2; bf16 is portable.
    Avx2,
    /// AVX-512, and AVX512-BF16 where the processor has it.
    Avx512,
    /// As AVX-512, and AMX for bf16.
    Amx,
}

impl Instructions {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Amx];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }

    /// Whether this processor has them.
    pub fn are_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => f32_paths().contains(&F32Path::Avx2),
            Self::Avx512 => f32_paths().contains(&F32Path::Avx512),
            Self::Amx => f32_paths().contains(&F32Path::Avx512) && bf16_paths().contains(&Bf16Path::Amx),
        }
    }

    fn allow_f32(self, path: F32Path) -> bool {
        path <= [F32Path::Portable, F32Path::Avx2, F32Path::Avx512, F32Path::Avx512][self as usize]
    }

    fn allow_bf16(self, path: Bf16Path) -> bool {
        path <= [Bf16Path::Portable, Bf16Path::Portable, Bf16Path::Avx512, Bf16Path::Amx][self as usize]
    }
}

/// Instructions cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstructionsError {
    /// The processor does not have them.
    Unavailable(Instructions),
    /// Something was computed already.
    TooLate,
}

impl std::fmt::Display for InstructionsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(instructions) => write!(f, "this processor does not have `{}`", instructions.as_str()),
            Self::TooLate => f.write_str("instructions are chosen before anything is computed"),
        }
    }
}

impl std::error::Error for InstructionsError {}

static PATHS: OnceLock<(F32Path, Bf16Path)> = OnceLock::new();

/// The best paths within a limit.
fn paths_within(limit: Instructions) -> (F32Path, Bf16Path) {
    let f32_path = f32_paths().into_iter().rfind(|path| limit.allow_f32(*path)).unwrap_or(F32Path::Portable);
    let bf16_path = bf16_paths().into_iter().rfind(|path| limit.allow_bf16(*path)).unwrap_or(Bf16Path::Portable);
    (f32_path, bf16_path)
}

/// Computes with these instructions and lesser ones, before anything is; without it, with all that the processor has.
///
/// # Errors
/// The processor does not have them, or something was computed with others already.
pub fn use_instructions(limit: Instructions) -> Result<(), InstructionsError> {
    if !limit.are_available() {
        return Err(InstructionsError::Unavailable(limit));
    }
    let wanted = paths_within(limit);
    if *PATHS.get_or_init(|| wanted) == wanted { Ok(()) } else { Err(InstructionsError::TooLate) }
}

/// The best way of this processor for f32, unless [`use_instructions`] says another.
pub fn f32_path() -> F32Path {
    PATHS.get_or_init(|| paths_within(Instructions::Amx)).0
}

/// The best way of this processor for bf16, unless [`use_instructions`] says another.
pub fn bf16_path() -> Bf16Path {
    PATHS.get_or_init(|| paths_within(Instructions::Amx)).1
}

/// Every way that this processor can go for f32, the best last.
pub(crate) fn f32_paths() -> Vec<F32Path> {
    let mut paths = vec![F32Path::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            paths.push(F32Path::Avx2);
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            let wide = wide && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl");
            if wide && is_x86_feature_detected!("bmi2") {
                paths.push(F32Path::Avx512);
            }
        }
    }
    paths
}

/// Every way that this processor can go for bf16, the best last.
pub(crate) fn bf16_paths() -> Vec<Bf16Path> {
    let mut paths = vec![Bf16Path::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        if avx512 && is_x86_feature_detected!("avx512bf16") {
            paths.push(Bf16Path::Avx512);
        }
        if avx512 && crate::bfloat16::amx_is_granted() {
            paths.push(Bf16Path::Amx);
        }
    }
    paths
}
