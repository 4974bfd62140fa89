//! A bill of materials of the adapter (CycloneDX 1.6, ML-BOM): <https://cyclonedx.org/docs/1.6/json/>.
//!
//! A `bom-ref` is the name that the records give a thing: `base/...`, `data/...`, `plugin/...@...`, `asset/...`, `adapter`. Hashes
//! are the digests in the records; where one stands for several files, these are below it with theirs.

mod components;
mod declarations;
mod formulation;
mod model_card;

use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::record::Phase;
use serde_json::{Value, json};

use super::run::FinishedRun;
use crate::WorkflowError;
use crate::run;
use crate::statements::malformed;

/// `bom-ref` of what the bill is about.
const ADAPTER_REF: &str = "adapter";

pub(super) fn document(run: &FinishedRun) -> Result<Vec<u8>, WorkflowError> {
    let resolved = run::resolved(run.record(Phase::Resolve)?)?;
    let adapter = components::adapter(run, &resolved)?;
    let components = components::all(run, &resolved);
    let name = |component: &Value| component["bom-ref"].as_str().map(str::to_owned);
    let refs: BTreeSet<String> = components.iter().chain([&adapter]).filter_map(name).collect();
    let bom = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(&run.report.record),
        "version": 1,
        "metadata": {
            "timestamp": run.record(Phase::Record)?.finished,
            "lifecycles": [{ "phase": "build" }],
            "tools": {
                "components": [{ "type": "application", "name": "freehold", "version": env!("CARGO_PKG_VERSION") }],
            },
            "component": adapter,
        },
        "components": components,
        "dependencies": components::dependencies(run, &refs),
        "formulation": [formulation::of(run, &refs)],
        "declarations": declarations::of(run)?,
        "definitions": { "standards": [declarations::policies(run)?] },
    });
    let mut bytes = serde_json::to_vec_pretty(&bom).map_err(malformed("bill of materials"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A UUID of version 8 (RFC 9562) that is made of a digest: the same record has the same one.
fn serial_number(record: &Digest) -> String {
    let mut bytes = *record.as_bytes();
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let hex = Digest::from_bytes(bytes).hex();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

fn hashes(digest: &Digest) -> Value {
    json!([{ "alg": "SHA-256", "content": digest.hex() }])
}

fn property(name: &str, value: impl ToString) -> Value {
    json!({ "name": format!("freehold:{name}"), "value": value.to_string() })
}

/// A statement or blob of the store, which is not a part of the model.
fn kept(kind: &str, name: &str, digest: &Digest) -> Value {
    json!({ "type": kind, "url": format!("urn:freehold:blob:{digest}"), "comment": name, "hashes": hashes(digest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_a_uuid_of_its_record() {
        let digest = Digest::from_bytes([0xff; 32]);
        assert_eq!(serial_number(&digest), "urn:uuid:ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_ne!(serial_number(&Digest::of(b"a")), serial_number(&Digest::of(b"b")));
    }
}
