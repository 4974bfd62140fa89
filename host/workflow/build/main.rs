//! Says which code makes tokens of rows, so that tokens of other code are never taken for those of this (`run/tokenised.rs`).

mod code;

use std::path::Path;

fn main() -> std::io::Result<()> {
    // As it is said when this runs: a build folder that was moved knows another one.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| std::io::Error::other("not run by cargo"))?;
    let workspace = Path::new(&manifest).join("../..").canonicalize()?;
    println!("cargo:rerun-if-changed={}", workspace.join("host/workflow/build").display());
    for part in code::PARTS {
        println!("cargo:rerun-if-changed={}", workspace.join(part).display());
    }
    println!("cargo:rustc-env=FREEHOLD_TOKENISING_CODE={}", code::digest(&workspace)?);
    Ok(())
}
