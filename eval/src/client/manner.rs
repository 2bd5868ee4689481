//! How a server wants to be asked: without fields that it refuses by name, and with the newer name of
//! `max_tokens`. Learnt from a refusal, and believed once the request asked otherwise is answered.

use serde_json::Value;

/// Fields that a question can be asked without, which the run's record says: a seed, and bounds that ask
/// for nothing but what they are without. Any other field decides the answer's distribution.
const OPTIONAL: [&str; 3] = ["seed", "top_p", "top_k"];

/// How a server wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Which of [`OPTIONAL`] are left out.
    without: [bool; OPTIONAL.len()],
    /// Whether a conversation's limit is called `max_completion_tokens`.
    pub(crate) newer_name: bool,
}

impl Manner {
    /// Without the fields of these names.
    pub(crate) fn without(names: &[String]) -> Self {
        let without = OPTIONAL.map(|field| names.iter().any(|name| name == field));
        Self { without, newer_name: false }
    }

    /// Whether a field of this name is sent.
    pub(crate) fn sends(self, name: &str) -> bool {
        !OPTIONAL.iter().zip(self.without).any(|(field, without)| without && *field == name)
    }

    /// The fields that are left out.
    pub(crate) fn left_out(self) -> Vec<&'static str> {
        let fields = OPTIONAL.into_iter().zip(self.without);
        fields.filter(|(_, without)| *without).map(|(field, _)| field).collect()
    }

    /// What both say.
    pub(crate) fn and(self, other: Self) -> Self {
        let without = std::array::from_fn(|at| self.without[at] || other.without[at]);
        Self { without, newer_name: self.newer_name || other.newer_name }
    }

    /// How else `body` could be asked that was refused for this reason; `None` where the reason names
    /// nothing that can be left out or called otherwise.
    pub(crate) fn after(self, reason: &str, body: &Value) -> Option<Self> {
        let named = OPTIONAL.map(|field| may_go(field, &body[field]) && names(reason, field));
        let newer_name = body["max_tokens"].is_u64()
            && body["messages"].is_array()
            && names(reason, "max_completion_tokens");
        let next = self.and(Self { without: named, newer_name });
        (next != self).then_some(next)
    }
}

/// Whether a field of this value, `null` where it is not sent, can be left out.
fn may_go(field: &str, value: &Value) -> bool {
    match field {
        "top_p" => value.as_f64() == Some(1.0),
        "top_k" => value.as_i64().is_some_and(|k| k <= 0),
        _ => !value.is_null(),
    }
}

/// Whether a text has the word.
pub(super) fn names(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_left_out_that_was_sent_and_is_named() {
        let body = json!({"messages": [], "seed": 1, "top_p": 1.0, "max_tokens": 3, "stop": ["x"]});
        let after = |reason: &str| Manner::default().after(reason, &body).map(Manner::left_out);
        assert_eq!(after("Unrecognized request argument supplied: seed"), Some(vec!["seed"]));
        assert_eq!(after("body.top_p: Extra inputs, `seed`: too"), Some(vec!["seed", "top_p"]));
        for other in ["top_k is unknown", "use random_seed", "seeds", "stop", "temperature", ""] {
            assert_eq!(after(other), None, "{other}");
        }
        let bounded = json!({"messages": [], "top_p": 0.9, "top_k": 5});
        for bound in ["top_p", "top_k"] {
            assert_eq!(Manner::default().after(bound, &bounded), None, "{bound} decides the draw");
        }
        let newer = Manner::default().after("Use 'max_completion_tokens' instead.", &body).unwrap();
        assert!(newer.newer_name && newer.left_out().is_empty());
        assert_eq!(newer.after("Use 'max_completion_tokens' instead.", &body), None, "asked so");
        let text = json!({"prompt": "x", "max_tokens": 3});
        assert_eq!(Manner::default().after("max_completion_tokens", &text), None);
    }

    #[test]
    fn what_was_learnt_adds_up() {
        let names = ["top_k".to_owned(), "gone".to_owned()];
        let known = Manner::without(&names);
        assert_eq!(known.left_out(), ["top_k"]);
        assert!(!known.sends("top_k") && known.sends("seed") && known.sends("stop"));
        let more = known.and(Manner::without(&["seed".to_owned()]));
        assert_eq!(more.left_out(), ["seed", "top_k"]);
    }
}
