//! The hub's real client against a server on this machine.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::{Settings, open};
use crate::{Checkpoint, Progress};

#[path = "../../tests/support/mod.rs"]
mod support;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with one repository, `org/tiny`.
struct Hub {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Contents {
    files: HashMap<String, Vec<u8>>,
    /// The server's name for every file's content, where not that of an honest one.
    etag: Option<String>,
    /// What it says instead of anything else.
    status: Option<u16>,
    /// Bytes that are missing at the end of the weights.
    cut: usize,
}

impl Contents {
    fn model() -> Self {
        let files = [
            ("config.json", support::CONFIG.as_bytes().to_vec()),
            ("tokenizer.json", support::tokenizer(support::with_bos()).into_bytes()),
            ("model.safetensors", support::weights()),
            ("README.md", b"not needed".to_vec()),
            ("pytorch_model.bin", b"not wanted".to_vec()),
        ];
        Self {
            files: files.map(|(name, bytes)| (name.to_owned(), bytes)).into(),
            etag: None,
            status: None,
            cut: 0,
        }
    }

    fn sharded() -> Self {
        let mut contents = Self::model();
        contents.files.remove("model.safetensors");
        let mut add = |name: &str, bytes: Vec<u8>| contents.files.insert(name.to_owned(), bytes);
        add("model-1.safetensors", support::safetensors(&[("x", &[1], &[1.0])]));
        add("model-2.safetensors", support::safetensors(&[("y", &[1], &[2.0])]));
        let index = r#"{"weight_map": {"x": "model-1.safetensors", "y": "model-2.safetensors"}}"#;
        add("model.safetensors.index.json", index.as_bytes().to_vec());
        contents
    }
}

impl Hub {
    fn serve(contents: Contents) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, own) = (Arc::clone(&requests), endpoint.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, own, contents) = (Arc::clone(&log), own.clone(), contents.clone());
                std::thread::spawn(move || answer(stream, &own, &contents, &log));
            }
        });
        Self { endpoint, requests }
    }

    fn settings(&self, cache: &Path) -> Settings {
        Settings {
            cache: cache.to_owned(),
            endpoint: self.endpoint.clone(),
            token: None,
            offline: false,
        }
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// One connection: requests until it closes.
fn answer(stream: TcpStream, own: &str, contents: &Contents, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        log.lock().unwrap().push(path.clone());
        let mut range = None;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) <= 2 {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (from, to) = value.trim().split_once('-').unwrap();
                range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().ok()));
            }
        }
        if write_answer(&mut stream, own, contents, &path, range).is_err() {
            return;
        }
    }
}

fn write_answer(
    stream: &mut TcpStream,
    own: &str,
    contents: &Contents,
    path: &str,
    range: Option<(usize, Option<usize>)>,
) -> std::io::Result<()> {
    let reply = |stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n")?;
        stream.write_all(body)
    };
    if let Some(status) = contents.status {
        return reply(stream, &format!("{status} No"), "", b"no");
    }
    if path == "/api/models/org/tiny/revision/main" || path.ends_with(&format!("/{COMMIT}")) {
        let siblings: Vec<_> =
            contents.files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
        let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        return reply(stream, "200 OK", "Content-Type: application/json\r\n", body.as_bytes());
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some(bytes) = contents.files.get(name).filter(|_| path.contains("/org/tiny/")) else {
        return reply(stream, "404 Not Found", "", b"no such thing");
    };
    let etag = contents.etag.clone().unwrap_or_else(|| digest(bytes));
    // Large files live elsewhere, as on the real hub.
    if name.ends_with(".safetensors") && path.contains("/resolve/") {
        let headers = format!(
            "Location: {own}/elsewhere/org/tiny/{name}\r\nX-Linked-Etag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}\r\n"
        );
        return reply(stream, "302 Found", &headers, b"");
    }
    let (from, to) = range.unwrap_or((0, None));
    let cut = if name.ends_with(".safetensors") { contents.cut } else { 0 };
    let to = to.map_or(bytes.len() - cut, |to| (to + 1).min(bytes.len()));
    let headers = format!(
        "ETag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {from}-{}/{}\r\n",
        to.saturating_sub(1),
        bytes.len()
    );
    reply(stream, "206 Partial Content", &headers, &bytes[from..to])
}

/// What an honest server calls a content.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open_tiny(settings: &Settings, revision: Option<&str>) -> Result<Checkpoint, String> {
    open(settings, "org/tiny", revision, &mut |_| ()).map_err(|error| {
        let line = error.to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    })
}

