//! What opens a card (`README.md`) between two lines `---`, and the hub reads: of a model's card what says
//! where it comes from, of a package's card what the hub's rules ask for.
//!
//! It is read as far as these keys need: texts, and lists in either notation. The rest of YAML is passed
//! over. Rules: huggingface.co/docs/hub/model-cards.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::license::License;

/// The keys of a card, each with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontMatter(BTreeMap<String, Vec<String>>);

impl FrontMatter {
    /// Of the card in the model folder `dir`; empty where there is none.
    pub fn of_model(dir: &Path) -> Self {
        fs_err::read_to_string(dir.join("README.md"))
            .map_or_else(|_| Self::default(), |card| Self::parse(&card))
    }

    /// The top level of what stands between the first line `---` of a card and the next.
    pub fn parse(card: &str) -> Self {
        let mut lines = card.lines();
        match lines.next() {
            Some("---") => Self(entries(lines.take_while(|line| *line != "---"))),
            _ => Self::default(),
        }
    }

    /// The values of a key, one for a text; none where it is missing.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

fn entries<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The key whose list may follow.
    let mut open: Option<String> = None;
    for line in lines {
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            if let Some(values) = open.as_ref().and_then(|key| found.get_mut(key)) {
                values.extend(scalar(item));
            }
        } else if !line.starts_with([' ', '\t', '#'])
            && let Some((key, value)) = line.split_once(':')
        {
            let values = values(value);
            open = values.is_empty().then(|| key.to_owned());
            found.insert(key.to_owned(), values);
        }
    }
    found
}

/// A text or a list in brackets; what is empty is as if it were missing.
fn values(text: &str) -> Vec<String> {
    match text.trim_start().strip_prefix('[') {
        Some(items) => list_items(items).unwrap_or_default(),
        None => scalar(text).into_iter().collect(),
    }
}

/// The items up to a list's closing bracket; `None` where the list goes on in another line.
fn list_items(mut rest: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    loop {
        let text = rest.trim_start();
        let (item, after) = match text.starts_with(QUOTES) {
            true => unquote(text).map(|(item, after)| (Some(item), after))?,
            false => {
                let (item, after) = text.split_at(text.find([',', ']'])?);
                (plain(item), after)
            }
        };
        items.extend(item.filter(|item| !item.is_empty()));
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.trim_start().starts_with(']').then_some(items),
        }
    }
}

/// A text without its quotes; `None` for nothing and for what begins a block or a list of many lines.
fn scalar(text: &str) -> Option<String> {
    let start = text.trim_start();
    let found = match start.starts_with(QUOTES) {
        true => unquote(start).map(|(text, _)| text),
        false => plain(text),
    };
    found.filter(|text| !text.is_empty())
}

/// A text that stands without quotes, up to a comment.
fn plain(text: &str) -> Option<String> {
    let text = if text.starts_with('#') { "" } else { text.split(" #").next().unwrap_or(text) };
    let text = text.trim();
    let is_text = text != "null" && text != "~" && !text.starts_with(['|', '>', '[', '{']);
    is_text.then(|| text.to_owned())
}

const QUOTES: [char; 2] = ['"', '\''];

/// What stands between the quotes that `text` begins with, and what follows them; `None` where they are
/// not closed in this line.
fn unquote(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    let mut ends = text.char_indices().skip(1).filter(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        ends
    });
    if quote == '"' {
        let (quoted, after) = text.split_at(ends.next()?.0 + 1);
        // YAML's escapes are JSON's and some more; those stay as they are.
        let read = serde_json::from_str(quoted);
        return Some((read.unwrap_or_else(|_| quoted[1..quoted.len() - 1].to_owned()), after));
    }
    // Two of them stand for one.
    let mut end = ends.next()?.0;
    while text[end + 1..].starts_with(quote) {
        ends.next();
        end = ends.next()?.0;
    }
    Some((text[1..end].replace("''", "'"), &text[end + 1..]))
}

/// How a model comes from its base, in the hub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It is trained on; an adapter is merged in.
    Finetune,
    /// An adapter that is laid on it.
    Adapter,
    /// The same values, stored in another way.
    Quantized,
}

/// What opens the card of a package. Names that the hub would refuse are left out.
#[derive(Clone, Debug)]
pub struct HubCard<'a> {
    /// The library that loads it.
    pub library: &'a str,
    /// What it was made from, by any names: those that are ids of the hub are written.
    pub bases: Vec<&'a str>,
    /// How it comes from them.
    pub relation: Relation,
    /// Under which licence it is.
    pub license: Option<License>,
    /// What it was trained on, by any names.
    pub datasets: Vec<&'a str>,
    /// Words to find it by.
    pub tags: Vec<&'a str>,
}

