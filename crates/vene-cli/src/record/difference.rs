//! What two entries of records say differently, in words for one line.

use serde_json::Value;

/// How many differences are named.
const NAMED: usize = 3;

/// Digits of a digest that are shown, and characters of any other value.
const DIGITS: usize = 12;
const CHARACTERS: usize = 60;

/// Keys whose difference says the most, by which others are explained.
const FIRST: [&str; 4] = ["sha256", "identity", "shape", "tokenizer"];

/// The values that differ: what they were and what they are.
pub(super) fn in_words(before: &Value, now: &Value) -> String {
    let mut found = Vec::new();
    collect(&mut Vec::new(), before, now, &mut found);
    let rank = |path: &str| FIRST.iter().position(|key| *key == path).unwrap_or(FIRST.len());
    found.sort_by_key(|difference| rank(&difference.path));
    // Two digests of the same weights, and the files that they are in.
    if found.iter().any(|difference| difference.path == "sha256") {
        found.retain(|difference| {
            difference.path != "identity" && !difference.path.starts_with("files")
        });
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
            "identity" => "the weights' identity",
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
    let (Value::Object(one), Value::Object(two)) = (before, now) else {
        let [before, now] = [before, now].map(shown);
        found.push(Difference { path: path.join("."), before, now });
        return;
    };
    let new = two.keys().filter(|key| !one.contains_key(*key));
    for key in one.keys().chain(new) {
        path.push(key.clone());
        let [before, now] = [one, two].map(|object| object.get(key).unwrap_or(&Value::Null));
        collect(path, before, now, found);
        path.pop();
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
