//! Requests to the hub: with the user's token, tried again where that may help.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use hf_hub::Cache;
use serde_json::Value;
use ureq::{Agent, SendBody};

use super::super::HubConfig;
use super::PushFile;

/// Tries for each request.
const TRIES: u32 = 4;

/// A client of one hub.
pub(super) struct Client {
    agent: Agent,
    endpoint: String,
    repo: String,
    token: String,
}

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    etag: Option<String>,
    body: String,
    repo: String,
}

impl Client {
    pub(super) fn new(config: &HubConfig, repo: &str) -> Result<Self> {
        if config.offline {
            bail!("HF_HUB_OFFLINE is set: nothing can be pushed; unset it");
        }
        let token = config.token.clone().or_else(|| Cache::new(config.cache_dir.clone()).token());
        let token = token.context(
            "the hub takes files only from users whom it knows; set HF_TOKEN to a token that may write",
        )?;
        let timeout = Some(Duration::from_secs(30));
        let settings = Agent::config_builder().http_status_as_error(false).timeout_connect(timeout);
        let (endpoint, repo) = (config.endpoint.clone(), repo.to_owned());
        Ok(Self { agent: settings.build().into(), endpoint, repo, token })
    }

    /// JSON to a path of the hub.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(&format!("{}{path}", self.endpoint), "application/json", &body.to_string())
    }

    /// Lines of JSON to a path of the hub.
    pub(super) fn post_lines(&self, path: &str, body: &str) -> Result<Answer> {
        self.send(&format!("{}{path}", self.endpoint), "application/x-ndjson", body)
    }

    /// A request of git's large-file protocol. `url` must be the hub's own: the token goes along.
    pub(super) fn post_lfs(&self, url: &str, body: &Value) -> Result<Answer> {
        self.send(url, "application/vnd.git-lfs+json", &body.to_string())
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A part of a file to where the storage wants it; no token goes there. Returns its etag.
    pub(super) fn put(
        &self,
        url: &str,
        file: &PushFile,
        start: u64,
        length: u64,
    ) -> Result<String> {
        let what = || format!("cannot send {}", file.name());
        let answer = self.tried(|| {
            let mut reader = file.reader(start, length).map_err(std::io::Error::other)?;
            let request = self.agent.put(url).header("content-length", length.to_string());
            self.answer(request.send(SendBody::from_reader(&mut reader)))
        });
        let answer = answer.with_context(what)?;
        let etag = answer.etag.clone();
        answer.ok_text("store the file").with_context(what)?;
        Ok(etag.unwrap_or_default())
    }

    fn send(&self, url: &str, kind: &str, body: &str) -> Result<Answer> {
        let answer = self.tried(|| {
            let request = self.agent.post(url).header("content-type", kind).header("accept", kind);
            let request = request.header("authorization", format!("Bearer {}", self.token));
            self.answer(request.send(body))
        });
        answer.with_context(|| format!("the hub at {} did not answer", self.endpoint))
    }

    fn answer(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, ureq::Error> {
        let mut response = response?;
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
        let etag = etag.map(str::to_owned);
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_string()?;
        Ok(Answer { status, etag, body, repo: self.repo.clone() })
    }

    /// Tries again after a broken connection and where the server says that it is busy or broken.
    fn tried(&self, request: impl Fn() -> Result<Answer, ureq::Error>) -> Result<Answer> {
        let mut tries = 1;
        loop {
            let answer = request();
            let passing = match &answer {
                Ok(answer) => matches!(answer.status, 429 | 500 | 502 | 503 | 504),
                Err(_) => true,
            };
            if !passing || tries == TRIES {
                return Ok(answer?);
            }
            std::thread::sleep(Duration::from_millis(250 << tries));
            tries += 1;
        }
    }
}

impl Answer {
    /// The JSON of an answer that grants what was asked.
    pub(super) fn ok(self, what: &str) -> Result<Value> {
        let body = self.ok_text(what)?;
        serde_json::from_str(&body).context("the hub's answer is no JSON")
    }

    /// The text of an answer that grants what was asked.
    pub(super) fn ok_text(self, what: &str) -> Result<String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let said = json["error"].as_str().or(json["message"].as_str()).unwrap_or("no reason given");
        let said: String = said.chars().take(300).collect();
        let advice = match self.status {
            401 => "; set HF_TOKEN to a token that the hub knows",
            403 => "; the token must be allowed to write there",
            404 => "; is the name right, and may this user write there?",
            _ => "",
        };
        bail!("the hub refused to {what} for {} ({}: {said}){advice}", self.repo, self.status)
    }
}
