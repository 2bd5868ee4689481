//! Learning byte-pair merges (Sennrich et al. 2016, <https://arxiv.org/abs/1508.07909>) with one
//! fixed rule for ties, so that the same words always give the same vocabulary. The library's
//! trainer leaves some ties to the order of a randomly seeded hash map. Works on words already cut
//! and spelt in the byte-level alphabet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::bytes::BYTE_TO_CHAR;

/// A learnt vocabulary: the tokens by id (the 256 bytes first) and the merges by rank.
#[derive(Debug)]
pub(super) struct Learnt {
    pub(super) tokens: Vec<String>,
    pub(super) merges: Vec<(String, String)>,
}

/// One distinct word: its current pieces and how often it occurs.
struct Word {
    pieces: Vec<u32>,
    count: u64,
}

type Pair = (u32, u32);

/// Learns merges until the vocabulary has `size` tokens or no pair occurs twice. `words` maps a
/// word in the byte-level alphabet to its count. The most frequent pair is merged first; of equals,
/// the one with the lowest ids.
pub(super) fn learn(words: &BTreeMap<String, u64>, size: usize) -> Learnt {
    let mut learner = Learner::new(words);
    while learner.tokens.len() < size && learner.merge_best() {}
    Learnt { tokens: learner.tokens, merges: learner.merges }
}

struct Learner {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    merges: Vec<(String, String)>,
    words: Vec<Word>,
    counts: HashMap<Pair, u64>,
    /// Words in which a pair occurs, or did.
    places: HashMap<Pair, BTreeSet<usize>>,
}

impl Learner {
    fn new(words: &BTreeMap<String, u64>) -> Self {
        let mut alphabet: Vec<char> = BYTE_TO_CHAR.to_vec();
        alphabet.sort_unstable();
        let tokens: Vec<String> = alphabet.iter().map(char::to_string).collect();
        let ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
        let spell = |word: &str| {
            word.chars()
                .filter_map(|c| ids.get(c.encode_utf8(&mut [0; 4]) as &str).copied())
                .collect()
        };
        let words: Vec<Word> =
            words.iter().map(|(word, &count)| Word { pieces: spell(word), count }).collect();
        let mut learner = Self {
            tokens,
            ids,
            merges: Vec::new(),
            words,
            counts: HashMap::new(),
            places: HashMap::new(),
        };
        (0..learner.words.len()).for_each(|index| learner.count(index));
        learner
    }

    /// Adds the pairs of one word.
    fn count(&mut self, index: usize) {
        let word = &self.words[index];
        for pair in pairs(&word.pieces) {
            *self.counts.entry(pair).or_default() += word.count;
            self.places.entry(pair).or_default().insert(index);
        }
    }

    /// Takes the pairs of one word out again.
    fn discount(&mut self, index: usize) {
        let word = &self.words[index];
        for pair in pairs(&word.pieces) {
            if let Some(count) = self.counts.get_mut(&pair) {
                *count -= word.count;
            }
        }
    }

    /// Merges the best pair everywhere; `false` when none occurs twice.
    fn merge_best(&mut self) -> bool {
        let best =
            self.counts.iter().max_by_key(|(pair, count)| (**count, std::cmp::Reverse(**pair)));
        let Some((&pair, &count)) = best else { return false };
        if count < 2 {
            return false;
        }
        let merged = self.name(pair);
        for index in self.places.remove(&pair).unwrap_or_default() {
            self.discount(index);
            self.words[index].pieces = replace(&self.words[index].pieces, pair, merged);
            self.count(index);
        }
        self.counts.remove(&pair);
        true
    }

    /// The id of the token that joins `pair`, new unless another merge already spelt it.
    fn name(&mut self, (left, right): Pair) -> u32 {
        let (left, right) =
            (self.tokens[left as usize].clone(), self.tokens[right as usize].clone());
        let joined = format!("{left}{right}");
        self.merges.push((left, right));
        if let Some(&id) = self.ids.get(&joined) {
            return id;
        }
        let id = self.ids.len() as u32;
        self.ids.insert(joined.clone(), id);
        self.tokens.push(joined);
        id
    }
}

fn pairs(pieces: &[u32]) -> impl Iterator<Item = Pair> {
    pieces.windows(2).map(|pair| (pair[0], pair[1]))
}

/// Replaces `pair` by `merged` from left to right, without overlap.
fn replace(pieces: &[u32], pair: Pair, merged: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(pieces.len());
    let mut at = 0;
    while at < pieces.len() {
        let found = pieces.get(at + 1).is_some_and(|&next| (pieces[at], next) == pair);
        out.push(if found { merged } else { pieces[at] });
        at += if found { 2 } else { 1 };
    }
    out
}
