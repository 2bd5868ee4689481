//! Who is asked: the arms that the user named, found on the server's cards.

use crate::client::Card;
use crate::{Arm, Error};

/// An arm as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmSpec {
    /// Its name in tables.
    pub label: String,
    /// The `model` of its requests; `base` stands for the server's base where no model has that
    /// name.
    pub model: String,
}

impl ArmSpec {
    /// Reads `NAME` or `LABEL=MODEL`.
    ///
    /// # Errors
    /// A sentence, when a side is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (label, model) = text.split_once('=').unwrap_or((text, text));
        if label.is_empty() || model.is_empty() {
            return Err(format!("expected NAME or LABEL=MODEL, found `{text}`"));
        }
        Ok(Self { label: label.to_owned(), model: model.to_owned() })
    }
}

/// The arms of a run: those named, or all that the server serves, its base first.
pub(crate) fn resolve(specs: &[ArmSpec], cards: &[Card]) -> Result<Vec<Arm>, Error> {
    let arms = match specs {
        [] => all(cards)?,
        specs => specs.iter().map(|spec| named(spec, cards)).collect::<Result<Vec<_>, _>>()?,
    };
    for (place, arm) in arms.iter().enumerate() {
        if arms[..place].iter().any(|other| other.label == arm.label) {
            return Err(Error::Setting(format!(
                "two arms are called `{}`; name one of them as LABEL=MODEL",
                arm.label
            )));
        }
    }
    Ok(arms)
}

/// The reference among the arms: the one that was asked for, or the base, or the first.
pub(crate) fn reference(
    asked: Option<&str>,
    arms: &[Arm],
    cards: &[Card],
) -> Result<String, Error> {
    if let Some(label) = asked {
        let known: Vec<&str> = arms.iter().map(|arm| arm.label.as_str()).collect();
        return known
            .iter()
            .find(|known| **known == label)
            .map(|label| (*label).to_owned())
            .ok_or_else(|| {
                Error::Setting(format!(
                    "the reference is `{label}`, which is no arm; the arms are {}",
                    known.join(", ")
                ))
            });
    }
    let is_base = |arm: &&Arm| cards.iter().any(|card| card.id == arm.model && card.is_base());
    let base = arms.iter().find(is_base).or(arms.first());
    base.map(|arm| arm.label.clone())
        .ok_or_else(|| Error::Setting("there is no arm; name one".to_owned()))
}

impl Card {
    /// Whether this is surely a base, where the server tells bases from adapters.
    fn is_base(&self) -> bool {
        self.has_parent && self.parent.is_none()
    }
}

fn all(cards: &[Card]) -> Result<Vec<Arm>, Error> {
    if cards.is_empty() {
        return Err(Error::Setting(
            "the server does not say which models it serves; name them as arms".to_owned(),
        ));
    }
    let (bases, others): (Vec<&Card>, Vec<&Card>) = cards.iter().partition(|card| card.is_base());
    Ok(bases.into_iter().chain(others).map(|card| arm(&card.id, card)).collect())
}

fn named(spec: &ArmSpec, cards: &[Card]) -> Result<Arm, Error> {
    if let Some(card) = cards.iter().find(|card| card.id == spec.model) {
        return Ok(arm(&spec.label, card));
    }
    let served = || cards.iter().map(|card| card.id.as_str()).collect::<Vec<_>>().join(", ");
    if spec.model == "base" {
        let bases: Vec<&Card> = match cards {
            [only] => vec![only],
            cards => cards.iter().filter(|card| card.is_base()).collect(),
        };
        return match bases[..] {
            [base] => Ok(arm(&spec.label, base)),
            _ => Err(Error::Setting(format!(
                "the server does not say which of its models is the base ({}); name it, as \
                 base=MODEL",
                served()
            ))),
        };
    }
    // A server that lists its adapters lists all of them; another one may know more names.
    if cards.iter().any(|card| card.has_parent) {
        return Err(Error::Server(format!(
            "the server has no model `{}`; it serves {}",
            spec.model,
            served()
        )));
    }
    let (label, model) = (spec.label.clone(), spec.model.clone());
    Ok(Arm { label, model, generation: None, base_generation: None })
}

fn arm(label: &str, card: &Card) -> Arm {
    Arm {
        label: label.to_owned(),
        model: card.id.clone(),
        generation: card.generation.clone(),
        base_generation: card.base_generation.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: &str, parent: Option<&str>, has_parent: bool) -> Card {
        let generation = parent.map(|_| "g1".to_owned());
        let parent = parent.map(str::to_owned);
        Card { id: id.into(), parent, generation, base_generation: Some("b1".into()), has_parent }
    }

    fn ours() -> Vec<Card> {
        vec![card("sft", Some("initial"), true), card("initial", None, true)]
    }

    fn spec(text: &str) -> ArmSpec {
        ArmSpec::parse(text).unwrap()
    }

    fn shown(arms: &[Arm]) -> Vec<(&str, &str)> {
        arms.iter().map(|arm| (arm.label.as_str(), arm.model.as_str())).collect()
    }

    #[test]
    fn without_names_all_are_asked_base_first() {
        let arms = resolve(&[], &ours()).unwrap();
        assert_eq!(shown(&arms), [("initial", "initial"), ("sft", "sft")]);
        assert_eq!((&arms[0].generation, arms[1].generation.as_deref()), (&None, Some("g1")));
        assert!(arms.iter().all(|arm| arm.base_generation.as_deref() == Some("b1")));
        assert_eq!(reference(None, &arms, &ours()).unwrap(), "initial");
        assert!(resolve(&[], &[]).is_err());
    }

    #[test]
    fn base_is_the_card_without_a_parent() {
        let arms = resolve(&[spec("x=sft"), spec("base")], &ours()).unwrap();
        assert_eq!(shown(&arms), [("x", "sft"), ("base", "initial")]);
        assert_eq!(reference(None, &arms, &ours()).unwrap(), "base");
        assert_eq!(reference(Some("x"), &arms, &ours()).unwrap(), "x");
        assert!(reference(Some("y"), &arms, &ours()).unwrap_err().to_string().contains("x, base"));
        let plain = [card("a", None, false), card("b", None, false)];
        assert!(resolve(&[spec("base")], &plain).unwrap_err().to_string().contains("base=MODEL"));
        let named = [card("base", None, false), card("b", None, false)];
        assert_eq!(shown(&resolve(&[spec("base")], &named).unwrap()), [("base", "base")]);
        assert_eq!(shown(&resolve(&[spec("base")], &plain[..1]).unwrap()), [("base", "a")]);
    }

    #[test]
    fn unknown_models_and_twins_are_refused() {
        let said = resolve(&[spec("nope")], &ours()).unwrap_err().to_string();
        assert_eq!(said, "the server has no model `nope`; it serves sft, initial");
        assert_eq!(shown(&resolve(&[spec("alias")], &[]).unwrap()), [("alias", "alias")]);
        assert!(resolve(&[spec("sft"), spec("sft=initial")], &ours()).is_err());
        assert!(ArmSpec::parse("=x").is_err() && ArmSpec::parse("x=").is_err());
    }
}
