//! What a plugin may use up, and what it did use up.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is limited. Each has an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// Instructions, in wasmtime's units of fuel, of one instance in a run; what the host does in calls from the plugin counts
    /// too.
    Fuel,
    /// Time of one call, in milliseconds.
    WallTimeMs,
    /// Linear memory, in bytes.
    MemoryBytes,
    /// Elements of all tables.
    TableElements,
    /// Stack of one call, in bytes; rounded up to 64 KiB, as far as the host allows.
    StackBytes,
    /// What is handed to one call, in bytes: rows or evidence, settings and assets.
    InputBytes,
    /// What one call may return, in bytes: a text by what it holds, a list by the host's size of its entries as well.
    OutputBytes,
    /// What may be logged in a run, in bytes; every line counts one more. What a panic says counts too.
    LogBytes,
    /// Size of the component, in bytes.
    ComponentBytes,
    /// Core instances that the component consists of.
    Instances,
}

impl LimitKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Fuel,
        Self::WallTimeMs,
        Self::MemoryBytes,
        Self::TableElements,
        Self::StackBytes,
        Self::InputBytes,
        Self::OutputBytes,
        Self::LogBytes,
        Self::ComponentBytes,
        Self::Instances,
    ];

    /// The key in `plugin.toml` and in the host's configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::WallTimeMs => "wall_time_ms",
            Self::MemoryBytes => "memory_bytes",
            Self::TableElements => "table_elements",
            Self::StackBytes => "stack_bytes",
            Self::InputBytes => "input_bytes",
            Self::OutputBytes => "output_bytes",
            Self::LogBytes => "log_bytes",
            Self::ComponentBytes => "component_bytes",
            Self::Instances => "instances",
        }
    }

    /// A short stable code for verdicts and records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Fuel => "out-of-fuel",
            Self::WallTimeMs => "out-of-time",
            Self::MemoryBytes => "out-of-memory",
            Self::TableElements => "table-limit",
            Self::StackBytes => "stack-limit",
            Self::InputBytes => "input-limit",
            Self::OutputBytes => "output-limit",
            Self::LogBytes => "log-limit",
            Self::ComponentBytes => "component-limit",
            Self::Instances => "instance-limit",
        }
    }

    /// What happened when the limit `value` was passed.
    pub fn passed(self, value: u64) -> String {
        match self {
            Self::Fuel => format!("used up its fuel ({value})"),
            Self::WallTimeMs => format!("took longer than {value} ms for a call"),
            Self::MemoryBytes => format!("needs more than its {value} bytes of memory"),
            Self::TableElements => format!("needs more than its {value} elements of tables"),
            Self::StackBytes => format!("needs more than its {value} bytes of stack"),
            Self::InputBytes => format!("was to be handed more than {value} bytes in a call"),
            Self::OutputBytes => format!("returned more than {value} bytes from a call"),
            Self::LogBytes => format!("logged more than {value} bytes"),
            Self::ComponentBytes => format!("has a component of more than {value} bytes"),
            Self::Instances => format!("consists of more than {value} core instances"),
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

/// How the work of a plugin is metered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metering {
    /// Every instruction is counted: a call that runs away stops at the same instruction everywhere.
    #[default]
    Fuel,
    /// Only the clock is looked at, which is faster. For transforms: a run that runs out of time fails and decides nothing.
    Time,
}

/// What a plugin may use up. What an author leaves out gets the default; a host caps each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How work is metered. A host that caps it at `fuel` meters everything.
    pub metering: Metering,
    /// [`LimitKind::Fuel`]
    pub fuel: u64,
    /// [`LimitKind::WallTimeMs`]
    pub wall_time_ms: u64,
    /// [`LimitKind::MemoryBytes`]
    pub memory_bytes: u64,
    /// [`LimitKind::TableElements`]
    pub table_elements: u64,
    /// [`LimitKind::StackBytes`]
    pub stack_bytes: u64,
    /// [`LimitKind::InputBytes`]
    pub input_bytes: u64,
    /// [`LimitKind::OutputBytes`]
    pub output_bytes: u64,
    /// [`LimitKind::LogBytes`]
    pub log_bytes: u64,
    /// [`LimitKind::ComponentBytes`]
    pub component_bytes: u64,
    /// [`LimitKind::Instances`]
    pub instances: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            metering: Metering::Fuel,
            fuel: 20_000_000_000,
            wall_time_ms: 60_000,
            memory_bytes: 64 << 20,
            table_elements: 10_000,
            stack_bytes: 512 << 10,
            input_bytes: 64 << 20,
            output_bytes: 64 << 20,
            log_bytes: 64 << 10,
            component_bytes: 8 << 20,
            instances: 16,
        }
    }
}

impl Limits {
    /// What a host allows at most when its operator says nothing else.
    pub const HOST: Self = Self {
        metering: Metering::Time,
        fuel: 1_000_000_000_000,
        wall_time_ms: 300_000,
        memory_bytes: 512 << 20,
        table_elements: 100_000,
        stack_bytes: 1 << 20,
        input_bytes: 512 << 20,
        output_bytes: 512 << 20,
        log_bytes: 1 << 20,
        component_bytes: 32 << 20,
        instances: 64,
    };

    /// One limit.
    pub fn get(&self, kind: LimitKind) -> u64 {
        match kind {
            LimitKind::Fuel => self.fuel,
            LimitKind::WallTimeMs => self.wall_time_ms,
            LimitKind::MemoryBytes => self.memory_bytes,
            LimitKind::TableElements => self.table_elements,
            LimitKind::StackBytes => self.stack_bytes,
            LimitKind::InputBytes => self.input_bytes,
            LimitKind::OutputBytes => self.output_bytes,
            LimitKind::LogBytes => self.log_bytes,
            LimitKind::ComponentBytes => self.component_bytes,
            LimitKind::Instances => self.instances,
        }
    }

