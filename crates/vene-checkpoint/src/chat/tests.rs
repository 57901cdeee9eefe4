#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value as Json};

use super::*;

/// What transformers makes of conversations by templates of our own (`fixtures/make_chat_templates.py`).
fn fixture() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/chat/templates.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn template(source: &str, tokens: &Json) -> ChatTemplate {
    let tokens = tokens.as_object().unwrap().iter();
    let tokens = tokens.map(|(name, token)| (name.clone(), Value::from(Serde(token)))).collect();
    ChatTemplate::new("f".into(), source.into(), tokens)
}

fn of(source: &str) -> ChatTemplate {
    template(source, &serde_json::json!({ "bos_token": "<s>", "eos_token": "</s>" }))
}

#[test]
fn texts_are_those_of_transformers() {
    let fixture = fixture();
    let now: NaiveDateTime = fixture["date"].as_str().unwrap().parse().unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let template = template(fixture["templates"][name].as_str().unwrap(), &fixture["tokens"]);
        let about = ["template", "conversation", "text", "refused"];
        let values: Map<String, Json> = case
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| !about.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let values = values.iter().map(|(key, value)| (key.as_str(), Value::from(Serde(value))));
        let found = template.write_with(values, now).map_err(|error| error.to_string());
        let what = format!("{name}, {}", case["conversation"]);
        match (&found, case["text"].as_str(), case["refused"].as_str()) {
            (Ok(found), Some(text), _) if found == text => {}
            (Err(found), None, Some(refused)) if found.contains(refused) => {}
            (found, text, refused) => {
                wrong.push(format!("{what}:\n{found:?}\n{text:?} {refused:?}"));
            }
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 150, "{compared}");
}

fn user(content: &str) -> Vec<Message> {
    vec![Message::new("user", content)]
}

#[test]
fn contents_are_found_where_they_stand() {
    let signs = of(
        "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endfor %}\
                    {% if add_generation_prompt %}<assistant>{% endif %}",
    );
    // Names of roles, signs and other contents are contents too.
    let messages =
        [("system", "user"), ("user", "  </user> \n"), ("assistant", ""), ("user", "user")];
    let messages = messages.map(|(role, content)| Message::new(role, content));
    let Rendered { text, segments } = signs.render(&messages).unwrap();
    assert!(text.ends_with("<assistant>"), "{text}");
    let found: Vec<(usize, &str, &str)> = segments
        .iter()
        .map(|Segment { message, typed, shown }| {
            (*message, &messages[*message].content[typed.clone()], &text[shown.clone()])
        })
        .collect();
    assert_eq!(
        found,
        [(0, "user", "user"), (1, "</user>", "</user>"), (2, "", ""), (3, "user", "user")]
    );
    // What is written twice, in other words, or not at all is nowhere.
    for source in [
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "nothing",
    ] {
        assert_eq!(of(source).render(&user("Hello")).unwrap().segments, [], "{source}");
    }
    // Where a text decides what is written around it, a sign does not tell where it stands.
    let long =
        of("{% if messages[0].content | length > 9 %}long: {% endif %}{{ messages[0].content }}");
    assert_eq!(long.render(&user("Hello, hello!")).unwrap().segments, []);
}

#[test]
fn an_answer_that_was_begun_is_gone_on_with() {
    let signs = of(
        "{% for m in messages %}[{{ m.role }}]{{ m.content | trim }}{{ eos_token }}{% endfor %}\
                    {% if add_generation_prompt %}[assistant]{% endif %}",
    );
    let mut messages = user("Hello");
    messages.push(Message::new("assistant", " Good "));
    assert_eq!(signs.render(&messages).unwrap().text, "[user]Hello</s>[assistant]Good");
    assert_eq!(signs.after_answer().as_deref(), Some("</s>"));
    let error = of("no content").render(&messages).unwrap_err().to_string();
    assert!(error.contains("cannot be continued"), "{error}");
    assert_eq!(of("no content").after_answer(), None);
}

