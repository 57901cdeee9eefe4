//! Servers that lie, stall, send on for ever, and want the user's token.

use std::path::Path;
use std::time::{Duration, Instant};

use super::server::{Answer, Asked, COMMIT, Contents, Hub, open_tiny, sha256};
use super::support;

const WEIGHTS: &str = "model.safetensors";

/// An honest hub but for the answers that `lie` gives instead.
fn but(lie: impl Fn(&Asked, Answer) -> Option<Answer> + Send + Sync + 'static) -> Hub {
    let contents = Contents::model();
    Hub::serve_with(move |asked| {
        let honest = contents.answer(asked);
        lie(asked, honest.clone()).unwrap_or(honest)
    })
}

/// What opening says; nothing of the file may be left that a later opening would believe.
fn refusal(hub: &Hub) -> String {
    let cache = tempfile::tempdir().unwrap();
    let line = open_tiny(&hub.settings(cache.path()), None).unwrap_err();
    let root = cache.path().join("models--org--tiny");
    assert!(!root.join("snapshots").join(COMMIT).join(WEIGHTS).exists(), "{line}");
    assert!(!root.join("blobs").join(sha256(&support::weights())).exists(), "{line}");
    let outside = std::fs::read_dir(cache.path()).unwrap().flatten();
    let names: Vec<_> = outside.map(|entry| entry.file_name()).collect();
    assert!(names.iter().all(|name| name == "models--org--tiny" || name == ".locks"), "{names:?}");
    line
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let contents = Contents::model();
    let elsewhere = Hub::serve_with({
        let contents = contents.clone();
        move |asked| match asked.path.strip_prefix("/elsewhere/") {
            // Bytes come from here; a redirect leads back to the hub.
            Some(WEIGHTS) => contents.answer(asked),
            _ => Answer::of("404 Not Found"),
        }
    });
    let away = elsewhere.endpoint.clone();
    let hub = but(move |asked, honest| {
        let sends_on = honest.status == "302 Found";
        sends_on.then(|| {
            honest.with(
                "Location",
                format!(
                    "{away}{}",
                    asked.path.replace(&format!("/org/tiny/resolve/{COMMIT}/"), "/elsewhere/")
                ),
            )
        })
    });
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    settings.token = Some("secret".to_owned());
    open_tiny(&settings, None).unwrap();
    let (home, away) = (hub.asked(), elsewhere.asked());
    assert!(home.iter().all(|asked| asked.token.as_deref() == Some("Bearer secret")), "{home:?}");
    assert!(!away.is_empty() && away.iter().all(|asked| asked.token.is_none()), "{away:?}");
}

