//! Git's large-file protocol as the hub speaks it: one question about all files, then each file in one
//! piece (`basic`) or in parts (`multipart`), wherever the answer says.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::PushFile;
use super::http::Client;

/// Sends what the storage lacks; returns the bytes sent and the bytes that were there.
pub(super) fn upload(client: &Client, repo: &str, files: &[&PushFile]) -> Result<(u64, u64)> {
    if files.is_empty() {
        return Ok((0, 0));
    }
    let objects: Vec<Value> =
        files.iter().map(|file| json!({"oid": file.sha256, "size": file.size})).collect();
    let body = json!({
        "operation": "upload",
        "transfers": ["basic", "multipart"],
        "objects": objects,
        "hash_algo": "sha256",
        "ref": {"name": "main"},
    });
    let url = format!("{}/{repo}.git/info/lfs/objects/batch", client.endpoint());
    let answer = client.post_lfs(&url, &body)?.ok("take large files")?;
    let objects = answer["objects"].as_array().context("the hub's answer names no objects")?;
    let (mut sent, mut there) = (0, 0);
    for file in files {
        let object = objects.iter().find(|object| object["oid"] == file.sha256.as_str());
        let object =
            object.with_context(|| format!("the hub's answer leaves out {}", file.name))?;
        if let Some(error) = object["error"]["message"].as_str() {
            bail!("the hub does not take {}: {error}", file.name);
        }
        match object.get("actions").filter(|actions| !actions.is_null()) {
            Some(actions) => {
                send(client, file, actions)?;
                sent += file.size;
            }
            None => there += file.size,
        }
    }
    Ok((sent, there))
}

fn send(client: &Client, file: &PushFile, actions: &Value) -> Result<()> {
    let upload = &actions["upload"];
    let href = upload["href"].as_str().context("the hub does not say where to send the file")?;
    let header = &upload["header"];
    match header.get("chunk_size") {
        Some(size) => parts(client, file, href, header, size)?,
        None => drop(client.put(href, file, 0, file.size)?),
    }
    let Some(verify) = actions["verify"]["href"].as_str() else { return Ok(()) };
    require_own(client, verify)?;
    let body = json!({"oid": file.sha256, "size": file.size});
    client.post_lfs(verify, &body)?.ok_text("check the file").map(|_| ())
}

/// The parts of a file, each to an address of its own, then their etags to `href`.
fn parts(client: &Client, file: &PushFile, href: &str, header: &Value, size: &Value) -> Result<()> {
    require_own(client, href)?;
    let size = size.as_u64().or_else(|| size.as_str()?.parse().ok()).filter(|size| *size > 0);
    let size = size.context("the hub's answer has no size for the parts of a file")?;
    let count = file.size.div_ceil(size);
    let address = |part: u64| {
        // Numbers may come with leading zeros.
        let map = header.as_object()?;
        map.iter().find(|(key, _)| key.parse() == Ok(part))?.1.as_str()
    };
    let mut etags = Vec::new();
    for part in 1..=count {
        let url = address(part).with_context(|| {
            format!("the hub's answer names no place for part {part} of {count} of {}", file.name)
        })?;
        let start = (part - 1) * size;
        let etag = client.put(url, file, start, size.min(file.size - start))?;
        if etag.is_empty() {
            bail!("the storage did not confirm part {part} of {}", file.name);
        }
        etags.push(json!({"partNumber": part, "etag": etag}));
    }
    let body = json!({"oid": file.sha256, "parts": etags});
    client.post_lfs(href, &body)?.ok_text("put the parts together").map(|_| ())
}

/// The token goes to the hub alone.
fn require_own(client: &Client, url: &str) -> Result<()> {
    let rest = url.strip_prefix(client.endpoint());
    if !rest.is_some_and(|rest| rest.starts_with('/')) {
        bail!("the hub at {} wants the token sent to {url}; refused", client.endpoint());
    }
    Ok(())
}
