//! What two entries of records say differently, in words for one line.

use std::collections::BTreeMap;

use serde_json::Value;

/// How many differences are named.
const NAMED: usize = 3;

/// Digits of a digest that are shown, and characters of any other value.
const DIGITS: usize = 12;
const CHARACTERS: usize = 60;

/// Keys whose difference says the most, by which others are explained.
const FIRST: [&str; 3] = ["sha256", "shape", "tokenizer"];

/// The values that differ: what they were and what they are.
pub(super) fn in_words(before: &Value, now: &Value) -> String {
    let mut found = Vec::new();
    collect(&mut Vec::new(), before, now, &mut found);
    let rank = |path: &str| FIRST.iter().position(|key| *key == path).unwrap_or(FIRST.len());
    found.sort_by_key(|difference| rank(&difference.path));
    // Other weights are in other files.
    if found.iter().any(|difference| difference.path == "sha256") {
        found.retain(|difference| !difference.path.starts_with("files"));
    }
    // The identity is another one whatever of the model is.
    if found.iter().any(|difference| difference.path != "identity") {
        found.retain(|difference| difference.path != "identity");
    }
    let more = found.len().saturating_sub(NAMED);
    let mut words: Vec<String> = found.iter().take(NAMED).map(Difference::in_words).collect();
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join(", ")
}

struct Difference {
    /// Keys, with dots between them.
    path: String,
    before: String,
    now: String,
}

impl Difference {
    fn in_words(&self) -> String {
        let Self { path, before, now } = self;
        let name = match path.as_str() {
            "sha256" => "SHA-256",
            "identity" => "the model's identity",
            path => path,
        };
        match name {
            "" => format!("{before} then, {now} now"),
            name => format!("{name} ({before} then, {now} now)"),
        }
    }
}

fn collect(path: &mut Vec<String>, before: &Value, now: &Value, found: &mut Vec<Difference>) {
    if before == now {
        return;
    }
    let (Some(one), Some(two)) = (by_key(before), by_key(now)) else {
        let [before, now] = [before, now].map(shown);
        found.push(Difference { path: path.join("."), before, now });
        return;
    };
    let new = two.keys().filter(|key| !one.contains_key(*key));
    for key in one.keys().chain(new) {
        path.push(key.clone());
        let [before, now] = [&one, &two].map(|object| *object.get(key).unwrap_or(&&Value::Null));
        collect(path, before, now, found);
        path.pop();
    }
}

/// What an object has under its keys, or a list of objects that have names under these.
fn by_key(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(object) => {
            Some(object.iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        Value::Array(list) if !list.is_empty() => list
            .iter()
            .map(|entry| Some((entry.get("name")?.as_str()?.to_owned(), entry)))
            .collect(),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "none".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let most = if is_digest { DIGITS } else { CHARACTERS };
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named() {
        let model = |digit: &str, name: &str| {
            json!({
                "name": name,
                "sha256": digit.repeat(64),
                "identity": digit.repeat(64),
                "files": [{ "name": "model.safetensors", "bytes": digit.len() }],
                "shape": "4 layers",
            })
        };
        assert_eq!(
            in_words(&model("0", "a"), &model("1", "a")),
            "SHA-256 (000000000000… then, 111111111111… now)"
        );
        assert_eq!(in_words(&model("0", "a"), &model("0", "b")), "name (a then, b now)");
        let configured = |bytes: usize| {
            let files =
                json!([{ "name": "config.json", "bytes": bytes }, { "name": "a", "bytes": 1 }]);
            json!({ "identity": bytes.to_string(), "sha256": "0", "files": files })
        };
        assert_eq!(
            in_words(&configured(668), &configured(607)),
            "files.config.json.bytes (668 then, 607 now)"
        );
        let options = |factor: f64| json!({ "intervention": { "factor": factor }, "unit": "pos" });
        assert_eq!(
            in_words(&options(0.5), &options(1.5)),
            "intervention.factor (0.5 then, 1.5 now)"
        );
        assert_eq!(in_words(&json!("0.1"), &json!("0.2")), "0.1 then, 0.2 now");
        let many =
            |value: usize| json!({ "a": value, "b": value, "c": value, "d": value, "e": value });
        assert!(in_words(&many(1), &many(2)).ends_with("c (1 then, 2 now), and 2 more"));
    }
}
