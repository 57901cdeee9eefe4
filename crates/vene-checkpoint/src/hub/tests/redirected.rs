//! Hosts to which a hub sends on: who gets the token, and who is named where they fail.

use std::sync::{Arc, OnceLock};

use super::server::{Answer, Asked, COMMIT, Contents, Hub, open_tiny};

const WEIGHTS: &str = "model.safetensors";

/// A hub that sends on to another host for its weights.
fn sending_on_to(address: String) -> Hub {
    let contents = Contents::model();
    Hub::serve_with(move |asked| {
        let honest = contents.answer(asked);
        if honest.status == "302 Found" { honest.with("Location", address.clone()) } else { honest }
    })
}

fn refusal(hub: &Hub) -> String {
    let cache = tempfile::tempdir().unwrap();
    open_tiny(&hub.settings(cache.path()), None).unwrap_err()
}

#[test]
fn bytes_that_a_detour_leads_back_to_are_asked_for_without_the_token() {
    // The hub sends on to a stranger, who says all that a hub says of the file and sends back.
    let home = Arc::new(OnceLock::<String>::new());
    let contents = Contents::model();
    let stranger = Hub::serve_with({
        let (home, contents) = (Arc::clone(&home), contents.clone());
        move |_| {
            let asked = Asked {
                method: "HEAD".to_owned(),
                path: format!("/org/tiny/resolve/{COMMIT}/{WEIGHTS}"),
                token: None,
                from: None,
                before: 0,
            };
            let location = format!("{}/elsewhere/{WEIGHTS}", home.get().unwrap());
            contents.answer(&asked).with("Location", location)
        }
    });
    let away = stranger.endpoint.clone();
    let hub = Hub::serve_with(move |asked| {
        if asked.path.starts_with("/org/tiny/resolve/") && asked.is_for(WEIGHTS) {
            return Answer::of("302 Found").with("Location", format!("{away}/x"));
        }
        contents.answer(asked)
    });
    home.set(hub.endpoint.clone()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    settings.token = Some("secret".to_owned());
    open_tiny(&settings, None).unwrap();
    let asked = hub.asked();
    let bytes: Vec<_> = asked.iter().filter(|asked| asked.is_for_bytes_of(WEIGHTS)).collect();
    assert!(!bytes.is_empty() && bytes.iter().all(|asked| asked.token.is_none()), "{bytes:?}");
    assert!(stranger.asked().iter().all(|asked| asked.token.is_none()));
}

#[test]
fn the_host_that_fails_is_named() {
    let refusing = Hub::serve_with(|_| Answer::of("403 Forbidden"));
    let hub = sending_on_to(refusing.endpoint.clone());
    let line = refusal(&hub);
    let expected =
        format!("sends on to {}, which answered with HTTP status 403", refusing.endpoint);
    assert!(line.contains(&expected) && !line.contains("token"), "{line}");

    // One that sends half of what it has.
    let contents = Contents::model();
    let breaking = Hub::serve_with(move |asked| contents.answer(asked).cut(0));
    let line = refusal(&sending_on_to(format!("{}/elsewhere/{WEIGHTS}", breaking.endpoint)));
    let expected = format!("sends on to {}, which ended the connection after 0", breaking.endpoint);
    assert!(line.contains(&expected) && line.contains("what came is kept"), "{line}");

    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = refusal(&sending_on_to(format!("http://{closed}/x")));
    let expected = format!("sends on to http://{closed}, which does not answer");
    assert!(line.contains(&expected), "{line}");
}

#[test]
fn an_answer_that_is_no_hubs_is_not_worth_another_try() {
    for status in ["204 No Content", "300 Multiple Choices", "304 Not Modified", "410 Gone"] {
        let line = refusal(&Hub::serve_with(move |_| Answer::of(status)));
        assert!(line.contains("is no answer of a Hugging Face hub"), "{line}");
        assert!(!line.contains("later"), "{line}");
    }
    let line = refusal(&Hub::serve_with(|_| Answer::of("503 Service Unavailable")));
    assert!(line.contains("HTTP status 503; try again later"), "{line}");
}

#[test]
fn nothing_is_kept_of_half_a_listing() {
    let contents = Contents::model();
    let hub = Hub::serve_with(move |asked| contents.answer(asked).cut(20));
    let line = refusal(&hub);
    let expected = "broke off in the middle of an answer, after 20 bytes; nothing of it was kept";
    assert!(line.contains(expected), "{line}");
}

#[test]
fn what_of_the_environment_is_not_followed_is_told() {
    let hub = Hub::serve(Contents::model());
    let cache = tempfile::tempdir().unwrap();
    let mut settings = hub.settings(cache.path());
    settings.doubts = vec!["HF_HUB_OFFLINE=maybe means nothing".to_owned()];
    let model = open_tiny(&settings, None).unwrap();
    assert!(model.notices.all().contains(&settings.doubts[0]));
    let line = open_tiny(&settings, Some("v2")).unwrap_err();
    assert!(line.ends_with(&settings.doubts[0]), "{line}");
}
