//! One measurement of the engine in a process of its own, so that its memory is its own; `cargo xtask bench engine` starts
//! it for each, next to the peer. Prints one line of JSON.
//!
//! `bench-engine train SHAPE DTYPE` · `bench-engine generate SHAPE DTYPE` · `bench-engine together SHAPE DTYPE`
//! · `bench-engine packing FILE` · `bench-engine loop MODEL ADAPTER QUESTIONS TOKENS`

mod model;
mod packing;
mod plain_loop;
mod speed;
mod together;

use std::error::Error;

use freehold_core::recipe::Precision;

/// As many as the peer has.
const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    freehold_engine::use_threads(THREADS);
    let report = match arguments.as_slice() {
        ["train", shape, dtype] => speed::train(model::shape(shape)?, precision(dtype)?)?,
        ["generate", shape, dtype] => speed::generate(model::shape(shape)?, precision(dtype)?)?,
        ["together", shape, dtype] => together::measure(model::shape(shape)?, precision(dtype)?)?,
        ["loop", model, adapter, questions, tokens] => plain_loop::measure(model, adapter, questions, tokens)?,
        ["packing", lengths] => packing::measure(lengths.as_ref())?,
        _ => {
            return Err(
                "train, generate or together SHAPE DTYPE, packing FILE, or loop MODEL ADAPTER QUESTIONS TOKENS".into(),
            );
        }
    };
    println!("{report}");
    Ok(())
}

fn precision(dtype: &str) -> Result<Precision, Box<dyn Error>> {
    match dtype {
        "float32" => Ok(Precision::F32),
        "bfloat16" => Ok(Precision::Bf16),
        other => Err(format!("`{other}` is neither float32 nor bfloat16").into()),
    }
}
