//! A hub on this machine that behaves as it is told to.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::settings::Patience;
use super::super::{HubPart, HubPlace, Settings, open};
use super::support;
use crate::Checkpoint;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub token: Option<String>,
    pub from: Option<usize>,
    /// How often this path was asked for before, by this method.
    pub before: usize,
}

impl Asked {
    pub fn is_for(&self, name: &str) -> bool {
        self.path.ends_with(name)
    }

    /// Whether it asks for bytes that lie where a hub keeps large files.
    pub fn is_for_bytes_of(&self, name: &str) -> bool {
        self.method == "GET" && self.path.starts_with("/elsewhere/") && self.is_for(name)
    }
}

/// One answer, as it shall go.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The length that is said, where it is not that of the body.
    pub length: Option<usize>,
    /// What happens after the body.
    pub silence: Option<Duration>,
}

impl Answer {
    pub fn of(status: &'static str) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Ends after so many bytes of what it says it has.
    pub fn cut(mut self, at: usize) -> Self {
        self.length = Some(self.length.unwrap_or(self.body.len()));
        self.body.truncate(at);
        self
    }
}

/// A repository `org/tiny`.
#[derive(Clone, Debug)]
pub struct Contents {
    pub files: HashMap<String, Vec<u8>>,
}

impl Contents {
    pub fn model() -> Self {
        let files = [
            ("config.json", support::CONFIG.as_bytes().to_vec()),
            ("tokenizer.json", support::tokenizer(support::with_bos()).into_bytes()),
            ("model.safetensors", support::weights()),
            ("README.md", b"not needed".to_vec()),
            ("pytorch_model.bin", b"not wanted".to_vec()),
        ];
        Self { files: files.map(|(name, bytes)| (name.to_owned(), bytes)).into() }
    }

    pub fn sharded() -> Self {
        let mut contents = Self::model();
        contents.files.remove("model.safetensors");
        let mut add = |name: &str, bytes: Vec<u8>| contents.files.insert(name.to_owned(), bytes);
        add("model-1.safetensors", support::safetensors(&[("x", &[1], &[1.0])]));
        add("model-2.safetensors", support::safetensors(&[("y", &[1], &[2.0])]));
        let index = r#"{"weight_map": {"x": "model-1.safetensors", "y": "model-2.safetensors"}}"#;
        add("model.safetensors.index.json", index.as_bytes().to_vec());
        contents
    }

    pub fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(name.to_owned(), bytes.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.files.remove(name);
        self
    }

    /// What an honest hub answers.
    pub fn answer(&self, asked: &Asked) -> Answer {
        let listing = asked.path.strip_prefix("/api/models/org/tiny/revision/");
        if listing.is_some_and(|revision| revision == "main" || revision == COMMIT) {
            let siblings: Vec<_> =
                self.files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
            let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
            return Answer { body: body.into_bytes(), ..Answer::of("200 OK") };
        }
        let resolved = format!("/org/tiny/resolve/{COMMIT}/");
        let (name, is_elsewhere) = match asked.path.strip_prefix(&resolved) {
            Some(name) => (name, false),
            None => (asked.path.strip_prefix("/elsewhere/").unwrap_or_default(), true),
        };
        let Some(bytes) = self.files.get(name) else {
            return Answer::of("404 Not Found");
        };
        if is_elsewhere {
            let from = asked.from.unwrap_or(0);
            let answer = Answer { body: bytes[from..].to_vec(), ..Answer::default() };
            return match asked.from {
                None => Answer { status: "200 OK", ..answer },
                Some(from) => Answer { status: "206 Partial Content", ..answer }.with(
                    "Content-Range",
                    format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
                ),
            };
        }
        // Large files live elsewhere, as on the real hub.
        if is_large(name) {
            return Answer::of("302 Found")
                .with("Location", format!("/elsewhere/{name}"))
                .with("X-Linked-Etag", format!("\"{}\"", sha256(bytes)))
                .with("X-Linked-Size", bytes.len().to_string())
                .with("X-Repo-Commit", COMMIT);
        }
        Answer { body: bytes.clone(), ..Answer::of("200 OK") }
            .with("ETag", format!("\"{}\"", git_hash(bytes)))
            .with("X-Repo-Commit", COMMIT)
    }
}

pub fn is_large(name: &str) -> bool {
    name.ends_with(".safetensors") || name.ends_with(".gguf")
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn git_hash(bytes: &[u8]) -> String {
    let hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len())).chain_update(bytes);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server, and what it was asked.
pub struct Hub {
    pub endpoint: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Hub {
    /// One that is honest.
    pub fn serve(contents: Contents) -> Self {
        Self::serve_with(move |asked| contents.answer(asked))
    }

    pub fn serve_with(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || talk(stream, &*answer, &log));
            }
        });
        Self { endpoint, asked }
    }

    pub fn settings(&self, cache: &Path) -> Settings {
        let millis = Duration::from_millis;
        Settings {
            cache: cache.to_owned(),
            endpoint: self.endpoint.clone(),
            patience: Patience { answer: millis(500), stall: millis(300), pause: millis(5) },
            ..Settings::from_variables(|_| None, None)
        }
    }

    /// What was asked since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// One connection: requests until it closes.
fn talk(mut stream: TcpStream, answer: &dyn Fn(&Asked) -> Answer, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut asked = Asked { method, path, token: None, from: None, before: 0 };
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) <= 2 {
                break;
            }
            let (name, value) = header.split_once(':').unwrap();
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "authorization" => asked.token = Some(value.to_owned()),
                "range" => {
                    let from = value.strip_prefix("bytes=").unwrap().trim_end_matches('-');
                    asked.from = Some(from.parse().unwrap());
                }
                _ => {}
            }
        }
        {
            let mut log = log.lock().unwrap();
            let same =
                |other: &&Asked| (&other.method, &other.path) == (&asked.method, &asked.path);
            asked.before = log.iter().filter(same).count();
            log.push(asked.clone());
        }
        let reply = answer(&asked);
        let length = reply.length.unwrap_or(reply.body.len());
        let mut text = format!("HTTP/1.1 {}\r\nContent-Length: {length}\r\n", reply.status);
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if asked.method != "HEAD" {
            bytes.extend(&reply.body);
        }
        if stream.write_all(&bytes).is_err() {
            return;
        }
        if let Some(silence) = reply.silence {
            std::thread::sleep(silence);
        }
        if asked.method != "HEAD" && length != reply.body.len() {
            return;
        }
    }
}

pub fn tiny(revision: Option<&str>, part: HubPart) -> HubPlace {
    HubPlace { id: "org/tiny".to_owned(), revision: revision.map(str::to_owned), part }
}

pub fn open_tiny(settings: &Settings, revision: Option<&str>) -> Result<Checkpoint, String> {
    open_part(settings, revision, HubPart::Root)
}

pub fn open_part(
    settings: &Settings,
    revision: Option<&str>,
    part: HubPart,
) -> Result<Checkpoint, String> {
    open(settings, &tiny(revision, part), &mut |_| ()).map_err(|error| {
        let line = error.to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    })
}
