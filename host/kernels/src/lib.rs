//! Matrix products over panels of tokens, in f32 and bf16, with the instructions that the processor has.
//!
//! Activations lie *feature-major*: a [`Panels`] holds the values of 32 tokens side by side, feature after feature. Every
//! operation on a token then runs across the lanes of a vector without a horizontal sum, and a weight [out, in] is used
//! where it lies in its file: row by row in the forward pass, column by column in the backward pass. Nothing is
//! transposed, copied or laid out anew in memory.
//!
//! In f32 every element of a product is one chain of fused multiply-adds over ascending indices, whatever the
//! instructions, the blocks or the threads: AVX-512, AVX2 and portable code give the same bits. In bf16 the factors are
//! rounded to nearest even and sums are f32; their order is that of the instructions (AMX, AVX512-BF16, or portable).
//!
//! This crate alone has `unsafe` code for computing. It knows nothing of models.

#[macro_use]
mod vectorised;

mod bfloat16;
mod blocks;
mod buffer;
mod instructions;
mod matrix;
mod pack;
mod panels;
mod product;
mod real;
mod tile;
mod transpose;
mod vector;
mod workers;

pub use blocks::{Left, Right};
pub use buffer::{Buffer, release_buffers};
pub use instructions::{Bf16Path, F32Path, Instructions, InstructionsError, bf16_path, f32_path, use_instructions};
pub use matrix::{Matrix, Stored, Values};
pub use panels::{LANES, Panels};
pub use product::{Job, Operand, Precision, Side, Start, multiply, multiply_all};
pub use real::Real;
pub use tile::{Factor, Tiled, panel_product};
pub use transpose::transpose_panel;
pub use workers::{Workers, for_each, map, threads, use_threads};
