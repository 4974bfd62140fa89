//! What libFuzzer says of a search.

use serde::Serialize;

/// Numbers of a search, as libFuzzer said last.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Statistics {
    /// Inputs tried.
    pub(super) executions: u64,
    /// Places in the code that were reached.
    pub(super) coverage: u64,
    /// Places, how often, and comparisons that were reached.
    pub(super) features: u64,
    /// Inputs that are kept because each reaches something else.
    pub(super) corpus_files: u64,
}

impl Statistics {
    /// Reads the log of a search: `#8192 pulse cov: 120 ft: 340 corp: 25/310b lim: 80 exec/s: 4096 rss: 90Mb` and the like.
    pub(super) fn read(log: &str) -> Self {
        let mut statistics = Self::default();
        for line in log.lines() {
            let mut words = line.split_whitespace();
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                statistics.executions = number.trim().parse().unwrap_or(statistics.executions);
            }
            let Some(executions) = words.next().and_then(|word| word.strip_prefix('#')?.parse().ok()) else { continue };
            statistics.executions = statistics.executions.max(executions);
            let words: Vec<&str> = words.collect();
            for pair in words.windows(2) {
                let number = pair[1].split('/').next().and_then(|number| number.parse().ok());
                match (pair[0], number) {
                    ("cov:", Some(number)) => statistics.coverage = number,
                    ("ft:", Some(number)) => statistics.features = number,
                    ("corp:", Some(number)) => statistics.corpus_files = number,
                    _ => {}
                }
            }
        }
        statistics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_numbers_count() {
        let log = "INFO: Seed: 1\n\
            #2\tINITED cov: 4 ft: 4 corp: 1/1b exec/s: 0 rss: 31Mb\n\
            #64\tNEW    cov: 7 ft: 9 corp: 3/12b lim: 4 exec/s: 0 rss: 31Mb L: 2/4 MS: 1 CrossOver-\n\
            #100000\tDONE   cov: 120 ft: 340 corp: 25/310b lim: 80 exec/s: 4096 rss: 90Mb\n\
            Done 100000 runs in 24 second(s)\n\
            stat::number_of_executed_units: 100001\n\
            stat::average_exec_per_sec:     4166\n";
        let expected = Statistics { executions: 100_001, coverage: 120, features: 340, corpus_files: 25 };
        assert_eq!(Statistics::read(log), expected);
        assert_eq!(Statistics::read("thread panicked\n#nonsense\n"), Statistics::default());
    }
}
