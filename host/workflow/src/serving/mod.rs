//! What a home may serve, to whom, and what is kept of it. Nothing here knows HTTP.

mod api_keys;
mod base;
mod capture;
mod offer;
mod permit;
mod settings;
mod shelf;
mod transforms;

pub use api_keys::{Access, ApiKeyEntry, ApiKeys};
pub use base::{Base, Folders};
pub use capture::{Capture, CaptureFailure, Conversation, is_sampled};
pub use offer::{Offer, OfferGround, Offered, OfferedBase, Refused};
pub use settings::{CaptureSettings, ServeSettings, ServedTransform};

pub(crate) use settings::check as check_settings;
pub(crate) use shelf::FOLDER as CAPTURED;