impl fmt::Display for HubCard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "---")?;
        let bases = repositories(&self.bases);
        match bases.as_slice() {
            [] => {}
            [base] => writeln!(f, "base_model: {}", quoted(base))?,
            all => list(f, "base_model", all)?,
        }
        if !bases.is_empty() {
            let relation = match self.relation {
                Relation::Finetune => "finetune",
                Relation::Adapter => "adapter",
                Relation::Quantized => "quantized",
            };
            writeln!(f, "base_model_relation: {relation}")?;
        }
        writeln!(f, "library_name: {}\npipeline_tag: text-generation", self.library)?;
        if let Some(license) = &self.license {
            write!(f, "{license}")?;
        }
        list(f, "datasets", &repositories(&self.datasets))?;
        list(f, "tags", &self.tags)?;
        writeln!(f, "---")
    }
}

fn list(f: &mut fmt::Formatter<'_>, key: &str, values: &[&str]) -> fmt::Result {
    if values.is_empty() {
        return Ok(());
    }
    writeln!(f, "{key}:")?;
    values.iter().try_for_each(|value| writeln!(f, "- {}", quoted(value)))
}

/// A JSON string is a YAML string; plain words need no quotes.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
    let is_value = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if is_word && !is_value { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Those names that are ids of repositories, without their revisions, each once.
fn repositories<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        let id = name.split('@').next().unwrap_or(name);
        let word = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            part.chars().all(plain) && part.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        let fits = id.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name));
        if fits && !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_opens_as_the_hubs_rules_ask() {
        let license = License { id: "Apache-2.0".into(), name: None, link: None };
        let card = HubCard {
            library: "gguf",
            bases: vec!["Qwen/Qwen2.5-0.5B@main", "Qwen/Qwen2.5-0.5B"],
            relation: Relation::Finetune,
            license: Some(license),
            datasets: vec!["sft.jsonl", "org/set", "a/b/c"],
            tags: vec!["gguf", "yes", "two words"],
        };
        let expected = "---\nbase_model: Qwen/Qwen2.5-0.5B\nbase_model_relation: finetune\n\
                        library_name: gguf\npipeline_tag: text-generation\nlicense: apache-2.0\n\
                        datasets:\n- org/set\ntags:\n- gguf\n- \"yes\"\n- \"two words\"\n---\n";
        assert_eq!(card.to_string(), expected);
        let local = HubCard { bases: vec!["initial", "../x/y"], datasets: vec![], ..card };
        let text = local.to_string();
        assert!(!text.contains("base_model") && !text.contains("datasets"), "{text}");
        let found = FrontMatter::parse(&text);
        assert_eq!(found.get("tags"), ["gguf", "yes", "two words"]);
    }

    /// Expected values are those of PyYAML's `safe_load`, empty ones left out.
    #[test]
    fn quotes_come_before_comments_and_commas() {
        let read = |value: &str| values(&format!(" {value}"));
        assert_eq!(read(r#""a #b" # c"#), ["a #b"]);
        assert_eq!(read("'it''s #1' # c"), ["it's #1"]);
        assert_eq!(read(r#""say \"x\", \u00e9" # c"#), ["say \"x\", é"]);
        assert_eq!(read("C# #c"), ["C#"]);
        assert_eq!(read("[a, 'b, c', \"d] #e\", f#g] # h"), ["a", "b, c", "d] #e", "f#g"]);
        assert_eq!(read("['', a, null, 'null']"), ["a", "null"]);
        for nothing in ["", "\"\"", "'' # c", "# c", "null", "~", "[]", "['']", "|", "{a: b}"] {
            assert_eq!(read(nothing), Vec::<String>::new(), "{nothing}");
        }
        // These go on in the next line.
        for open in ["[a,", "['a, b]", "\"a", "'it''"] {
            assert_eq!(read(open), Vec::<String>::new(), "{open}");
        }
    }

    #[test]
    fn items_of_a_list_in_lines_may_be_quoted_too() {
        let card = FrontMatter::parse("---\ntags: # words\n- \"a # b\"\n- ''\n- c # d\n---\n");
        assert_eq!(card.get("tags"), ["a # b", "c"]);
    }
}
