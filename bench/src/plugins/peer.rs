//! The same redaction in Hugging Face datasets, if this machine's Python has it.

use std::process::{Command, Stdio};

const SCRIPT: &str = r#"
import time, datasets
from datasets import Dataset
datasets.disable_progress_bars(); datasets.disable_caching()
n = 100_000
texts = [f"Customer {k} wrote from user{k}@example.com about order {k*7919+10000} and the delivery that was late by {k%9} days, "
         "please respond quickly to this message thanks" for k in range(n)]
def redact(s):
    return " ".join("[EMAIL]" if "@" in w else "[NUM]" if sum(c.isdigit() for c in w) >= 4 else w for w in s.split(" "))
d = Dataset.from_dict({"text": texts})
best = 0
for _ in range(3):
    t = time.perf_counter(); d.map(lambda r: {"text": [redact(x) for x in r["text"]]}, batched=True)
    best = max(best, n / (time.perf_counter() - t))
print(best)
"#;

/// Rows per second of `datasets.map` in batches; the program is named by `FREEHOLD_BENCH_PYTHON`, else `python3`.
pub(crate) fn datasets_map() -> Option<f64> {
    let python = std::env::var("FREEHOLD_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = Command::new(python).args(["-c", SCRIPT]).env("HF_HUB_OFFLINE", "1").stderr(Stdio::null()).output();
    String::from_utf8(output.ok()?.stdout).ok()?.trim().parse().ok()
}
