//! Messages as others write them: `{"role", "content"}` or `{"from", "value"}`, and who speaks.

use freehold_core::batch::ROLES;

use crate::parse::shown;

/// The column that models learn from.
pub const MESSAGES: &str = "messages";
/// The column of turns before the one that is learned: a list of pairs.
pub(crate) const HISTORY: &str = "history";

/// What the fields of a message are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keys {
    /// `role` and `content`.
    RoleContent,
    /// `from` and `value`.
    FromValue,
}

impl Keys {
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::RoleContent => "messages with `role` and `content`",
            Self::FromValue => "messages with `from` and `value`",
        }
    }

    /// The names of the fields.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::RoleContent => ("role", "content"),
            Self::FromValue => ("from", "value"),
        }
    }

    /// The role of who speaks.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub(crate) fn role(self, speaker: &str) -> Result<&str, (String, String)> {
        let role = match self {
            Self::RoleContent => ROLES.contains(&speaker).then_some(speaker),
            Self::FromValue => role_of(speaker),
        };
        role.ok_or_else(|| {
            let names = match self {
                Self::RoleContent => ROLES.join(", "),
                Self::FromValue => SPEAKERS.map(|(name, _)| name).join(", "),
            };
            (format!("a message whose `{}` is `{}`", self.names().0, shown(speaker)), format!("one of {names}"))
        })
    }
}

/// Who speaks in files of ShareGPT's form, and the role that it is.
const SPEAKERS: [(&str, &str); 10] = [
    ("human", "user"),
    ("user", "user"),
    ("gpt", "assistant"),
    ("chatgpt", "assistant"),
    ("model", "assistant"),
    ("assistant", "assistant"),
    ("system", "system"),
    ("tool", "tool"),
    ("observation", "tool"),
    ("function", "function"),
];

fn role_of(speaker: &str) -> Option<&'static str> {
    SPEAKERS.iter().find(|(name, _)| *name == speaker).map(|(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_have_the_roles_of_a_chat_template() {
        for (_, role) in SPEAKERS {
            assert!(ROLES.contains(&role));
        }
        assert_eq!(Keys::FromValue.role("human"), Ok("user"));
        assert_eq!(Keys::RoleContent.role("tool"), Ok("tool"));
        let (problem, expected) = Keys::RoleContent.role("human").unwrap_err();
        assert_eq!((problem.as_str(), expected.contains("assistant")), ("a message whose `role` is `human`", true));
        assert!(Keys::FromValue.role("robot").unwrap_err().1.contains("human"));
    }
}
