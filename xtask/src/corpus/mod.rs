//! Generated text: what the demo's base models are pretrained on, and what they are adapted to.
//!
//! Everything here is synthetic and written for this project (Apache-2.0); people, shops and products are invented.

mod arithmetic;
mod articles;
pub(crate) mod desk;
mod desk_phrases;
#[cfg(test)]
mod desk_tests;
mod dialogues;
mod letters;
mod manuals;
mod objects;
pub(crate) mod personal;
pub(crate) mod pretraining;
pub(crate) mod products;
pub(crate) mod random;
mod releases;
mod scene;
mod stories;
mod template;
mod words;
