//! Files to a model repository of the hub, in one commit.
//!
//! As huggingface_hub does it: the repository is made where it is missing; the hub says which files go
//! into git and which into its large-file storage; large files are sent there; one commit names them
//! all. A file that the storage has is not sent again, so that a push that was cut goes on where it
//! stopped, file by file. Leaves out: the hub's newer chunked transfer (Xet), branches, pull requests.

mod http;
mod lfs;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use formats::digest::{sha256, sha256_from};
use serde_json::{Value, json};

use super::HubConfig;
use http::Client;

/// Bytes of a file's head that the hub looks at to tell text from binary.
const SAMPLE: usize = 512;
/// The largest file that can go into a commit itself.
const LARGEST_REGULAR: u64 = 10_000_000;

/// A file to be pushed.
pub(in crate::cli) struct PushFile {
    /// Its name in the repository.
    name: String,
    content: Content,
    size: u64,
    sha256: String,
}

enum Content {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl PushFile {
    /// A file on disk, read once for its digest.
    pub(in crate::cli) fn open(name: String, path: &Path) -> Result<Self> {
        let (sha256, size) = sha256_from(&mut fs_err::File::open(path)?)?;
        Ok(Self { name, content: Content::File(path.to_owned()), size, sha256 })
    }

    /// A text made here.
    pub(in crate::cli) fn text(name: &str, text: String) -> Self {
        let bytes = text.into_bytes();
        let (size, sha256) = (bytes.len() as u64, sha256(&bytes));
        Self { name: name.to_owned(), content: Content::Bytes(bytes), size, sha256 }
    }

    pub(in crate::cli) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::cli) fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(in crate::cli) fn size(&self) -> u64 {
        self.size
    }

    /// At most `length` bytes from `start`.
    fn reader(&self, start: u64, length: u64) -> Result<Box<dyn std::io::Read + '_>> {
        use std::io::{Read, Seek, SeekFrom};
        Ok(match &self.content {
            Content::File(path) => {
                let mut file = fs_err::File::open(path)?;
                file.seek(SeekFrom::Start(start))?;
                Box::new(file.take(length))
            }
            Content::Bytes(bytes) => {
                let from = usize::try_from(start)?.min(bytes.len());
                Box::new(bytes[from..].take(length))
            }
        })
    }

    fn bytes(&self, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(0, most)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// What a push did.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Pushed {
    /// Where the commit can be seen.
    pub(in crate::cli) url: String,
    /// Bytes that were sent to the large-file storage.
    pub(in crate::cli) sent: u64,
    /// Bytes that it had.
    pub(in crate::cli) there: u64,
}

/// Pushes `files` to the model repository `repo` (`ORG/NAME`).
pub(in crate::cli) fn push(
    config: &HubConfig,
    repo: &str,
    private: bool,
    message: &str,
    files: &[PushFile],
) -> Result<Pushed> {
    let client = Client::new(config, repo)?;
    create(&client, repo, private)?;
    let large = large(&client, repo, files)?;
    let (sent, there) = lfs::upload(&client, repo, &large)?;
    let url = commit(&client, repo, message, files, &large)?;
    Ok(Pushed { url, sent, there })
}

/// Makes the repository; one that exists is as good.
fn create(client: &Client, repo: &str, private: bool) -> Result<()> {
    let (organization, name) = repo.split_once('/').context("a repository is named ORG/NAME")?;
    let body = json!({
        "name": name, "organization": organization, "type": "model", "private": private,
    });
    let answer = client.post("/api/repos/create", &body)?;
    if answer.status == 409 {
        return Ok(());
    }
    answer.ok_text("make the repository").map(|_| ())
}

/// The files that the hub wants in its large-file storage.
fn large<'f>(client: &Client, repo: &str, files: &'f [PushFile]) -> Result<Vec<&'f PushFile>> {
    let mut described = Vec::new();
    for file in files {
        let sample = BASE64.encode(file.bytes(SAMPLE as u64)?);
        described.push(json!({"path": file.name, "sample": sample, "size": file.size}));
    }
    let path = format!("/api/models/{repo}/preupload/main");
    let answer = client.post(&path, &json!({"files": described}))?.ok("look at the files")?;
    let modes = answer["files"].as_array().context("the hub's answer names no files")?;
    let mut large = Vec::new();
    for file in files {
        let mode = modes.iter().find(|mode| mode["path"] == file.name.as_str());
        let mode = mode.with_context(|| format!("the hub's answer leaves out {}", file.name))?;
        if mode["shouldIgnore"] == true {
            bail!("the repository's .gitignore excludes {}; change it on the hub", file.name);
        }
        // Empty files cannot be stored there.
        if mode["uploadMode"] == "lfs" && file.size > 0 {
            large.push(file);
        } else if file.size > LARGEST_REGULAR {
            bail!("the hub wants {} ({} bytes) in git, which is too large", file.name, file.size);
        }
    }
    Ok(large)
}

/// One commit with every file; returns its address.
fn commit(
    client: &Client,
    repo: &str,
    message: &str,
    files: &[PushFile],
    large: &[&PushFile],
) -> Result<String> {
    let header = json!({"key": "header", "value": {"summary": message, "description": ""}});
    let mut lines = format!("{header}\n");
    for file in files {
        let line = if large.iter().any(|it| std::ptr::eq(*it, file)) {
            json!({"key": "lfsFile", "value": {
                "path": file.name, "algo": "sha256", "oid": file.sha256, "size": file.size,
            }})
        } else {
            let content = BASE64.encode(file.bytes(LARGEST_REGULAR)?);
            json!({"key": "file", "value": {
                "content": content, "path": file.name, "encoding": "base64",
            }})
        };
        lines.push_str(&format!("{line}\n"));
    }
    let path = format!("/api/models/{repo}/commit/main");
    let answer: Value = client.post_lines(&path, &lines)?.ok("commit the files")?;
    Ok(answer["commitUrl"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
