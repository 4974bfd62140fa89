//! Progress of a run on stderr: one line a phase, one bar for the work in it. Nothing is drawn when stderr is no terminal.

use std::time::{Duration, Instant};

use freehold_core::record::Phase;
use freehold_workflow::{Event, Observer, Unit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize as _;

use crate::page::{Terminal, shown};

/// Draws a run.
pub(crate) struct RunProgress {
    bar: ProgressBar,
    started: Instant,
    task: String,
}

/// A bar while it is known how much there is to do, a spinner before.
fn style(known: Option<Unit>) -> ProgressStyle {
    let template = match known {
        Some(Unit::Things) => "  {msg:32!} {bar:30.cyan/blue} {pos:>5}/{len:5} {prefix} ({eta} left)",
        Some(Unit::Bytes) => {
            "  {msg:32!} {bar:30.cyan/blue} {binary_bytes}/{binary_total_bytes} {prefix} {binary_bytes_per_sec} ({eta} left)"
        }
        None => "  {spinner} {msg}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A bar for a single piece of work.
pub(crate) fn bar(terminal: &Terminal) -> ProgressBar {
    let target = if terminal.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(style(Some(Unit::Things)));
    bar
}

impl RunProgress {
    pub(crate) fn new(terminal: &Terminal) -> Self {
        Self { bar: bar(terminal), started: Instant::now(), task: String::new() }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        self.bar.println(text);
    }

    /// Nothing is being counted now.
    fn rest(&mut self, message: &str) {
        self.bar.set_style(style(None));
        self.bar.set_message(message.to_owned());
        self.bar.set_prefix("");
        self.task.clear();
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
            Event::PhaseFinished { phase, earlier } => self.end(phase, earlier),
            Event::Progress { task, done, total, unit, note } => {
                if task != self.task {
                    self.bar.set_style(style(Some(unit)));
                    self.bar.reset();
                    self.bar.set_message(shown(&task));
                    self.task = task;
                }
                self.bar.set_length(total);
                self.bar.set_position(done);
                self.bar.set_prefix(shown(&note));
            }
        }
    }
}
