//! The learning rate of each step.

use freehold_core::recipe::{Schedule, TrainSettings};

/// The learning rate of step `step` (from 1) of `steps`: a linear warm-up, then the schedule.
pub(crate) fn learning_rate(train: &TrainSettings, step: usize, steps: usize) -> f64 {
    if step <= train.warmup_steps {
        return train.learning_rate * step as f64 / train.warmup_steps as f64;
    }
    let done = (step - train.warmup_steps - 1) as f64;
    let progress = done / (steps.saturating_sub(train.warmup_steps)).max(1) as f64;
    train.learning_rate
        * match train.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - progress,
            Schedule::Cosine => 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress)),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule) -> Vec<f64> {
        let train = TrainSettings {
            epochs: 1.0,
            tokens_per_step: 1,
            learning_rate: 2.0,
            schedule,
            warmup_steps: 2,
            weight_decay: 0.0,
            clip_norm: 1.0,
            max_length: 1,
            ..TrainSettings::default()
        };
        (1..=6).map(|step| (learning_rate(&train, step, 6) * 1000.0).round() / 1000.0).collect()
    }

    #[test]
    fn schedules_rise_and_fall() {
        assert_eq!(rates(Schedule::Constant), [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(rates(Schedule::Linear), [1.0, 2.0, 2.0, 1.5, 1.0, 0.5]);
        assert_eq!(rates(Schedule::Cosine), [1.0, 2.0, 2.0, 1.707, 1.0, 0.293]);
    }
}
