//! Progress of a run on stderr: one line a phase, one bar for the work in it. Nothing is drawn when stderr is no terminal.

use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::record::Phase;
use freehold_workflow::{Event, Observer, Unit, Validation};
use indicatif::{FormattedDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize as _;

use crate::commands;
use crate::page::{Terminal, shown};

/// How often it is asked how much memory this process has.
const MEMORY_INTERVAL: Duration = Duration::from_millis(500);

/// What is drawn in the last line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Drawn {
    /// A spinner: it is not known how much there is to do.
    Waiting,
    /// A bar of some work.
    Work(String),
    /// A bar of the steps of a training.
    Training,
}

/// Draws a run.
pub(crate) struct RunProgress {
    bar: ProgressBar,
    started: Instant,
    drawn: Drawn,
    memory: Memory,
    /// Bytes that this process had when the data was tokenised, before the model is loaded.
    before_training: Option<u64>,
}

const THINGS: &str = "  {msg:32!} {bar:30.cyan/blue} {pos:>5}/{len:5} {prefix} ({eta} left)";
const BYTES: &str =
    "  {msg:32!} {bar:30.cyan/blue} {binary_bytes}/{binary_total_bytes} {prefix} {binary_bytes_per_sec} ({eta} left)";
/// 80 columns with hundreds of steps, less than 100 with tens of thousands. What does not fit is cut off at the end.
const TRAINING: &str = "  train {bar:12.cyan/blue} {pos}/{len}  {wide_msg}";
const WAITING: &str = "  {spinner} {msg}";

fn style(template: &str) -> ProgressStyle {
    let template = if colors() { template.to_owned() } else { template.replace(".cyan/blue", "") };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Whether what is drawn may have colors.
fn colors() -> bool {
    anstream::stderr().current_choice() != anstream::ColorChoice::Never
}

/// A bar for a single piece of work.
pub(crate) fn bar(terminal: &Terminal) -> ProgressBar {
    let target = if terminal.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(style(THINGS));
    bar
}

impl RunProgress {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        Self {
            bar: bar(terminal),
            started: Instant::now(),
            drawn: Drawn::Waiting,
            memory: Memory::default(),
            before_training: None,
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Bytes that this process had when the data was tokenised, where the system tells.
    pub(crate) fn before_training(&self) -> Option<u64> {
        self.before_training
    }

    /// What is about to be trained on, in short.
    fn validated(&self, validation: &Validation) {
        for (name, value) in commands::data::in_short(validation) {
            self.line(&format!("  {} {}", format!("{name:10}").dimmed(), shown(&value)));
        }
    }

    fn line(&self, text: &str) {
        if colors() { self.bar.println(text) } else { self.bar.println(strip_str(text).to_string()) }
    }

    /// Nothing is being counted now.
    fn rest(&mut self, message: &str) {
        self.bar.set_style(style(WAITING));
        self.bar.set_message(message.to_owned());
        self.bar.set_prefix("");
        self.drawn = Drawn::Waiting;
    }

    /// Whether another thing is drawn than before.
    fn changes_to(&mut self, drawn: Drawn) -> bool {
        let changes = self.drawn != drawn;
        self.drawn = drawn;
        changes
    }

    fn training(&mut self, (step, steps): (u64, u64), loss: f32, tokens_per_s: f64, seconds_left: f64) {
        if self.bar.is_hidden() {
            return;
        }
        let left = Duration::try_from_secs_f64(seconds_left).unwrap_or(Duration::MAX);
        let memory = self.memory.resident().map_or_else(String::new, |bytes| format!("  {}", in_short(bytes)));
        let message = format!("loss {loss:.3}  {tokens_per_s:.0} tokens/s{memory}  {} left", FormattedDuration(left));
        self.bar.set_length(steps);
        self.bar.set_position(step);
        self.bar.set_message(message);
        // Last: no frame of this bar shows what was counted before.
        if self.changes_to(Drawn::Training) {
            self.bar.set_style(style(TRAINING));
        }
    }

    fn end(&mut self, phase: Phase, earlier: bool) {
        self.rest("");
        let took =
            if earlier { "done before".to_owned() } else { format!("{:.1} s", self.started.elapsed().as_secs_f64()) };
        self.line(&format!("{} {phase:10} {}", "✓".green(), took.dimmed()));
    }
}

impl Observer for RunProgress {
    fn observe(&mut self, event: Event) {
        match event {
            Event::Run { run, resumed: false } => self.line(&format!("{}", run.bold())),
            Event::Run { run, resumed: true } => self.line(&format!("{} goes on", run.bold())),
            Event::Locked(moved) => moved.iter().for_each(|line| self.line(&format!("  lockfile: {}", shown(line)))),
            // Not a part of what is drawn: it has to be seen where nothing is.
            Event::Yanked { plugin, version, reason } => {
                tracing::warn!(
                    "{plugin} {version} is used because it is locked, but its publisher yanked it: {}",
                    shown(&reason)
                );
            }
            Event::PhaseStarted(phase) => {
                self.started = Instant::now();
                self.rest(phase.as_str());
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Event::PhaseFinished { phase, earlier } => {
                if phase == Phase::Tokenise {
                    self.before_training = resident();
                }
                self.end(phase, earlier);
            }
            Event::Validated(validation) => self.validated(&validation),
            Event::Progress { task, done, total, unit, note } => {
                let template = match unit {
                    Unit::Things => THINGS,
                    Unit::Bytes => BYTES,
                };
                let message = shown(&task);
                if self.changes_to(Drawn::Work(task)) {
                    self.bar.set_style(style(template));
                    self.bar.reset();
                    self.bar.set_message(message);
                }
                self.bar.set_length(total);
                self.bar.set_position(done);
                self.bar.set_prefix(shown(&note));
            }
            Event::Step { step, steps, loss, tokens_per_s, seconds_left } => {
                self.training((step, steps), loss, tokens_per_s, seconds_left);
            }
        }
    }
}

/// An amount of memory.
pub(crate) fn in_short(bytes: u64) -> String {
    match bytes >> 20 {
        mib @ ..1024 => format!("{mib} MiB"),
        mib => format!("{:.1} GiB", mib as f64 / 1024.0),
    }
}

/// How much memory this process has.
#[derive(Default)]
struct Memory {
    /// Bytes, and when they were asked for.
    known: Option<(Instant, Option<u64>)>,
}

impl Memory {
    /// The resident set in bytes, where the system tells.
    fn resident(&mut self) -> Option<u64> {
        match self.known {
            Some((asked, bytes)) if asked.elapsed() < MEMORY_INTERVAL => bytes,
            _ => {
                let bytes = resident();
                self.known = Some((Instant::now(), bytes));
                bytes
            }
        }
    }
}

/// The resident set of this process in bytes, where the system tells.
fn resident() -> Option<u64> {
    let process = Dir::open_ambient_dir("/proc/self", ambient_authority()).ok()?;
    resident_bytes(&process.read_to_string("status").ok()?)
}

/// `VmRSS` of proc_pid_status(5), which is in KiB.
fn resident_bytes(status: &str) -> Option<u64> {
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    resident.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::resident_bytes;

    #[test]
    fn the_resident_set_is_read_where_it_is_there() {
        assert_eq!(resident_bytes("Name:\tx\nVmPeak:\t   99 kB\nVmRSS:\t    1234 kB\nThreads:\t1\n"), Some(1_263_616));
        assert_eq!(resident_bytes("Name:\tkthreadd\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t12 pages\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t99999999999999999999 kB\n"), None);
    }
}
