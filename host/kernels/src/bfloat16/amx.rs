//! AMX-BF16: tiles of 16 rows by 64 bytes. Four tiles of sums (32 rows by 32 tokens), two of `A`, two of `B`.
//!
//! Rust has no stable intrinsics for tiles, so the loop over the depth is written in assembly, as one piece: the compiler
//! never sees a tile. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, "TDPBF16PS".

#![allow(unsafe_code, reason = "tile instructions; sizes are checked by the caller")]

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use half::bf16;

use super::Rows;
use crate::panels::LANES;

/// Rows of a tile.
const SIDE: usize = 16;

/// Whether the processor has AMX-BF16 and the operating system grants its registers to this process.
pub(crate) fn is_granted() -> bool {
    static GRANTED: OnceLock<bool> = OnceLock::new();
    *GRANTED.get_or_init(|| {
        let features = __cpuid_count(7, 0).edx;
        let (bf16, tile) = (features >> 22 & 1, features >> 24 & 1);
        bf16 == 1 && tile == 1 && ask()
    })
}

#[cfg(target_os = "linux")]
fn ask() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_int = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_int = 18;
    // SAFETY: this system call only takes numbers; it gives -1 where it is not known or not granted.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn ask() -> bool {
    false
}

/// The shape of all tiles: palette 1, 16 rows, 64 bytes a row.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

static CONFIGURATION: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = SIDE as u8;
        tile += 1;
    }
    Configuration(bytes)
};

/// Slices have been checked against the sizes.
pub(super) fn product(a: Rows<'_>, panels: &mut [(&[bf16], &mut [f32])], accumulate: bool) {
    // SAFETY: the registers were granted. They are set up, used and given up within this function.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack)) };
    let mut row = 0;
    while row < a.rows {
        let left = a.rows - row;
        // A last tile that is not full is computed in a place of its own.
        let (values, stride, rows);
        let mut copy;
        if left >= 2 * SIDE {
            (values, stride, rows) = (&a.values[row * a.stride..], a.stride, 2 * SIDE);
        } else {
            (stride, rows) = (a.depth, left);
            copy = vec![bf16::ZERO; 2 * SIDE * a.depth];
            for (to, r) in copy.chunks_exact_mut(a.depth.max(1)).zip(row..a.rows) {
                to.copy_from_slice(&a.values[r * a.stride..][..a.depth]);
            }
            values = &copy;
        }
        for (b, c) in panels.iter_mut() {
            let c = &mut c[row * LANES..][..rows * LANES];
            if rows == 2 * SIDE {
                // SAFETY: `values` has 32 rows, `b` has the depth, `c` 32 rows.
                unsafe { tiles(values.as_ptr(), stride, a.depth, b.as_ptr(), c.as_mut_ptr(), accumulate) };
            } else {
                let mut whole = [0.0_f32; 2 * SIDE * LANES];
                whole[..c.len()].copy_from_slice(c);
                // SAFETY: as above, with 32 rows of room.
                unsafe { tiles(values.as_ptr(), stride, a.depth, b.as_ptr(), whole.as_mut_ptr(), accumulate) };
                c.copy_from_slice(&whole[..c.len()]);
            }
        }
        row += rows;
    }
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) };
}

/// 32 rows by 32 tokens.
unsafe fn tiles(a: *const bf16, stride: usize, depth: usize, b: *const bf16, c: *mut f32, accumulate: bool) {
    // SAFETY: the caller gives room for everything that is loaded and stored: of A 32 rows of `depth` values, of B
    // `depth / 2` rows of 128 bytes, of C 32 rows of 128 bytes.
    unsafe {
        asm!(
            "test {accumulate:e}, {accumulate:e}",
            "jz 2f",
            "tileloadd tmm0, [{c} + {row} * 1]",
            "tileloadd tmm1, [{c} + {row} * 1 + 64]",
            "tileloadd tmm2, [{c} + {row} * 1 + 2048]",
            "tileloadd tmm3, [{c} + {row} * 1 + 2112]",
            "jmp 3f",
            "2:",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "3:",
            "test {n}, {n}",
            "jz 5f",
            "4:",
            "tileloadd tmm4, [{a0} + {stride} * 1]",
            "tileloadd tmm6, [{b} + {row} * 1]",
            "tileloadd tmm7, [{b} + {row} * 1 + 64]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "prefetcht0 [{b} + 4096]",
            "prefetcht0 [{b} + 4160]",
            "prefetcht0 [{b} + 4224]",
            "prefetcht0 [{b} + 4288]",
            "prefetcht0 [{b} + 4352]",
            "prefetcht0 [{b} + 4416]",
            "prefetcht0 [{b} + 4480]",
            "prefetcht0 [{b} + 4544]",
            "prefetcht0 [{b} + 4608]",
            "prefetcht0 [{b} + 4672]",
            "prefetcht0 [{b} + 4736]",
            "prefetcht0 [{b} + 4800]",
            "prefetcht0 [{b} + 4864]",
            "prefetcht0 [{b} + 4928]",
            "prefetcht0 [{b} + 4992]",
            "prefetcht0 [{b} + 5056]",
            "tileloadd tmm5, [{a1} + {stride} * 1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "prefetcht0 [{b} + 5120]",
            "prefetcht0 [{b} + 5184]",
            "prefetcht0 [{b} + 5248]",
            "prefetcht0 [{b} + 5312]",
            "prefetcht0 [{b} + 5376]",
            "prefetcht0 [{b} + 5440]",
            "prefetcht0 [{b} + 5504]",
            "prefetcht0 [{b} + 5568]",
            "prefetcht0 [{b} + 5632]",
            "prefetcht0 [{b} + 5696]",
            "prefetcht0 [{b} + 5760]",
            "prefetcht0 [{b} + 5824]",
            "prefetcht0 [{b} + 5888]",
            "prefetcht0 [{b} + 5952]",
            "prefetcht0 [{b} + 6016]",
            "prefetcht0 [{b} + 6080]",
            "add {a0}, 64",
            "add {a1}, 64",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "add {b}, 2048",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {n}",
            "jnz 4b",
            "5:",
            "tilestored [{c} + {row} * 1], tmm0",
            "tilestored [{c} + {row} * 1 + 64], tmm1",
            "tilestored [{c} + {row} * 1 + 2048], tmm2",
            "tilestored [{c} + {row} * 1 + 2112], tmm3",
            accumulate = in(reg) u32::from(accumulate),
            c = in(reg) c,
            row = in(reg) 4 * LANES,
            stride = in(reg) 2 * stride,
            a0 = inout(reg) a => _,
            a1 = inout(reg) a.add(SIDE * stride) => _,
            b = inout(reg) b => _,
            n = inout(reg) depth / 32 => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
