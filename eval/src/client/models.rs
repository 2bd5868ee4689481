//! What a server says that it serves: the cards of `/v1/models`.

use serde_json::Value;

use super::{Client, Trouble};

/// A model's card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// The `model` of requests.
    pub(crate) id: String,
    /// The base that an adapter is worn by. `None` on a base's card, and where the server does not
    /// say.
    pub(crate) parent: Option<String>,
    /// The adapter's generation, where the server says.
    pub(crate) generation: Option<String>,
    /// That of the base, or of the base that an adapter is worn by, where the server says.
    pub(crate) base_generation: Option<String>,
    /// Whether the card speaks of parents at all, as vLLM's and ours do.
    pub(crate) has_parent: bool,
}

impl Client {
    /// Every card. A server without such a list has none.
    pub(crate) fn cards(&self) -> Result<Vec<Card>, Trouble> {
        let reply = match self.tried(|| self.http.get("/v1/models")) {
            Ok(reply) => reply,
            Err(Trouble::Missing(_)) => return Ok(Vec::new()),
            Err(Trouble::Request(reason)) => return Err(Trouble::Run(reason)),
            Err(other) => return Err(other),
        };
        let cards = reply["data"].as_array();
        Ok(cards.map(|list| list.iter().filter_map(card).collect()).unwrap_or_default())
    }
}

fn card(value: &Value) -> Option<Card> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Card {
        id: text("id")?,
        parent: text("parent"),
        generation: text("adapter_generation"),
        base_generation: text("base_generation"),
        has_parent: value.get("parent").is_some(),
    })
}