    /// Changes one limit.
    pub fn set(&mut self, kind: LimitKind, limit: u64) {
        *match kind {
            LimitKind::Fuel => &mut self.fuel,
            LimitKind::WallTimeMs => &mut self.wall_time_ms,
            LimitKind::MemoryBytes => &mut self.memory_bytes,
            LimitKind::TableElements => &mut self.table_elements,
            LimitKind::StackBytes => &mut self.stack_bytes,
            LimitKind::InputBytes => &mut self.input_bytes,
            LimitKind::OutputBytes => &mut self.output_bytes,
            LimitKind::LogBytes => &mut self.log_bytes,
            LimitKind::ComponentBytes => &mut self.component_bytes,
            LimitKind::Instances => &mut self.instances,
        } = limit;
    }

    /// The smaller of each limit, and the stricter metering.
    #[must_use]
    pub fn capped(self, cap: Self) -> Self {
        let metering = match (self.metering, cap.metering) {
            (Metering::Time, Metering::Time) => Metering::Time,
            _ => Metering::Fuel,
        };
        Self {
            metering,
            fuel: self.fuel.min(cap.fuel),
            wall_time_ms: self.wall_time_ms.min(cap.wall_time_ms),
            memory_bytes: self.memory_bytes.min(cap.memory_bytes),
            table_elements: self.table_elements.min(cap.table_elements),
            stack_bytes: self.stack_bytes.min(cap.stack_bytes),
            input_bytes: self.input_bytes.min(cap.input_bytes),
            output_bytes: self.output_bytes.min(cap.output_bytes),
            log_bytes: self.log_bytes.min(cap.log_bytes),
            component_bytes: self.component_bytes.min(cap.component_bytes),
            instances: self.instances.min(cap.instances),
        }
    }
}

/// How much of a limit was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Used {
    /// How much: a total, or the largest call, as the kind says.
    pub used: u64,
    /// Of how much.
    pub limit: u64,
}

/// What a plugin used, of what it was allowed. A kind that was not looked at is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
#[serde(transparent)]
pub struct Usage(BTreeMap<LimitKind, Used>);

impl Usage {
    /// How much of one limit was used.
    pub fn get(&self, kind: LimitKind) -> Option<Used> {
        self.0.get(&kind).copied()
    }

    /// Notes one limit.
    pub fn set(&mut self, kind: LimitKind, used: u64, limit: u64) {
        self.0.insert(kind, Used { used, limit });
    }

    /// Every limit that was looked at.
    pub fn iter(&self) -> impl Iterator<Item = (LimitKind, Used)> {
        self.0.iter().map(|(kind, used)| (*kind, *used))
    }

    /// The usage of several instances that shared the work: what is counted over a run adds up, of the rest the largest is
    /// told.
    pub fn add(&mut self, other: &Self) {
        for (kind, more) in other.iter() {
            let sum = matches!(kind, LimitKind::Fuel | LimitKind::LogBytes);
            let entry = self.0.entry(kind).or_insert(Used { used: 0, limit: 0 });
            entry.used = if sum { entry.used.saturating_add(more.used) } else { entry.used.max(more.used) };
            entry.limit = if sum { entry.limit.saturating_add(more.limit) } else { entry.limit.max(more.limit) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_capped_one_by_one() {
        let asked = Limits { memory_bytes: 5, ..Limits::default() };
        let cap = Limits { fuel: 1, ..Limits::default() };
        assert_eq!(asked.capped(cap), Limits { fuel: 1, memory_bytes: 5, ..Limits::default() });
        for kind in LimitKind::ALL {
            assert!(Limits::default().get(kind) <= Limits::HOST.get(kind), "{kind}");
            assert_eq!(Limits::HOST.capped(Limits::default()).get(kind), Limits::default().get(kind), "{kind}");
        }
    }

    #[test]
    fn only_if_both_agree_is_time_enough() {
        use Metering::{Fuel, Time};
        for (asked, cap, metering) in [(Fuel, Fuel, Fuel), (Fuel, Time, Fuel), (Time, Fuel, Fuel), (Time, Time, Time)] {
            let limits = |metering| Limits { metering, ..Limits::default() };
            assert_eq!(limits(asked).capped(limits(cap)).metering, metering);
        }
    }

    #[test]
    fn keys_are_those_of_the_file() {
        for kind in LimitKind::ALL {
            let document = format!("{} = 7", kind.key());
            let limits: Limits = toml::from_str(&document).unwrap();
            assert_eq!(limits.get(kind), 7);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.key());
            assert!(kind.passed(7).contains('7'));
        }
        assert!(toml::from_str::<Limits>("feul = 1").is_err());
    }

    #[test]
    fn usage_of_shards_adds_up() {
        let mut one = Usage::default();
        one.set(LimitKind::LogBytes, 3, 10);
        one.set(LimitKind::MemoryBytes, 5, 10);
        let mut two = Usage::default();
        two.set(LimitKind::LogBytes, 4, 10);
        two.set(LimitKind::MemoryBytes, 7, 10);
        one.add(&two);
        assert_eq!(one.get(LimitKind::LogBytes), Some(Used { used: 7, limit: 20 }));
        assert_eq!(one.get(LimitKind::MemoryBytes), Some(Used { used: 7, limit: 10 }));
        assert_eq!(one.get(LimitKind::Fuel), None);
    }
}
