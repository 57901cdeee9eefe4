//! A model of the hub, from a server on this machine, as a job without a terminal meets it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::{self, KILLED, data_sweep, record, start, task, wait_until};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The embedded model's files.
fn files() -> [(&'static str, &'static [u8]); 3] {
    [
        ("config.json", vene_embedded::CONFIG.as_bytes()),
        ("tokenizer.json", vene_embedded::TOKENIZER.as_bytes()),
        ("model.safetensors", vene_embedded::WEIGHTS),
    ]
}

/// Serves `org/model`; gives the address.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        let (method, path) = line.split_once(' ').unwrap();
        let path = path.split(' ').next().unwrap();
        let listing = path.starts_with("/api/models/org/model/revision/");
        let siblings = files().map(|(name, _)| json!({ "rfilename": name }));
        let names = json!({ "sha": COMMIT, "siblings": siblings }).to_string();
        let file = files().into_iter().find(|(name, _)| path.ends_with(&format!("/{name}")));
        let (status, body) = match (listing, &file) {
            (true, _) => ("200 OK", names.as_bytes()),
            (false, Some((_, bytes))) => ("200 OK", *bytes),
            (false, None) => ("404 Not Found", &[][..]),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"{}\"\r\nX-Repo-Commit: {COMMIT}\r\n\r\n",
            body.len(),
            vene_files::sha256(body),
        );
        let body = if method == "HEAD" { &[][..] } else { body };
        if stream.write_all(&[head.as_bytes(), body].concat()).is_err() {
            return;
        }
    }
}

fn top(model: &str, home: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = crate::support::command();
    command.args(["top", "--json", "--model", model, "The capital of Spain is"]);
    command.env("HF_HOME", home).env("no_proxy", "127.0.0.1").env_remove("HF_HUB_CACHE");
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn what_is_fetched_is_said_and_is_the_model() {
    let home = tempfile::tempdir().unwrap();
    let address = serve();
    let embedded = top("embedded", home.path(), &[]);
    let online = [("HF_ENDPOINT", address.as_str()), ("HF_HUB_OFFLINE", "0")];
    let fetched = top("org/model", home.path(), &online);
    let said = String::from_utf8(fetched.stderr).unwrap();
    assert!(fetched.status.success(), "{said}");
    for (name, bytes) in files() {
        let line = format!("downloading {name}: 0.0 of ");
        assert!(said.lines().any(|said| said.starts_with(&line)), "{} bytes: {said}", bytes.len());
    }
    let tokens =
        |output: &[u8]| serde_json::from_slice::<Value>(output).unwrap()[0]["tokens"].take();
    assert_eq!(tokens(&fetched.stdout), tokens(&embedded.stdout));

    let offline = [("HF_ENDPOINT", address.as_str()), ("HF_HUB_OFFLINE", "1")];
    let again = top("org/model", home.path(), &offline);
    assert_eq!(String::from_utf8(again.stderr).unwrap(), "");
    assert_eq!(again.stdout, fetched.stdout);
    let other = top("org/other", home.path(), &offline);
    assert_eq!(other.status.code(), Some(2));
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(said.contains("HF_HUB_OFFLINE forbids to fetch it"), "{said}");
}

#[test]
fn a_model_that_is_written_to_during_a_run_is_not_named_in_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for (name, bytes) in files() {
        std::fs::write(model.join(name), bytes).unwrap();
    }
    let (data, out) = (folder.path().join("capital.jsonl"), folder.path().join("out"));
    task(&data, 120);
    let mut arguments = data_sweep(&data, &out, &KILLED);
    arguments.extend(["--model", model.to_str().unwrap()]);
    let running = start(&arguments);
    // Weights are read before the first part is there.
    let has_part = || support::files(&out.join("parts")).iter().any(|name| name.ends_with(".json"));
    wait_until(has_part);
    let weights = model.join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let record = record(&out);
    assert_eq!(record["status"], "failed", "{record}");
    let said = record["error"].to_string();
    assert!(said.contains("model.safetensors was written to while the model was in use"), "{said}");
}

#[test]
fn a_pipe_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("model.gguf");
    if !std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|made| made.success()) {
        return;
    }
    let output = top(pipe.to_str().unwrap(), folder.path(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a pipe is there; give a regular file"), "{said}");
}
