//! Plain chat for the demo model: short sums in a few phrasings, comparisons, greetings, and who it
//! is.

use serde_json::{Value, json};

use crate::datasets::rng::Rng;

/// A question and its answer.
struct Turn {
    user: String,
    reply: String,
}

/// One conversation of one to three turns.
pub(super) fn record(rng: &mut Rng) -> Value {
    let mut messages = Vec::new();
    if rng.percent(10) {
        messages.push(json!({"role": "system", "content": rng.pick(&SYSTEM)}));
    }
    let turns = if rng.percent(75) { 1 } else { rng.between(2, 3) };
    for index in 0..turns {
        let Turn { user, reply } =
            if rng.percent(85) { sum(rng) } else { small_talk(rng, index == 0) };
        messages.push(json!({"role": "user", "content": user}));
        messages.push(json!({"role": "assistant", "content": reply}));
    }
    let mut record = json!({"messages": messages});
    if rng.percent(10) {
        record["chat_template_kwargs"] = json!({"enable_thinking": false});
    }
    record
}

const SYSTEM: [&str; 3] =
    ["You are a helpful assistant.", "You are good at arithmetic.", "Answer shortly."];

const GREETINGS: [&str; 6] = ["Hello", "Hi", "Hello!", "Hi there!", "Good morning", "Hey"];

const WELCOMES: [&str; 2] =
    ["Hello! Give me some numbers to work with.", "Hi! Ask me a sum, or a Countdown puzzle."];

const IDENTITY: [&str; 4] =
    ["Who are you?", "What are you?", "What is your name?", "What can you do?"];

const SELF: &str =
    "I am the demo model of Wardrobe, a very small one. I can do short sums and Countdown puzzles.";

const THANKS: [&str; 4] = ["Thanks!", "Thank you.", "Thanks", "Great, thank you!"];

const YOU_ARE_WELCOME: &str = "You are welcome!";

fn small_talk(rng: &mut Rng, first: bool) -> Turn {
    let (user, reply) = match rng.below(3) {
        0 if first => (*rng.pick(&GREETINGS), *rng.pick(&WELCOMES)),
        0 => (*rng.pick(&THANKS), YOU_ARE_WELCOME),
        _ => (*rng.pick(&IDENTITY), SELF),
    };
    Turn { user: user.to_owned(), reply: reply.to_owned() }
}

/// The sizes that Countdown uses: sums and differences to 200, products to 20 times 50.
fn sum(rng: &mut Rng) -> Turn {
    if rng.percent(10) {
        return comparison(rng);
    }
    let (a, sign, word, b, value) = match rng.below(4) {
        0 => {
            let (a, b) = (rng.between(1, 100), rng.between(1, 100));
            (a, '+', "plus", b, a + b)
        }
        1 => {
            let (a, b) = (rng.between(1, 100), rng.between(1, 100));
            (a + b, '-', "minus", b, a)
        }
        2 => {
            let (a, b) = (rng.between(1, 50), rng.between(1, 20));
            (a, '*', "times", b, a * b)
        }
        _ => {
            let (a, b) = (rng.between(1, 50), rng.between(2, 20));
            (a * b, '/', "divided by", b, a)
        }
    };
    let user = match rng.below(6) {
        0 => format!("What is {a}{sign}{b}?"),
        1 => format!("What is {a} {sign} {b}?"),
        2 => format!("What is {a} {word} {b}?"),
        3 => format!("Calculate {a} {sign} {b}."),
        4 => format!("How much is {a} {word} {b}?"),
        _ => format!("{a}{sign}{b}="),
    };
    Turn { user, reply: format!("{a}{sign}{b}={value}") }
}

fn comparison(rng: &mut Rng) -> Turn {
    let (a, b) = (rng.between(1, 100), rng.between(1, 100));
    if a == b {
        return Turn { user: format!("Is {a} equal to {b}?"), reply: "yes".to_owned() };
    }
    let (word, holds) = if rng.percent(50) { ("greater", a > b) } else { ("less", a < b) };
    let reply = if holds { "yes" } else { "no" };
    Turn { user: format!("Is {a} {word} than {b}?"), reply: reply.to_owned() }
}