#[test]
fn only_what_is_needed_is_fetched_and_only_once() {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());

    let mut downloads: HashMap<String, (u64, u64)> = HashMap::new();
    let model = open(&settings, "org/tiny", None, &mut |progress| {
        if let Progress::Downloading { file, done, total } = progress {
            downloads.insert(file.to_owned(), (done, total));
        }
    })
    .unwrap();
    assert_eq!(model.tensors.read_f32("b.bias", &[2]).unwrap(), [-1.0, 0.5]);
    assert!(model.tokenizer.adds_bos());
    assert_eq!(model.provenance.name, "org/tiny");
    assert_eq!(model.provenance.revision.as_deref(), Some(COMMIT));
    let size = support::weights().len() as u64;
    assert_eq!(downloads["model.safetensors"], (size, size));
    assert_eq!(downloads.len(), 3, "{downloads:?}");
    let requests = hub.requests();
    assert!(requests.iter().any(|path| path.contains("/elsewhere/")), "{requests:?}");
    for unwanted in ["README.md", "pytorch_model.bin"] {
        assert!(!requests.iter().any(|path| path.contains(unwanted)), "{requests:?}");
    }

    // From the cache, by branch and by commit, with and without a network.
    open_tiny(&settings, None).unwrap();
    settings.offline = true;
    open_tiny(&settings, None).unwrap();
    open_tiny(&settings, Some(COMMIT)).unwrap();
    assert_eq!(hub.requests(), [] as [String; 0]);

    // Another revision is not there.
    let line = open_tiny(&settings, Some("v2")).unwrap_err();
    assert!(line.starts_with("org/tiny@v2: is not (or not wholly) in the cache at"), "{line}");
    assert!(line.contains("HF_HUB_OFFLINE forbids"), "{line}");
}

#[test]
fn what_an_interrupted_visit_left_is_completed() {
    let hub = Hub::serve(Contents::sharded());
    let cache = tempfile::tempdir().unwrap();
    let settings = hub.settings(cache.path());
    open_tiny(&settings, Some(COMMIT)).unwrap();
    hub.requests();
    let snapshot = cache.path().join("models--org--tiny/snapshots").join(COMMIT);
    std::fs::remove_file(snapshot.join("model-2.safetensors")).unwrap();
    let model = open_tiny(&settings, Some(COMMIT)).unwrap();
    assert_eq!(model.tensors.read_f32("y", &[1]).unwrap(), [2.0]);
    let requests = hub.requests();
    assert!(requests.iter().any(|path| path.ends_with("model-2.safetensors")));
    assert!(!requests.iter().any(|path| path.ends_with("model-1.safetensors")), "{requests:?}");
}

#[test]
fn refusals_say_what_to_do() {
    let refusal = |contents: Contents, token: Option<&str>| {
        let hub = Hub::serve(contents);
        let cache = tempfile::tempdir().unwrap();
        let mut settings = hub.settings(cache.path());
        settings.token = token.map(str::to_owned);
        open_tiny(&settings, None).unwrap_err()
    };
    let with_status = |status| Contents { status: Some(status), ..Contents::model() };

    let line = refusal(with_status(404), None);
    assert!(line.contains("has no such repository, or not at revision `main`"), "{line}");
    let line = refusal(with_status(401), None);
    assert!(line.contains("accept its terms at http") && line.contains("set HF_TOKEN"), "{line}");
    let line = refusal(with_status(403), Some("secret"));
    assert!(line.contains("refuses your token") && !line.contains("secret"), "{line}");
    let line = refusal(with_status(500), None);
    assert!(line.contains("HTTP status 500"), "{line}");

    let mut pickled = Contents::model();
    pickled.files.remove("model.safetensors");
    let line = refusal(pickled, None);
    assert!(
        line.contains("org/tiny on the hub has no model.safetensors, only PyTorch pickles"),
        "{line}"
    );

    let climbing = Contents { etag: Some("../../escape".to_owned()), ..Contents::model() };
    let line = refusal(climbing, None);
    assert!(line.contains("is not that of a Hugging Face hub"), "{line}");

    let short = Contents { cut: 5, ..Contents::model() };
    let line = refusal(short, None);
    assert!(line.contains("model.safetensors came as"), "{line}");

    let cache = tempfile::tempdir().unwrap();
    let nobody = Settings {
        cache: cache.path().to_owned(),
        endpoint: "http://127.0.0.1:9".to_owned(),
        token: None,
        offline: false,
    };
    let line = open_tiny(&nobody, None).unwrap_err();
    assert!(line.contains("cannot be fetched from http://127.0.0.1:9"), "{line}");
    let line = open_tiny(&nobody, Some("../x")).unwrap_err();
    assert!(line.contains("is no Hugging Face id"), "{line}");
}
