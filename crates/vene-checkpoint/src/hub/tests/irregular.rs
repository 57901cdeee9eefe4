//! Pipes, devices and links in the cache, where a file of the cache should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::{COMMIT, Contents, Hub, open_part, open_tiny, sha256};
use super::support;
use crate::hub::HubPart;

/// What is put in the place of a file.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn zeros(path: &Path) {
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
}

/// The file of the cache at which a model is refused, and why.
fn refusal(place: &dyn Fn(&Path) -> PathBuf, put: fn(&Path), is_fetched_before: bool) -> String {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let settings = hub.settings(cache.path());
    if is_fetched_before {
        open_tiny(&settings, None).unwrap();
    }
    let path = place(cache.path());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = std::fs::remove_file(&path);
    put(&path);
    let line = open_tiny(&settings, None).unwrap_err();
    let (_, reason) = line.split_once(&format!("{}: ", path.display())).expect(&line);
    reason.to_owned()
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let weights = sha256(&support::weights());
    let repository = |cache: &Path| cache.join("models--org--tiny");
    let reference = |cache: &Path| repository(cache).join("refs/main");
    let blob = |cache: &Path| repository(cache).join("blobs").join(&weights);
    let part = |cache: &Path| blob(cache).with_file_name(format!("{weights}.incomplete"));
    let lock = |cache: &Path| cache.join(format!(".locks/models--org--tiny/{weights}.lock"));

    let instead = "is there; give a regular file";
    assert_eq!(refusal(&reference, pipe, true), format!("a pipe {instead}"));
    assert_eq!(refusal(&reference, zeros, true), format!("a device {instead}"));
    assert_eq!(refusal(&reference, pipe, false), format!("a pipe {instead}"));
    assert_eq!(refusal(&blob, pipe, false), format!("a pipe {instead}"));
    assert_eq!(refusal(&blob, zeros, false), format!("a device {instead}"));
    let in_place = "is in the place of this file; move it away";
    assert_eq!(refusal(&part, pipe, false), format!("a pipe {in_place}"));
    assert_eq!(refusal(&part, zeros, false), format!("a link {in_place}"));
    assert_eq!(refusal(&lock, pipe, false), format!("a pipe {in_place}"));
    assert_eq!(refusal(&lock, zeros, false), format!("a link {in_place}"));
}

#[test]
fn links_do_not_lead_to_files_outside_the_cache() {
    let weights = sha256(&support::weights());
    let hub = Hub::serve(Contents::model());
    let folder = tempfile::tempdir().unwrap();
    let (cache, mine) = (folder.path().join("cache"), folder.path().join("mine"));
    std::fs::write(&mine, "mine").unwrap();
    let repository = cache.join("models--org--tiny");
    let part = repository.join(format!("blobs/{weights}.incomplete"));
    // The reference is replaced. What says that a file is lacking is only looked at.
    let lacking = repository.join(format!(".no_exist/{COMMIT}/added_tokens.json"));
    for link in [&part, &repository.join("refs/main"), &lacking] {
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(&mine, link).unwrap();
    }
    let settings = hub.settings(&cache);
    let line = open_tiny(&settings, None).unwrap_err();
    assert!(line.contains("a link is in the place of this file"), "{line}");
    std::fs::remove_file(&part).unwrap();
    open_tiny(&settings, None).unwrap();
    assert_eq!(std::fs::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");

    // Nor is one that is not there made.
    let nothing = folder.path().join("nothing");
    let lacking = lacking.with_file_name("generation_config.json");
    let _ = std::fs::remove_file(&lacking);
    std::os::unix::fs::symlink(&nothing, &lacking).unwrap();
    open_tiny(&settings, None).unwrap();
    assert!(!nothing.exists());
}

#[test]
fn a_token_that_cannot_be_read_is_said_where_it_is_needed() {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let whole = hub.settings(cache.path());
    let mut settings = whole.clone();
    settings.unreadable_token = Some(("/h/token".into(), "a pipe is there".to_owned()));
    let line = open_tiny(&settings, None).unwrap_err();
    assert_eq!(line, "org/tiny: /h/token, which should hold your token: a pipe is there");
    open_tiny(&whole, None).unwrap();
    open_part(&settings, None, HubPart::Root).unwrap();
}