#[test]
fn marks_of_what_is_trained_on_write_nothing() {
    let marked = of(
        "{% for m in messages %}\n  {%- generation -%}\n  {{ m.content }}\n  {% endgeneration %}\n{% endfor %}",
    );
    let plain = of(
        "{% for m in messages %}\n  {%- if true -%}\n  {{ m.content }}\n  {% endif %}\n{% endfor %}",
    );
    assert_eq!(marked.render(&user("x")).unwrap(), plain.render(&user("x")).unwrap());
}

/// Each within a second or so, in little memory.
#[test]
fn hostile_templates_end_in_a_sentence() {
    let deep = format!("{}1{}", "{{ ".to_owned() + &"(".repeat(20_000), ")".repeat(20_000) + " }}");
    let nested = "{% if true %}".repeat(50_000);
    let huge = "x".repeat(2 << 20);
    for (source, expected) in [
        ("{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}", ""),
        ("{{ 'x' * 1000000000 }}", ""),
        (
            "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
            "steps",
        ),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", ""),
        ("{{ [1] * 100000000 }}", ""),
        ("{{ '%999999999d' | format(1) }}", ""),
        ("{{ ([] | tojson(indent=999999999)) }}{{ [[[1]]] | tojson(indent=4000000000) }}", "never"),
        ("{{ strftime_now('%Q') }}", "not a form of dates"),
        ("{{ strftime_now('%Z') }}", "not a form of dates"),
        ("{{ messages[9].content.x }}", "undefined"),
        ("{{ no_such_function() }}", "unknown"),
        ("{{ 1 / 0 }}", ""),
        ("{% include 'other' %}", ""),
        ("{{ raise_exception('\u{1b}[31mred') }}", "refuses this conversation"),
        (deep.as_str(), ""),
        (nested.as_str(), ""),
        (huge.as_str(), "no template is"),
    ] {
        let shown: String = source.chars().take(70).collect();
        match of(source).render(&user("x")) {
            Ok(rendered) => {
                assert!(expected == "never" || expected.is_empty(), "{shown}");
                assert!(rendered.text.len() < 1 << 27, "{shown}: {}", rendered.text.len());
            }
            Err(error) => assert!(
                error.to_string().contains(expected) || expected == "never",
                "{shown}: {error}"
            ),
        }
    }
}

#[test]
fn days_are_written_as_python_does() {
    let now: NaiveDateTime = "2024-07-06T05:04:03".parse().unwrap();
    for (form, expected) in [
        ("%d %b %Y", "06 Jul 2024"),
        ("%Y-%m-%d", "2024-07-06"),
        ("%B %-d, %Y", "July 6, 2024"),
        ("%A %H:%M:%S %j %y %p %I %%", "Saturday 05:04:03 188 24 AM 05 %"),
    ] {
        assert_eq!(strftime::format(now, form).unwrap(), expected);
    }
}

#[test]
fn json_is_written_as_python_does() {
    let value = serde_json::json!({"b": [1, 2.0, null, true], "a": {"\u{e4}\u{7f}\u{1f600}": "\u{1}\"\\"}, "e": [], "o": {}});
    let style = |ascii, indent: Option<&str>, sorted| json::Style {
        ascii,
        indent: indent.map(str::to_owned),
        between_items: if indent.is_some() { "," } else { ", " }.to_owned(),
        after_key: ": ".to_owned(),
        sorted,
    };
    assert_eq!(
        json::dumps(&value, &style(true, None, true)),
        r#"{"a": {"\u00e4\u007f\ud83d\ude00": "\u0001\"\\"}, "b": [1, 2.0, null, true], "e": [], "o": {}}"#
    );
    let lines = json::dumps(&value["b"], &style(false, Some("\t"), false));
    assert_eq!(lines, "[\n\t1,\n\t2.0,\n\tnull,\n\ttrue\n]");
}