#[test]
fn the_token_does_not_come_back_with_a_redirect_that_left() {
    let home = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let elsewhere = Hub::serve_with({
        let home = std::sync::Arc::clone(&home);
        move |_| {
            Answer::of("302 Found").with("Location", format!("{}/account", home.get().unwrap()))
        }
    });
    let away = elsewhere.endpoint.clone();
    let hub = but(move |asked, _| {
        asked.is_for(WEIGHTS).then(|| Answer::of("302 Found").with("Location", format!("{away}/x")))
    });
    home.set(hub.endpoint.clone()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    settings.token = Some("secret".to_owned());
    open_tiny(&settings, None).unwrap_err();
    let asked = hub.asked();
    let back = asked.iter().find(|asked| asked.path == "/account").unwrap();
    assert_eq!(back.token, None);
}

#[test]
fn redirects_end() {
    let hub = but(|asked, _| {
        let itself = Answer::of("307 Temporary Redirect").with("Location", asked.path.clone());
        asked.is_for(WEIGHTS).then_some(itself)
    });
    let line = refusal(&hub);
    assert!(line.contains("on more than 5 times"), "{line}");
    let times = hub.asked().iter().filter(|asked| asked.is_for(WEIGHTS)).count();
    assert_eq!(times, 6);

    let hub = but(|asked, _| asked.is_for(WEIGHTS).then(|| Answer::of("302 Found")));
    let line = refusal(&hub);
    assert!(line.contains("to an address that it does not give"), "{line}");

    for (location, expected) in [
        ("file:///etc/passwd", "`file:///etc/passwd`, which is not an address of the web"),
        ("http://", "which is not an address of the web"),
    ] {
        let hub = but(move |asked, honest| {
            asked.is_for(WEIGHTS).then(|| honest.with("Location", location))
        });
        let line = refusal(&hub);
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn one_answer_decides() {
    // The bytes come with another name, commit and size, which nobody asked for.
    let hub = but(|asked, honest| {
        asked.is_for_bytes_of(WEIGHTS).then(|| {
            honest
                .with("ETag", "\"../../../evil\"")
                .with("X-Repo-Commit", "../../evil")
                .with("X-Linked-Size", "1")
        })
    });
    let cache = tempfile::tempdir().unwrap();
    let model = open_tiny(&hub.settings(cache.path()), None).unwrap();
    assert_eq!(model.provenance.revision.as_deref(), Some(COMMIT));
    assert!(!cache.path().join("evil").exists());
    let heads = |asked: &Asked| asked.method == "HEAD" && asked.is_for(WEIGHTS);
    assert_eq!(hub.asked().iter().filter(|asked| heads(asked)).count(), 1);

    // What would become a path is looked at.
    for (name, value, expected) in [
        ("X-Linked-Etag", "\"../../../../evil\"", "does not name the content by its hash"),
        ("X-Linked-Etag", "\"\"", "does not name the content by its hash"),
        ("X-Repo-Commit", "../../evil", "names no commit"),
        ("X-Repo-Commit", "1123456789abcdef0123456789abcdef01234567", "it is about commit 1123"),
        ("X-Linked-Size", "-1", "does not say the content's size"),
    ] {
        let hub = but(move |asked, honest| asked.is_for(WEIGHTS).then(|| honest.with(name, value)));
        let line = refusal(&hub);
        assert!(line.contains(expected), "{name}: {line}");
        assert!(line.contains("not that of a Hugging Face hub"), "{line}");
    }
    let hub = Hub::serve_with(|_| Answer {
        body: br#"{"sha": "../../../evil", "siblings": [{"rfilename": "config.json"}]}"#.to_vec(),
        ..Answer::of("200 OK")
    });
    let line = refusal(&hub);
    assert!(line.contains("its listing names no commit"), "{line}");
}

#[test]
fn a_content_is_the_one_it_is_called() {
    // A power cut's zeros are finite weights.
    let zeros = |asked: &Asked, honest: Answer| {
        let body = vec![0; honest.body.len()];
        asked.is_for_bytes_of(WEIGHTS).then_some(Answer { body, ..honest })
    };
    let line = refusal(&but(zeros));
    assert!(line.contains("sent a content whose SHA-256 is"), "{line}");
    let hub = but(|asked, honest| {
        let body = vec![b' '; honest.body.len()];
        (asked.is_for("config.json") && asked.method == "GET").then_some(Answer { body, ..honest })
    });
    let line = refusal(&hub);
    assert!(line.contains("sent a content whose git hash is"), "{line}");

    let hub = but(|asked, honest| {
        let body = [&honest.body[..], b"more"].concat();
        asked.is_for_bytes_of(WEIGHTS).then_some(Answer { body, ..honest })
    });
    let line = refusal(&hub);
    let size = support::weights().len();
    assert!(line.contains(&format!("sent {} bytes or more, expected {size}", size + 4)), "{line}");

    // One that is in the cache already, but not whole.
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let blobs = cache.path().join("models--org--tiny/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = blobs.join(sha256(&support::weights()));
    for left in [vec![0; size], vec![1, 2, 3]] {
        std::fs::write(&blob, left).unwrap();
        let snapshot = cache.path().join("models--org--tiny/snapshots");
        let _ = std::fs::remove_dir_all(snapshot);
        open_tiny(&hub.settings(cache.path()), None).unwrap();
        assert_eq!(std::fs::read(&blob).unwrap(), support::weights());
    }
}

#[test]
fn what_breaks_off_is_taken_up() {
    let hub = but(|asked, honest| {
        (asked.is_for_bytes_of(WEIGHTS) && asked.before == 0).then(|| honest.cut(50))
    });
    let cache = tempfile::tempdir().unwrap();
    open_tiny(&hub.settings(cache.path()), None).unwrap();
    let asked = hub.asked();
    let from: Vec<_> = asked
        .iter()
        .filter(|asked| asked.is_for_bytes_of(WEIGHTS))
        .map(|asked| asked.from)
        .collect();
    assert_eq!(from, [None, Some(50)]);

    // One that always breaks off at the same place is given up.
    let line = refusal(&but(|asked, honest| {
        let cut = honest.clone().cut(if asked.from.is_some() { 0 } else { 50 });
        asked.is_for_bytes_of(WEIGHTS).then_some(cut)
    }));
    assert!(line.contains("ended the connection after 50 of"), "{line}");
    assert!(line.contains("the same command goes on from there"), "{line}");
}

#[test]
fn what_an_earlier_visit_left_is_used_or_dropped() {
    let weights = support::weights();
    let all = |part: &[u8], ignores_ranges: bool| {
        let hub = but(move |asked, _| {
            let whole = Asked { from: None, ..asked.clone() };
            ignores_ranges.then(|| Contents::model().answer(&whole))
        });
        let cache = tempfile::tempdir().unwrap();
        let blobs = cache.path().join("models--org--tiny/blobs");
        std::fs::create_dir_all(&blobs).unwrap();
        let name = sha256(&support::weights());
        std::fs::write(blobs.join(format!("{name}.incomplete")), part).unwrap();
        open_tiny(&hub.settings(cache.path()), None).unwrap();
        assert_eq!(std::fs::read(blobs.join(&name)).unwrap(), support::weights());
        assert!(!blobs.join(format!("{name}.incomplete")).exists());
        let asked = hub.asked();
        let bytes = asked.iter().filter(|asked| asked.is_for_bytes_of(WEIGHTS));
        bytes.map(|asked| asked.from).collect::<Vec<_>>()
    };
    assert_eq!(all(&weights[..20], false), [Some(20)]);
    assert_eq!(all(&weights[..20], true), [Some(20)]);
    assert_eq!(all(&weights, false), []);
    // Too long, and a beginning of something else: from the start.
    assert_eq!(all(&[&weights[..], &[0]].concat(), false), [None]);
    assert_eq!(all(&[7; 20], false), [Some(20), None]);
    assert_eq!(all(&vec![0; weights.len()], false), [None]);
}

#[test]
fn silence_ends() {
    let silence = Some(Duration::from_secs(20));
    let is_quick = |hub: &Hub| {
        let started = Instant::now();
        let line = refusal(hub);
        assert!(started.elapsed() < Duration::from_secs(15), "{line}");
        line
    };
    // In the middle of a file.
    let line = is_quick(&but(move |asked, honest| {
        let cut = honest.clone().cut(if asked.from.is_some() { 0 } else { 50 });
        asked.is_for_bytes_of(WEIGHTS).then_some(Answer { silence, ..cut })
    }));
    assert!(line.contains("sent nothing more for") && line.contains("after 50 of"), "{line}");
    // Before any answer.
    let line = is_quick(&Hub::serve_with(|_| {
        std::thread::sleep(Duration::from_secs(20));
        Answer::of("200 OK")
    }));
    assert!(line.contains("it takes too long"), "{line}");
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let proxy = Hub::serve_with(|_| Answer::of("403 Forbidden"));
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    let variables = |no_proxy: &'static str| {
        let proxy = proxy.endpoint.clone();
        super::super::proxy::Proxies::from_variables(move |name| match name {
            "http_proxy" => Some(proxy.clone()),
            "no_proxy" => Some(no_proxy.to_owned()),
            _ => None,
        })
    };
    settings.proxies = variables("huggingface.co");
    settings.token = Some("secret".to_owned());
    open_tiny(&settings, None).unwrap_err();
    let asked = proxy.asked();
    assert_eq!(asked[0].method, "CONNECT", "{asked:?}");
    assert!(asked.iter().all(|asked| asked.token.is_none()));
    assert_eq!(hub.asked().len(), 0);
    settings.proxies = variables("127.0.0.1");
    open_tiny(&settings, None).unwrap();
    assert_eq!(proxy.asked().len(), 0);
}

#[test]
fn hostile_names_never_become_paths() {
    let outside = Path::new("/tmp");
    let hub = Hub::serve(
        Contents::model()
            .without("model.safetensors")
            .with(
                "model.safetensors.index.json",
                r#"{"weight_map": {"x": "../../../../evil.safetensors"}}"#,
            )
            .with("../../../../evil.safetensors", "x"),
    );
    let line = refusal(&hub);
    assert!(line.contains("a shard is a .safetensors file beside the index"), "{line}");
    assert!(!outside.join("evil.safetensors").exists());
}
