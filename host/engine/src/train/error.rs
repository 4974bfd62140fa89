//! Why training cannot go on.

use crate::adapter::AdapterError;

/// Training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// No token is to be learnt.
    #[error("none of the {examples} examples has a token to learn: check that they have assistant messages")]
    NothingToLearn {
        /// Number of examples.
        examples: usize,
    },
    /// An example is too long.
    #[error(
        "example {index} has {length} tokens, more than `max_length` = {max_length}; raise it, or drop or split the example"
    )]
    TooLong {
        /// Index of the example.
        index: usize,
        /// Its tokens.
        length: usize,
        /// The limit.
        max_length: usize,
    },
    /// `max_length` exceeds what the model can attend to.
    #[error("`max_length` = {max_length} is more than the model's max_position_embeddings = {positions}")]
    TooManyPositions {
        /// The setting.
        max_length: usize,
        /// What the model can do.
        positions: usize,
    },
    /// An example is not valid.
    #[error("example {index} is not valid: {reason}")]
    Example {
        /// Index of the example.
        index: usize,
        /// Why.
        reason: &'static str,
    },
    /// A setting is not possible.
    #[error("`{key}` in [train] is {found}; it has to be {expected}")]
    Setting {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// The adapter cannot be made.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A tensor that is trained has no gradient.
    #[error("tensor `{tensor}` {problem} at step {step}; it would not be trained")]
    Gradient {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        problem: &'static str,
        /// The step.
        step: usize,
    },
    /// The loss or the gradient is not finite.
    #[error(
        "loss {loss} and gradient norm {norm} at step {step} are not finite, in a batch of the examples {examples}; lower \
         the learning rate, or look at these examples"
    )]
    NotFinite {
        /// The step.
        step: usize,
        /// The loss.
        loss: f64,
        /// Norm of the gradient.
        norm: f64,
        /// The examples of the step, by index.
        examples: String,
    },
    /// A checkpoint cannot be gone on from.
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(String),
    /// Whoever observes the training ended it.
    #[error("the training was ended by its observer")]
    Ended,
    /// A whole model is trained by other means than an adapter.
    #[error("method `{0}` makes no adapter")]
    NoAdapter(&'static str),
}
