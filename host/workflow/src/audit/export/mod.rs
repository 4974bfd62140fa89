//! What a run left, in the formats of tools that others made, and as a page for people: each format is a file here.
//!
//! A document says nothing that is not in the records, which are verified while they are read; the page alone also shows what
//! was measured during the training, and says so. The same run gives the same bytes each time.

mod adapter;
mod csv;
mod cyclonedx;
mod error;
mod html;
mod license;
mod oms;
mod provenance;
mod run;
mod vsa;

use freehold_trust::{BUNDLE_TYPE, KeyHint, Statement};

use crate::{Home, WorkflowError};

pub use adapter::{AdapterFiles, adapter};
pub use error::DocumentError;
use run::FinishedRun;

/// A format of other tools, or of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// SLSA provenance in a Sigstore bundle.
    Sigstore,
    /// The verdicts as a SLSA verification summary, in a Sigstore bundle.
    Vsa,
    /// A signature of the adapter's folder (OpenSSF Model Signing), in a Sigstore bundle.
    Oms,
    /// A bill of materials of a model (CycloneDX 1.6).
    CycloneDx,
    /// Metrics and verdicts as a table.
    Csv,
    /// A page for people; also of a run that is unfinished.
    Html,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A run as a document of this format. What is signed is signed with the P-256 key of this name, or with the only one that
/// the home has.
pub fn export(home: &Home, run: &str, format: Format, key: Option<&str>) -> Result<Document, WorkflowError> {
    let finished = || FinishedRun::read(home, run);
    match format {
        Format::Sigstore => sign(home, &provenance::statement(&finished()?)?, key, KeyHint::Fingerprint),
        Format::Vsa => sign(home, &vsa::statement(&finished()?)?, key, KeyHint::Fingerprint),
        // The tool for it computes another hint than all others do, and takes none.
        Format::Oms => sign(home, &oms::statement(&finished()?)?, key, KeyHint::None),
        Format::CycloneDx => Ok(Document {
            media_type: "application/vnd.cyclonedx+json; version=1.6",
            bytes: cyclonedx::document(&finished()?)?,
        }),
        Format::Csv => {
            Ok(Document { media_type: "text/csv; charset=utf-8; header=present", bytes: csv::table(&finished()?)? })
        }
        Format::Html => Ok(Document { media_type: "text/html; charset=utf-8", bytes: html::page(home, run)? }),
    }
}

fn sign(home: &Home, statement: &Statement, key: Option<&str>, hint: KeyHint) -> Result<Document, WorkflowError> {
    let (name, key) = home.p256_key(key)?;
    let bytes = statement.sign_bundle(&key, hint).map_err(|source| WorkflowError::Key { name, source })?;
    Ok(Document { media_type: BUNDLE_TYPE, bytes })
}
