//! In what matrices are multiplied, and with what.

use freehold_core::recipe::Precision;
use freehold_kernels::{bf16_path, f32_path};

/// The instructions that f32 is computed with here; the bits do not depend on them.
pub fn instructions_of_f32() -> &'static str {
    f32_path().as_str()
}

/// What the bits of a result depend on besides its inputs: nothing in f32, the instructions in bf16.
pub fn instructions(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "any",
        Precision::Bf16 => bf16_path().as_str(),
    }
}

/// In what the kernels multiply.
pub(crate) fn kernel_precision(precision: Precision) -> freehold_kernels::Precision {
    match precision {
        Precision::F32 => freehold_kernels::Precision::F32,
        Precision::Bf16 => freehold_kernels::Precision::Bf16,
    }
}
