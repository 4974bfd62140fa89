//! What a component asks for and what it offers, read from its bytes; nothing of it is compiled or run.

use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

use crate::BuildError;

/// Names at the border of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

impl Interface {
    /// Reads the border of a component; what lies nested in it is passed over.
    pub fn of(component: &[u8]) -> Result<Self, BuildError> {
        let broken = |problem: &dyn std::fmt::Display| BuildError::NotAComponent(problem.to_string());
        let (mut interface, mut depth) = (Self::default(), 0usize);
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(|error| broken(&error))? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(broken(&"it is a core module"));
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        interface.imports.push(import.map_err(|error| broken(&error))?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        interface.exports.push(export.map_err(|error| broken(&error))?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(interface)
    }

    /// The worlds whose interface it exports: `transform`, `metric`, `policy`.
    pub fn worlds(&self) -> Vec<&'static str> {
        let exported = |world: &&str| {
            let prefix = format!("freehold:{world}/{world}@");
            self.exports.iter().any(|export| export.starts_with(&prefix))
        };
        ["transform", "metric", "policy"].into_iter().filter(exported).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_refused() {
        // The magic number with the versions of a module and of a component.
        let module = *b"\0asm\x01\0\0\0";
        let component = *b"\0asm\x0d\0\x01\0";
        assert!(Interface::of(&module).unwrap_err().to_string().contains("core module"));
        assert!(Interface::of(b"").is_err());
        assert!(Interface::of(b"#!/bin/sh").is_err());
        assert_eq!(Interface::of(&component).unwrap(), Interface::default());
    }

    #[test]
    fn worlds_are_told_by_their_exports() {
        let worlds = |exports: &[&str]| {
            let exports = exports.iter().map(|export| (*export).to_owned()).collect();
            Interface { imports: vec![], exports }.worlds()
        };
        assert_eq!(worlds(&[]), [""; 0]);
        assert_eq!(worlds(&["freehold:metric/metric@1.0.0"]), ["metric"]);
        assert_eq!(worlds(&["wasi:cli/run@0.2.0", "other:metric/metric@1.0.0"]), [""; 0]);
    }
}
