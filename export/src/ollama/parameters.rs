//! Ollama's sampling parameters from a model's `generation_config.json`, and its stops.

use formats::GenerationConfig;
use serde_json::{Map, Value, json};

/// Parameters in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Ollama's name and a number.
    numbers: Vec<(&'static str, Value)>,
    stops: Vec<String>,
}

impl Parameters {
    /// What the makers of a model want. `do_sample: false` asks for temperature 0.
    pub fn new(generation: Option<&GenerationConfig>, stops: &[String]) -> Self {
        let mut parameters = Self::default();
        for stop in stops.iter().filter(|stop| !stop.is_empty()) {
            if !parameters.stops.contains(stop) {
                parameters.stops.push(stop.clone());
            }
        }
        let Some(config) = generation else { return parameters };
        let greedy = config.do_sample == Some(false);
        let numbers = [
            ("temperature", if greedy { Some(json!(0)) } else { config.temperature.map(number) }),
            ("top_k", config.top_k.map(|k| json!(k))),
            ("top_p", config.top_p.map(number)),
            ("min_p", config.min_p.map(number)),
            ("repeat_penalty", config.repetition_penalty.map(number)),
            ("num_predict", config.max_new_tokens.map(|n| json!(n))),
        ];
        parameters.numbers =
            numbers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        parameters
    }

    /// Names and values as a Modelfile writes them.
    pub fn instructions(&self) -> Vec<(String, String)> {
        let numbers =
            self.numbers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let stops = self.stops.iter().map(|stop| ("stop".to_owned(), stop.clone()));
        numbers.chain(stops).collect()
    }

    /// The contents of a `params` layer; `None` where there is nothing to say.
    pub fn to_json(&self) -> Option<Value> {
        let mut object: Map<String, Value> =
            self.numbers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        if !self.stops.is_empty() {
            object.insert("stop".to_owned(), json!(self.stops));
        }
        (!object.is_empty()).then_some(Value::Object(object))
    }

    /// The texts that end an answer.
    pub fn stops(&self) -> &[String] {
        &self.stops
    }
}

/// A whole number without a fraction, as a person would write it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        return format!("{value:.0}").parse::<i64>().map_or_else(|_| json!(value), |n| json!(n));
    }
    json!(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollamas_names_and_every_stop_once() {
        let config = GenerationConfig {
            temperature: Some(0.7),
            top_p: Some(1.0),
            top_k: Some(20),
            repetition_penalty: Some(1.05),
            ..GenerationConfig::default()
        };
        let stops = ["<|im_end|>", "<|endoftext|>", "<|im_end|>", ""].map(str::to_owned);
        let parameters = Parameters::new(Some(&config), &stops);
        let json = r#"{"temperature":0.7,"top_k":20,"top_p":1,"repeat_penalty":1.05,"stop":["<|im_end|>","<|endoftext|>"]}"#;
        assert_eq!(parameters.to_json().unwrap().to_string(), json);
        let lines = parameters.instructions();
        assert_eq!(lines[0], ("temperature".to_owned(), "0.7".to_owned()));
        assert_eq!(lines.iter().filter(|(name, _)| name == "stop").count(), 2);
        assert_eq!(Parameters::new(None, &[]).to_json(), None);
    }

    #[test]
    fn greedy_is_temperature_0() {
        let config = GenerationConfig {
            do_sample: Some(false),
            temperature: Some(0.6),
            ..GenerationConfig::default()
        };
        let parameters = Parameters::new(Some(&config), &[]);
        assert_eq!(parameters.instructions(), [("temperature".to_owned(), "0".to_owned())]);
    }
}
