//! Says which code makes tokens of rows, so that tokens of other code are never taken for those of this (`run/tokenised.rs`).

mod code;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    println!("cargo:rerun-if-changed={}", workspace.join("host/workflow/build").display());
    for part in code::PARTS {
        println!("cargo:rerun-if-changed={}", workspace.join(part).display());
    }
    println!("cargo:rustc-env=FREEHOLD_TOKENISING_CODE={}", code::digest(&workspace)?);
    Ok(())
}
