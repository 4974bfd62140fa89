//! The recipe that tests run: a minute of the demo in a second. Tests change what they are about.

use std::fmt;

/// A recipe, in parts.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// `[run]`
    pub name: String,
    /// `[base]`
    pub base: String,
    /// `[[data]]`
    pub data: String,
    /// `[[transform]]`
    pub transforms: String,
    /// `[adapter]`
    pub adapter: String,
    /// `[train]`
    pub train: String,
    /// `[[metric]]`
    pub metrics: String,
    /// `[[policy]]`
    pub policies: String,
    /// `[promote]`
    pub promote: String,
}

const DATA: &str = r#"
[[data]]
name = "train"
path = "train.jsonl"
split = "train"
labels = { residency = "eu", license = "CC-BY-4.0" }
[[data]]
name = "eval"
path = "eval.jsonl"
split = "eval"
labels = { residency = "eu", license = "CC-BY-4.0" }
"#;

const TRANSFORMS: &str = r#"
[[transform]]
plugin = "freehold/redact-pii"
version = "^1.0"
[[transform]]
plugin = "freehold/deduplicate"
version = "^1.0"
splits = ["train"]
[[transform]]
plugin = "freehold/chat-format"
version = "^1.0"
settings = { user = "{text}", assistant = "{json:intent,product,urgency}" }
"#;

const TRAIN: &str = r#"
epochs = 1
tokens_per_step = 1024
learning_rate = 2e-3
max_length = 256
"#;

const METRICS: &str = r#"
[[metric]]
plugin = "freehold/exact-match"
version = "^1.0"
settings = { json = true }
"#;

const POLICIES: &str = r#"
[[policy]]
plugin = "freehold/license-gate"
version = "^1.0"
stage = "admit"
settings = { allow = ["CC-BY-4.0", "Apache-2.0"] }
[[policy]]
plugin = "freehold/residency-gate"
version = "^1.0"
stage = "admit"
settings = { allow = ["eu"] }
[[policy]]
plugin = "freehold/metric-gate"
version = "^1.0"
stage = "promote"
settings = { metric = "exact-match", minimum = 0.0, minimum_rows = 10, margin = 1.0 }
"#;

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "desk".into(),
            base: "model = \"models/base-1\"\nlicense = \"Apache-2.0\"".into(),
            data: DATA.into(),
            transforms: TRANSFORMS.into(),
            adapter: "method = \"lora\"\nrank = 4\nalpha = 8".into(),
            train: TRAIN.into(),
            metrics: METRICS.into(),
            policies: POLICIES.into(),
            promote: "alias = \"desk@production\"".into(),
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, base, data, transforms, adapter, train, metrics, policies, promote } = self;
        writeln!(f, "[run]\nname = \"{name}\"\nseed = 1\n[base]\n{base}\n{data}\n{transforms}")?;
        writeln!(f, "[adapter]\n{adapter}\n[train]\n{train}\n[evaluate]\nmax_new_tokens = 32\nresamples = 200")?;
        writeln!(f, "{metrics}\n{policies}\n[promote]\n{promote}")
    }
}
