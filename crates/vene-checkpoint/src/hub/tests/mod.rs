//! The client against a server on this machine, honest and otherwise.

#![allow(clippy::unwrap_used)]

#[cfg(unix)]
mod irregular;
mod misbehaving;
mod optional;
mod redirected;
mod server;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::collections::HashMap;

use super::{HubPart, cache, open};
use crate::Progress;
use server::{Answer, COMMIT, Contents, Hub, open_part, open_tiny, tiny};

#[test]
fn only_what_is_needed_is_fetched_and_only_once() {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());

    let mut downloads: HashMap<String, (u64, u64)> = HashMap::new();
    let model = open(&settings, &tiny(None, HubPart::Root), &mut |progress| {
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
    let asked = hub.asked();
    assert!(asked.iter().any(|asked| asked.path.contains("/elsewhere/")), "{asked:?}");
    for unwanted in ["README.md", "pytorch_model.bin"] {
        assert!(!asked.iter().any(|asked| asked.is_for(unwanted)), "{asked:?}");
    }
    // As all tools lay it out.
    let root = cache.path().join("models--org--tiny");
    let link = std::fs::read_link(root.join("snapshots").join(COMMIT).join("config.json")).unwrap();
    let blob = server::git_hash(support::CONFIG.as_bytes());
    assert_eq!(link, std::path::Path::new("../../blobs").join(&blob));
    assert_eq!(std::fs::read_to_string(root.join("refs/main")).unwrap(), COMMIT);
    assert!(root.join(".no_exist").join(COMMIT).join("tokenizer_config.json").is_file());

    // From the cache, by branch and by commit, with and without a network.
    open_tiny(&settings, None).unwrap();
    settings.offline = true;
    open_tiny(&settings, None).unwrap();
    let again = open_tiny(&settings, Some(COMMIT)).unwrap();
    assert_eq!(again.notices.all(), [] as [String; 0]);
    assert_eq!(hub.asked().len(), 0);

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
    hub.asked();
    let snapshot = cache.path().join("models--org--tiny/snapshots").join(COMMIT);
    std::fs::remove_file(snapshot.join("model-2.safetensors")).unwrap();
    let model = open_tiny(&settings, Some(COMMIT)).unwrap();
    assert_eq!(model.tensors.read_f32("y", &[1]).unwrap(), [2.0]);
    let asked = hub.asked();
    assert!(asked.iter().any(|asked| asked.is_for("model-2.safetensors")));
    assert!(!asked.iter().any(|asked| asked.is_for("model-1.safetensors")), "{asked:?}");
}

#[test]
fn a_model_in_a_folder_of_a_repository() {
    let mut contents = Contents { files: HashMap::new() };
    for (name, bytes) in Contents::model().files {
        contents = contents.with(&format!("fp16/{name}"), bytes);
    }
    let hub = Hub::serve(contents);
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    let line = open_tiny(&settings, None).unwrap_err();
    assert!(
        line.ends_with(
            "has no config.json itself, but the folder fp16/ in it: give https://huggingface.co/org/tiny/tree/main/fp16"
        ),
        "{line}"
    );
    let folder = || HubPart::Folder("fp16".to_owned());
    open_part(&settings, None, folder()).unwrap();
    settings.offline = true;
    let model = open_part(&settings, None, folder()).unwrap();
    assert_eq!(model.tensors.read_f32("b.bias", &[2]).unwrap(), [-1.0, 0.5]);
    assert_eq!(model.notices.all(), [] as [String; 0]);
}

#[test]
fn gguf_files_are_found_by_path_and_by_quantisation() {
    let gguf = support::Gguf::small().bytes();
    let hub = Hub::serve(
        Contents { files: HashMap::new() }
            .with("README.md", "x")
            .with("t.Q8_0.gguf", gguf.clone())
            .with("t.Q4_K_M.gguf", gguf.clone())
            .with("a/t-Q4_K_S.gguf", gguf.clone())
            .with("b/t-Q4_K_S.gguf", gguf),
    );
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    let tag = |tag: &str| HubPart::Quantisation(tag.to_owned());
    let file = |path: &str| HubPart::File(path.to_owned());

    let line = open_tiny(&settings, None).unwrap_err();
    assert!(line.contains("give one of them, such as org/tiny/t.Q4_K_M.gguf"), "{line}");
    let line = open_part(&settings, None, tag("Q5_0")).unwrap_err();
    assert!(line.contains("no GGUF file of the quantisation Q5_0: its GGUF files are"), "{line}");
    let line = open_part(&settings, None, tag("Q4_K_S")).unwrap_err();
    assert!(
        line.contains("(a/t-Q4_K_S.gguf, b/t-Q4_K_S.gguf): give one as org/tiny/FILE"),
        "{line}"
    );
    let line = open_part(&settings, None, file("x.gguf")).unwrap_err();
    assert!(line.contains("has no file x.gguf"), "{line}");

    let model = open_part(&settings, None, tag("q8_0")).unwrap();
    assert_eq!(model.provenance.name, "org/tiny/t.Q8_0.gguf");
    assert_eq!(model.provenance.revision.as_deref(), Some(COMMIT));
    open_part(&settings, None, file("b/t-Q4_K_S.gguf")).unwrap();
    settings.offline = true;
    let x =
        |part| open_part(&settings, None, part).map(|m| m.tensors.read_f32("x", &[2, 3]).unwrap());
    assert_eq!(x(tag("Q8_0")).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(x(file("b/t-Q4_K_S.gguf")).unwrap()[0], 1.0);
    assert!(x(tag("Q4_K_M")).unwrap_err().contains("HF_HUB_OFFLINE forbids"));
}

#[test]
fn a_quantisation_means_the_same_whatever_the_cache_holds() {
    let gguf = support::Gguf::small().bytes();
    let several = Contents { files: HashMap::new() }
        .with("m-1B-Q8_0.gguf", gguf.clone())
        .with("m-8B-Q8_0.gguf", gguf.clone());
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::serve(several);
    let mut settings = hub.settings(cache.path());
    let q8 = || HubPart::Quantisation("Q8_0".to_owned());
    let both = "several of its GGUF files are Q8_0 (m-1B-Q8_0.gguf, m-8B-Q8_0.gguf)";
    let refused = |settings: &_| open_part(settings, None, q8()).unwrap_err();
    assert!(refused(&settings).contains(both));
    open_part(&settings, None, HubPart::File("m-8B-Q8_0.gguf".to_owned())).unwrap();
    assert!(refused(&settings).contains(both));
    // What the repository has is kept, so that nobody need be asked.
    settings.offline = true;
    assert!(refused(&settings).contains(both));

    // A cache that another tool filled says nothing about the rest.
    let theirs = tempfile::tempdir().unwrap();
    let snapshot = theirs.path().join("models--org--tiny/snapshots").join(COMMIT);
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(snapshot.join("m-8B-Q8_0.gguf"), &gguf).unwrap();
    let main = theirs.path().join("models--org--tiny/refs/main");
    std::fs::create_dir_all(main.parent().unwrap()).unwrap();
    std::fs::write(main, COMMIT).unwrap();
    settings.cache = theirs.path().to_owned();
    let model = open_part(&settings, None, q8()).unwrap();
    assert_eq!(model.provenance.name, "org/tiny/m-8B-Q8_0.gguf");
    let told = model.notices.all().join("\n");
    assert!(told.starts_with("Q8_0 is taken to be m-8B-Q8_0.gguf"), "{told}");
    settings.offline = false;
    assert!(refused(&settings).contains(both));

    // The only one is found without a question once its listing is there.
    let one = Hub::serve(Contents { files: HashMap::new() }.with("m-Q8_0.gguf", gguf));
    let cache = tempfile::tempdir().unwrap();
    let settings = one.settings(cache.path());
    open_part(&settings, None, q8()).unwrap();
    one.asked();
    assert_eq!(open_part(&settings, None, q8()).unwrap().notices.all(), [] as [String; 0]);
    assert_eq!(one.asked().len(), 0);
}

#[test]
fn a_content_that_was_damaged_in_the_cache_is_found_by_its_hash() {
    for contents in [Contents::model(), Contents::sharded()] {
        let hub = Hub::serve(contents);
        let cache = tempfile::tempdir().unwrap();
        let settings = hub.settings(cache.path());
        let whole = open_tiny(&settings, None).unwrap().provenance.sha256().unwrap().to_owned();
        assert_eq!(whole.len(), 64);
        let snapshot = cache.path().join("models--org--tiny/snapshots").join(COMMIT);
        let file = ["model.safetensors", "model-2.safetensors"]
            .into_iter()
            .map(|name| snapshot.join(name))
            .find(|path| path.is_file())
            .unwrap();
        let blob = file.canonicalize().unwrap();
        let mut bytes = std::fs::read(&blob).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&blob, bytes).unwrap();
        let model = open_tiny(&settings, None).unwrap();
        let line = model.provenance.sha256().unwrap_err().to_string();
        assert!(line.contains("is damaged in the hub's cache"), "{line}");
        assert!(line.contains(&format!("delete {}", blob.display())), "{line}");
        drop(model);
        std::fs::remove_file(&blob).unwrap();
        assert_eq!(open_tiny(&settings, None).unwrap().provenance.sha256().unwrap(), whole);
    }
}

#[test]
fn a_file_that_was_cut_in_the_cache_is_named_with_its_content() {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let settings = hub.settings(cache.path());
    open_tiny(&settings, None).unwrap();
    let snapshot = cache.path().join("models--org--tiny/snapshots").join(COMMIT);
    for name in ["model.safetensors", "config.json", "tokenizer.json"] {
        let blob = snapshot.join(name).canonicalize().unwrap();
        let bytes = std::fs::read(&blob).unwrap();
        for length in [0, 5, bytes.len() - 5] {
            std::fs::write(&blob, &bytes[..length]).unwrap();
            let line = open_tiny(&settings, None).unwrap_err();
            let advice = format!(
                "; it was damaged in the hub's cache: delete {} (the next run fetches it again)",
                blob.display()
            );
            assert!(line.contains(name) && line.ends_with(&advice), "{line}");
        }
        // The advice is good.
        std::fs::remove_file(&blob).unwrap();
        open_tiny(&settings, None).unwrap();
    }

    // A file that came as it is has to be another.
    let hub = Hub::serve(Contents::model().with("config.json", "[]"));
    let cache = tempfile::tempdir().unwrap();
    let line = open_tiny(&hub.settings(cache.path()), None).unwrap_err();
    assert!(line.contains("config.json") && !line.contains("damaged"), "{line}");
}

#[test]
fn refusals_say_what_to_do() {
    let refusal = |hub: Hub, token: Option<&str>| {
        let cache = tempfile::tempdir().unwrap();
        let mut settings = hub.settings(cache.path());
        settings.token = token.map(str::to_owned);
        open_tiny(&settings, None).unwrap_err()
    };
    let with_status = |status: &'static str| Hub::serve_with(move |_| Answer::of(status));

    let line = refusal(with_status("404 Not Found"), None);
    assert!(line.contains("has no such repository, or not at revision `main`"), "{line}");
    let line = refusal(with_status("401 Unauthorized"), None);
    assert!(line.contains("accept its terms at http") && line.contains("set HF_TOKEN"), "{line}");
    let line = refusal(with_status("403 Forbidden"), Some("secret"));
    assert!(line.contains("refuses your token") && !line.contains("secret"), "{line}");
    let line = refusal(with_status("500 No"), None);
    assert!(line.contains("HTTP status 500"), "{line}");
    let line = refusal(Hub::serve(Contents::model()), Some("sec\nret"));
    assert!(line.contains("HF_TOKEN holds a character that no token has"), "{line}");

    let line = refusal(Hub::serve(Contents::model().without("model.safetensors")), None);
    assert!(
        line.contains("org/tiny on the hub has no model.safetensors, only PyTorch pickles"),
        "{line}"
    );

    let cache = tempfile::tempdir().unwrap();
    let mut nobody = Hub::serve(Contents::model()).settings(cache.path());
    nobody.endpoint = "http://127.0.0.1:9".to_owned();
    let line = open_tiny(&nobody, None).unwrap_err();
    assert!(line.contains("cannot be fetched from http://127.0.0.1:9"), "{line}");
    let line = open_tiny(&nobody, Some("../x")).unwrap_err();
    assert!(line.contains("is not a revision"), "{line}");
    nobody.endpoint = "huggingface".to_owned();
    let line = open_tiny(&nobody, None).unwrap_err();
    assert!(
        line.ends_with(": huggingface is not an address of the web (check HF_ENDPOINT)"),
        "{line}"
    );
}

#[test]
fn a_file_that_another_program_fetches_is_waited_for() {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let settings = hub.settings(cache.path());
    let repository = cache::RepositoryCache::new(cache.path(), "org/tiny");
    let etag = server::sha256(&support::weights());
    let mut lock = Some(repository.lock(&etag, || ()).unwrap().unwrap());
    assert!(cache.path().join(format!(".locks/models--org--tiny/{etag}.lock")).is_file());
    let mut waited = 0;
    open(&settings, &tiny(None, HubPart::Root), &mut |progress| {
        if let Progress::Waiting { file } = progress {
            assert_eq!(file, "model.safetensors");
            waited += 1;
            lock = None;
        }
    })
    .unwrap();
    assert!(waited > 0);
}
