//! The Hugging Face hub: its cache, as any tool may have left it, and what a server answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Target;
use super::model::{exercise, lay_out};
use crate::mutate::Form;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The hub's settings for this process.
fn set(variables: &[(&str, &str)]) {
    for (name, value) in variables {
        // SAFETY: a reader is made before the process starts another thread that looks at them.
        unsafe { std::env::set_var(name, value) };
    }
}

/// A repository in the cache whose `refs/main` says which snapshot is meant.
pub fn cache(folder: &Path) -> Result<Target> {
    let repository = folder.join("models--a--b");
    lay_out("gpt2-plain", &repository.join("snapshots").join(COMMIT))?;
    std::fs::create_dir_all(repository.join("refs"))?;
    let path = repository.join("refs/main");
    let place = folder.to_string_lossy();
    set(&[("HF_HUB_CACHE", &place), ("HF_HOME", &place), ("HF_HUB_OFFLINE", "1")]);
    Ok(Target {
        seeds: vec![COMMIT.as_bytes().to_vec()],
        form: Form::Text,
        words: vec!["..", "../../..", "main", "refs/main", "0123456789"],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            let _ = vene_checkpoint::cached_models();
            exercise("a/b")
        }),
    })
}

/// Answers to requests, in one text. Each begins with what the address must contain; `{length}` is the body's, and
/// `{model}` the bytes of the weights. A line of `%%%` ends it.
fn answers(config: &str, tokenizer: &str, weights: &[u8]) -> String {
    let hash = |bytes: &[u8]| {
        let hash = Sha256::digest(bytes);
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let ok = "HTTP/1.1 200 OK\nContent-Length: {length}\nConnection: close\nX-Repo-Commit: ";
    let small = |name: &str, text: &str| {
        let hash = hash(text.as_bytes());
        format!("/{name}\n{ok}{COMMIT}\nETag: \"{hash}\"\n\n{text}\n%%%\n")
    };
    let files = ["config.json", "tokenizer.json", "model.safetensors"];
    let siblings: Vec<_> = files.map(|name| json!({ "rfilename": name })).into();
    let listing = json!({ "sha": COMMIT, "siblings": siblings });
    let (config, tokenizer) = (small(files[0], config), small(files[1], tokenizer));
    let (weights_hash, size) = (hash(weights), weights.len());
    format!(
        "/api/models/a/b\n{ok}{COMMIT}\nContent-Type: application/json\n\n{listing}\n%%%\n\
         {config}{tokenizer}/model.safetensors\nHTTP/1.1 302 Found\nLocation: /elsewhere/model\n\
         X-Linked-Etag: \"{weights_hash}\"\nX-Linked-Size: {size}\nX-Repo-Commit: {COMMIT}\n\
         Content-Length: 0\nConnection: close\n\n\n%%%\n\
         /elsewhere/model\n{ok}{COMMIT}\nETag: \"{weights_hash}\"\nAccept-Ranges: bytes\n\n{{model}}\n%%%\n"
    )
}

/// The answer to one request.
fn answer(text: &[u8], weights: &[u8], path: &str, is_head: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let sections = text.split("\n%%%\n").filter_map(|section| section.split_once('\n'));
    let found = sections.filter(|(key, _)| !key.is_empty()).find(|(key, _)| path.contains(*key));
    let Some((_, answer)) = found else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\nX-Error-Code: EntryNotFound\r\n\r\n"
            .to_vec();
    };
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let body = if body == "{model}" { weights.to_vec() } else { body.as_bytes().to_vec() };
    let head = head.replace("{length}", &body.len().to_string()).replace('\n', "\r\n");
    let body = if is_head { Vec::new() } else { body };
    [head.as_bytes(), b"\r\n\r\n", &body].concat()
}

/// Answers one connection, and closes it.
fn serve(stream: TcpStream, text: &Mutex<Vec<u8>>, weights: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(1 << 16));
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let text = text.lock().map(|text| text.clone()).unwrap_or_default();
    (&stream).write_all(&answer(&text, weights, path, method == "HEAD"))
}

/// A client that fetches a small model from a server on this machine.
pub fn client(folder: &Path) -> Result<Target> {
    let served = folder.join("served");
    lay_out("gpt2-plain", &served)?;
    let text = |name: &str| std::fs::read_to_string(served.join(name));
    let (config, tokenizer) = (text("config.json")?, text("tokenizer.json")?);
    let weights = std::fs::read(served.join("model.safetensors"))?;
    let seeds = vec![answers(config.trim(), tokenizer.trim(), &weights).into_bytes()];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let cache = folder.join("hub");
    set(&[
        ("HF_HUB_CACHE", &cache.to_string_lossy()),
        ("HF_HOME", &folder.to_string_lossy()),
        ("HF_ENDPOINT", &endpoint),
        ("HF_HUB_OFFLINE", "0"),
        ("HF_HUB_ETAG_TIMEOUT", "1"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "1"),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    let text = Arc::new(Mutex::new(Vec::new()));
    let served = Arc::clone(&text);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whatever the client does with a connection is its business.
            let _ = serve(stream, &served, &weights);
        }
    });
    Ok(Target {
        seeds,
        form: Form::Text,
        words: vec![
            "HTTP/1.1 301 Moved",
            "HTTP/1.1 307 Temporary Redirect",
            "HTTP/1.1 206 Partial Content",
            "HTTP/1.1 500 Oops",
            "HTTP/1.1 429 Too Many Requests",
            "HTTP/1.1 401 Unauthorized",
            "Location",
            "Content-Length",
            "ETag",
            "X-Linked-Etag",
            "X-Linked-Size",
            "X-Repo-Commit",
            "Content-Range",
            "Transfer-Encoding: chunked",
            "Content-Encoding: gzip",
            "/config.json",
            "/api/models/a/b",
            "/elsewhere/model",
            "../../../x",
            "rfilename",
            "siblings",
            "W/",
            "file:///etc/passwd",
            "http://[::1",
            "tokenizer.json",
            "model.safetensors.index.json",
        ],
        read: Box::new(move |bytes| {
            let _ = std::fs::remove_dir_all(&cache);
            if let Ok(mut text) = text.lock() {
                *text = bytes.to_vec();
            }
            exercise("a/b")
        }),
    })
}
