//! Names of models as Ollama writes them: `[[HOST/]NAMESPACE/]MODEL[:TAG]`.

use std::path::PathBuf;
use std::str::FromStr;

/// A model's full name; each part is checked by Ollama's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    host: String,
    namespace: String,
    model: String,
    tag: String,
}

/// A name that Ollama would not take.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{name}` is no name for a model: {problem}; expected [[HOST/]NAMESPACE/]MODEL[:TAG], e.g. \
     my-model:q4"
)]
pub struct BadName {
    name: String,
    problem: String,
}

impl FromStr for ModelName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        // A port's colon comes before the last slash, a tag's after it.
        let colon =
            name.rfind(':').filter(|colon| name.rfind('/').is_none_or(|slash| slash < *colon));
        let (path, tag) = colon.map_or((name, "latest"), |at| (&name[..at], &name[at + 1..]));
        let mut parts: Vec<&str> = path.rsplitn(3, '/').collect();
        parts.extend(["", "library", "registry.ollama.ai"].iter().skip(parts.len()));
        let parts = [("host", parts[2], 350), ("namespace", parts[1], 80), ("model", parts[0], 80)];
        for (kind, part, longest) in parts.into_iter().chain([("tag", tag, 80)]) {
            check(kind, part, longest)
                .map_err(|problem| BadName { name: name.to_owned(), problem })?;
        }
        let [host, namespace, model] = parts.map(|(_, part, _)| part.to_owned());
        Ok(Self { host, namespace, model, tag: tag.to_owned() })
    }
}

fn check(kind: &str, part: &str, longest: usize) -> Result<(), String> {
    if part.is_empty() || part.len() > longest {
        return Err(format!(
            "its {kind} must have 1 to {longest} characters and has {}",
            part.len()
        ));
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let allowed = |c: char| {
        word(c) || c == '-' || (c == '.' && kind != "namespace") || (c == ':' && kind == "host")
    };
    match part.chars().enumerate().find(|&(at, c)| if at == 0 { !word(c) } else { !allowed(c) }) {
        Some((at, c)) => Err(format!("`{c}` cannot stand at place {} of its {kind}", at + 1)),
        None => Ok(()),
    }
}

impl ModelName {
    /// Where a store keeps the manifest, below `manifests`.
    pub fn path(&self) -> PathBuf {
        [&self.host, &self.namespace, &self.model, &self.tag].iter().collect()
    }

    /// The model's own part.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The same name with another model part: for adapters that are written together.
    ///
    /// # Errors
    /// [`BadName`] where the new part is none.
    pub fn with_model(&self, model: &str) -> Result<Self, BadName> {
        check("model", model, 80).map_err(|problem| BadName { name: model.to_owned(), problem })?;
        Ok(Self { model: model.to_owned(), ..self.clone() })
    }
}

/// As short as Ollama shows it: default host and namespace are left out.
impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host != "registry.ollama.ai" {
            write!(f, "{}/{}/", self.host, self.namespace)?;
        } else if self.namespace != "library" {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}:{}", self.model, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_ollamas_defaults() {
        for (name, path, shown) in [
            ("m", "registry.ollama.ai/library/m/latest", "m:latest"),
            ("m:q4_k_m", "registry.ollama.ai/library/m/q4_k_m", "m:q4_k_m"),
            ("me/m.x:1-b", "registry.ollama.ai/me/m.x/1-b", "me/m.x:1-b"),
            ("localhost:5000/me/m", "localhost:5000/me/m/latest", "localhost:5000/me/m:latest"),
        ] {
            let read: ModelName = name.parse().unwrap();
            assert_eq!((read.path(), read.to_string()), (PathBuf::from(path), shown.to_owned()));
        }
    }

    #[test]
    fn what_ollama_would_refuse_is_refused_with_the_place() {
        let long = "a".repeat(81);
        for (name, problem) in [
            ("", "its model must have 1 to 80"),
            ("..", "`.` cannot stand at place 1 of its model"),
            ("../m", "`.` cannot stand at place 1 of its namespace"),
            ("a/../m", "`.` cannot stand at place 1 of its namespace"),
            ("a/b/c/d", "`/` cannot stand"),
            ("a.b/m", "`.` cannot stand at place 2 of its namespace"),
            ("m:", "its tag must have"),
            ("m:a/b", "`:` cannot stand at place 2 of its namespace"),
            ("a b", "` ` cannot stand at place 2"),
            ("ü", "`ü` cannot stand at place 1"),
            (&long, "and has 81"),
        ] {
            let error = name.parse::<ModelName>().unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}
