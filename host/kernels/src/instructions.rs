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

/// The best way of this processor for f32.
pub fn f32_path() -> F32Path {
    static PATH: OnceLock<F32Path> = OnceLock::new();
    *PATH.get_or_init(|| *f32_paths().last().unwrap_or(&F32Path::Portable))
}

/// The best way of this processor for bf16.
pub fn bf16_path() -> Bf16Path {
    static PATH: OnceLock<Bf16Path> = OnceLock::new();
    *PATH.get_or_init(|| *bf16_paths().last().unwrap_or(&Bf16Path::Portable))
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
