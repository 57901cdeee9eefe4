//! A cache that another tool filled gives the same model as one of our own.

use std::path::Path;

use super::server::{COMMIT, Contents, Hub, open_tiny, sha256};
use super::support;

/// Files as Python's client lays them out, as far as it was asked for them.
fn fill(cache: &Path, contents: &Contents, files: &[&str], known_to_lack: &[&str]) {
    let root = cache.join("models--org--tiny");
    let snapshot = root.join("snapshots").join(COMMIT);
    let absent = root.join(".no_exist").join(COMMIT);
    for folder in [&snapshot, &absent, &root.join("blobs"), &root.join("refs")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(root.join("refs/main"), COMMIT).unwrap();
    for &name in files {
        let blob = sha256(&contents.files[name]);
        std::fs::write(root.join("blobs").join(&blob), &contents.files[name]).unwrap();
        let target = Path::new("../../blobs").join(blob);
        std::os::unix::fs::symlink(target, snapshot.join(name)).unwrap();
    }
    for name in known_to_lack {
        std::fs::write(absent.join(name), "").unwrap();
    }
}

const NEEDED: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// `generation_config.json` says which token ends a text.
fn contents() -> Contents {
    Contents::model().with("generation_config.json", r#"{"eos_token_id": [2, 3]}"#)
}

#[test]
fn files_that_another_tool_left_out_are_fetched() {
    let hub = Hub::serve(contents());
    let ours = tempfile::tempdir().unwrap();
    let own = open_tiny(&hub.settings(ours.path()), None).unwrap();
    assert_eq!(own.tokenizer.ends(), [2, 3]);
    hub.asked();

    let theirs = tempfile::tempdir().unwrap();
    fill(theirs.path(), &contents(), &NEEDED, &["tokenizer_config.json"]);
    let mut settings = hub.settings(theirs.path());
    let other = open_tiny(&settings, None).unwrap();
    assert_eq!(other.tokenizer.ends(), [2, 3]);
    assert_eq!(other.notices.all(), [] as [String; 0]);
    let asked = hub.asked();
    let fetched: Vec<&str> = asked
        .iter()
        .filter(|asked| asked.method == "GET")
        .map(|asked| asked.path.as_str())
        .collect();
    assert_eq!(
        fetched,
        [
            format!("/api/models/org/tiny/revision/{COMMIT}"),
            format!("/org/tiny/resolve/{COMMIT}/generation_config.json")
        ]
    );
    // Now all is known.
    settings.offline = true;
    let again = open_tiny(&settings, None).unwrap();
    assert_eq!((again.tokenizer.ends(), again.notices.all()), (&[2, 3][..], vec![]));
    assert_eq!(hub.asked().len(), 0);
}

#[test]
fn what_cannot_be_known_is_said() {
    let hub = Hub::serve(contents());
    let cache = tempfile::tempdir().unwrap();
    fill(cache.path(), &contents(), &NEEDED, &["tokenizer_config.json", "added_tokens.json"]);
    let mut settings = hub.settings(cache.path());
    let said = |settings: &super::super::Settings| {
        let model = open_tiny(settings, None).unwrap();
        assert_eq!(model.tokenizer.ends(), [] as [u32; 0]);
        let [notice] = model.notices.all().try_into().unwrap();
        assert!(
            notice.contains("has no generation_config.json, special_tokens_map.json"),
            "{notice}"
        );
        notice
    };
    settings.offline = true;
    assert!(said(&settings).contains("HF_HUB_OFFLINE forbids to ask"));
    settings.offline = false;
    settings.endpoint = "http://127.0.0.1:9".to_owned();
    assert!(said(&settings).contains("127.0.0.1:9 does not answer"));
    assert_eq!(hub.asked().len(), 0);
}

#[test]
fn a_tokenizer_of_two_files_may_have_a_better_one() {
    let contents = contents()
        .with("vocab.json", r#"{"a": 0, "b": 1, "Ġ": 2, "Ġa": 3, "ab": 4}"#)
        .with("merges.txt", "Ġ a\n");
    let hub = Hub::serve(contents.clone());
    let cache = tempfile::tempdir().unwrap();
    fill(
        cache.path(),
        &contents,
        &["config.json", "vocab.json", "merges.txt", "model.safetensors"],
        &[],
    );
    let model = open_tiny(&hub.settings(cache.path()), None).unwrap();
    // `a b` is a merge in tokenizer.json alone.
    assert_eq!(model.tokenizer.encode("ab").unwrap().ids, [5, 4]);
    assert_eq!(support::weights().len() as u64, model.provenance.files[1].bytes);
}
