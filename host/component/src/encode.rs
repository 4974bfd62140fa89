//! Makes components of modules.

use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{KnownCustom, Name, Parser, Payload};
use wit_component::ComponentEncoder;

use crate::BuildError;

/// The longest name of a function that is kept, in characters: that of a generic one may fill a page.
const NAME_LENGTH: usize = 120;

/// The component of a module that was built with the SDK.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let failed = |error: &dyn std::fmt::Display| BuildError::Encode(error.to_string());
    let module = readable(module).map_err(|error| failed(&error))?;
    let encoded = ComponentEncoder::default().module(&module).and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| BuildError::Encode(format!("{error:#}")))
}

/// The module with the names of its functions as authors write them, for backtraces. The compiler's names hold a hash of where
/// the source lay, which would give the same source another digest in another folder.
fn readable(module: &[u8]) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
    let mut written = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload
            && let KnownCustom::Name(names) = section.as_known()
        {
            written.section(&function_names(names)?);
        } else if let Some((id, range)) = payload.as_section() {
            // In memory as a whole, so that every place of it fits.
            let bytes = range.start as usize..range.end as usize;
            written.section(&RawSection { id, data: module.get(bytes).unwrap_or_default() });
        }
    }
    Ok(written.finish())
}

/// Of all names only those that a backtrace shows.
fn function_names(names: wasmparser::NameSectionReader<'_>) -> Result<NameSection, wasmparser::BinaryReaderError> {
    let mut functions = NameMap::new();
    for part in names {
        let Name::Function(part) = part? else { continue };
        for naming in part {
            let naming = naming?;
            functions.append(naming.index, &plain(naming.name));
        }
    }
    let mut section = NameSection::new();
    section.functions(&functions);
    Ok(section)
}

/// A name without the hash of its crate.
fn plain(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name)).chars().take(NAME_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_source() {
        for (compiled, written) in [
            ("_ZN4tidy5words17h0123456789abcdefE", "tidy::words"),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("memcpy", "memcpy"),
        ] {
            assert_eq!(plain(compiled), written);
        }
        assert_eq!(plain(&"x".repeat(500)).len(), NAME_LENGTH);
    }

    #[test]
    fn a_module_without_names_stays_as_it_is() {
        let bare = b"\0asm\x01\0\0\0";
        assert_eq!(readable(bare).unwrap(), bare);
        assert!(readable(b"\0asm").is_err());
    }
}
