//! Trains, evaluates and generates with unchanged Hugging Face models.
//!
//! Models, adapters and tokenizers are opaque, examples are plain tokens.
//! Everything is deterministic: the same arguments give the same bytes, whatever the number of threads.

mod adapter;
mod batch;
mod batcher;
mod chat;
mod config;
mod example;
mod exchange;
mod export;
mod family;
mod folder;
mod generate;
mod impression;
mod mapped;
mod model;
mod ops;
mod optimizer;
mod port;
mod precision;
mod pretrain;
mod random;
mod rotary;
mod safetensors_file;
mod schedule;
mod second_opinion;
mod tensor;
mod tokenizer;
mod train;
mod update;

pub use adapter::{Adapter, AdapterError};
pub use batcher::{Batcher, Event, Request, RowId};
pub use chat::{ChatError, ChatTokenizer, EndOfTurn, Lesson, Message, TextStream};
pub use example::{Example, Examples, ExamplesError};
pub use exchange::{ExchangeError, read_ids, write_logits};
pub use export::{ExportError, ModelFiles, WeightType};
pub use folder::{FileDigest, ModelError, ModelFolder};
pub use freehold_kernels::{Instructions, InstructionsError, use_instructions, use_threads};
pub use generate::{Answer, Ending, GenerateError, GenerateSettings, Logits, generate, logits, mean_loss};
pub use impression::{Impression, impressions};
pub use model::Model;
pub use port::{PortError, SharedText, transfer};
pub use precision::{instructions, instructions_of_f32};
pub use pretrain::{PretrainError, PretrainSpec, PretrainedFolder, pretrain};
pub use second_opinion::second_opinion;
pub use train::{
    Forecast, HeldOut, Learned, MemoryForecast, Packing, PackingSettings, StepReport, TimeForecast, TrainError,
    TrainObserver, TrainReport, Trained, Training, forecast, go_on, train,
};
