//! Prompts as turns of a conversation, or as token ids, in every command that takes prompts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{BASE, SOURCE, printed, record, refused, vene};

/// What a user says, and what comes before and after it in the text that the model reads.
const TEMPLATE: &str = "\
{% for turn in messages %}{% if turn.role == 'system' %}{{ turn.content }}: {% elif turn.role == 'user' %}\
{{ turn.content | trim }}{% elif turn.role == 'assistant' %} is {{ turn.content }}{{ eos_token }}{% else %}\
{{ raise_exception('no such role: ' + turn.role) }}{% endif %}{% endfor %}{% if add_generation_prompt %} is{% endif %}";
const SAID: &str = "The capital of Spain";
const END: &str = "<|endoftext|>";

/// The embedded model with a chat template, whose texts are those of the embedded model's facts; and files beside it.
fn model(folder: &Path, template: &str, more: &[(&str, Value)]) -> String {
    let path = folder.join("model");
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("model.safetensors"), vene_embedded::WEIGHTS).unwrap();
    fs::write(path.join("config.json"), vene_embedded::CONFIG).unwrap();
    fs::write(path.join("tokenizer.json"), vene_embedded::TOKENIZER).unwrap();
    let settings = json!({"eos_token": END, "bos_token": END, "chat_template": template});
    fs::write(path.join("tokenizer_config.json"), settings.to_string()).unwrap();
    for (name, value) in more {
        fs::write(path.join(name), value.to_string()).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

/// The tables that a run wrote, by name.
fn tables(out: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(out).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{}", out.display());
    found
}

#[test]
fn a_turn_is_the_text_that_the_template_writes_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), TEMPLATE, &[]);
    let plan = folder.path().join("plan.toml");
    let edit = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 1\n\
                positions = { role = 'subject_last' }\n";
    fs::write(&plan, edit).unwrap();
    let plan = plan.to_str().unwrap();
    let lines = [
        "sweep --base BASE --source SOURCE --token ~Madrid --component block_output --layers 1,2 --out OUT",
        "lens BASE --token ~Madrid --out OUT",
        "attribute BASE --token ~Madrid --out OUT",
        "attention BASE --out OUT",
        "lens BASE --token ~Madrid --plan PLAN --source SOURCE --span subject=Spain --source-span subject=Italy --out OUT",
    ];
    for (index, line) in lines.iter().enumerate() {
        let run = |form: &str, base: &str, source: &str| {
            let out = folder.path().join(format!("{form}-{index}"));
            let word = |word: &str| match word {
                "BASE" => base.to_owned(),
                "SOURCE" => source.to_owned(),
                "PLAN" => plan.to_owned(),
                "OUT" => out.to_str().unwrap().to_owned(),
                word => word.replace('~', " "),
            };
            let mut words: Vec<String> = line.split_whitespace().map(word).collect();
            words.extend(["--model".to_owned(), model.clone()]);
            if form != "text" {
                words.push(format!("--{form}"));
            }
            printed(&words.iter().map(String::as_str).collect::<Vec<_>>());
            tables(&out)
        };
        let text = run("text", BASE, SOURCE);
        assert_eq!(run("chat", "  The capital of Spain\n", "The capital of Italy"), text, "{line}");
        if !line.contains("--span") {
            let ids = |text: &str| {
                let ids = json_of(&["top", "--json", text])[0]["token_ids"].clone();
                ids.to_string()
            };
            assert_eq!(run("ids", &ids(BASE), &ids(SOURCE)), text, "{line}");
        }
    }
    // Those without tables.
    for line in [&["top", "-n", "3"][..], &["generate", "--max-new-tokens", "3"]] {
        let of = |more: &[&str]| json_of(&[line, &["--json", "--model", &model], more].concat());
        let [text, chat] = [of(&[BASE]), of(&["--chat", SAID])].map(|found| match found {
            Value::Array(prompts) => prompts[0]["tokens"].clone(),
            found => found["continuations"].clone(),
        });
        assert_eq!(text, chat, "{line:?}");
    }
    let system =
        json_of(&["top", "--json", "--model", &model, "--chat", "--system", "Geography", SAID]);
    let written = json_of(&["top", "--json", "--model", &model, &format!("Geography: {BASE}")]);
    assert_eq!(system[0]["token_ids"], written[0]["token_ids"]);
}

#[test]
fn rows_of_messages_are_rows_of_texts() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), TEMPLATE, &[]);
    let user = |text: &str| json!([{"role": "user", "content": text}]);
    let row = |base: (&str, Value), source: (&str, Value)| {
        let mut row = json!({"target": " Madrid", "foil": " Rome", "subject": "Spain", "source_subject": "Italy"});
        row[base.0] = base.1;
        row[source.0] = source.1;
        row.to_string()
    };
    let texts = row(("base", json!(BASE)), ("source", json!(SOURCE)));
    let messages = row(
        ("messages", user(" The capital of Spain ")),
        ("source_messages", user("The capital of Italy")),
    );
    let csv = "messages,source_messages,target,foil,subject,source_subject\n\
               \"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"The capital of Spain\"\"}]\",\
               \"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"The capital of Italy\"\"}]\", Madrid, Rome,Spain,Italy\n";
    let said = row(("base", json!(SAID)), ("source", json!("The capital of Italy")));
    let mut found = Vec::new();
    for (name, content, more) in [
        ("texts.jsonl", texts.as_str(), &[][..]),
        ("messages.jsonl", &messages, &[]),
        ("messages.csv", csv, &[]),
        ("said.jsonl", &said, &["--chat"]),
    ] {
        let data = folder.path().join(name);
        fs::write(&data, content).unwrap();
        let out = folder.path().join(format!("{name}-out"));
        let line = [
            "sweep",
            "--component",
            "block_output",
            "--positions",
            "subject_last,last",
            "--layers",
            "1,2",
        ];
        let files =
            ["--data", data.to_str().unwrap(), "--out", out.to_str().unwrap(), "--model", &model];
        printed(&[&line[..], &files, more].concat());
        found.push(tables(&out));
    }
    assert!(found.iter().all(|tables| *tables == found[0]), "{found:#?}");
    // An answer that was begun is gone on with, and a system turn is put in front once.
    let data = folder.path().join("begun.jsonl");
    let begun =
        json!([{"role": "user", "content": SAID}, {"role": "assistant", "content": "the city of"}]);
    fs::write(&data, json!({"messages": begun}).to_string()).unwrap();
    let out = folder.path().join("begun");
    let line = [
        "collect",
        "--component",
        "block_output",
        "--layers",
        "0",
        "--model",
        &model,
        "--data",
        data.to_str().unwrap(),
    ];
    printed(&[&line[..], &["--out", out.to_str().unwrap()]].concat());
    let wrong = [
        (json!({"messages": begun, "base": "x"}), "two prompts in place of one"),
        (json!({"messages": []}), "an empty list"),
        (json!({"messages": [{"role": "user"}]}), "lack a role or a content"),
        (
            json!({"messages": [{"role": "user", "content": "x", "name": "y"}]}),
            "`name`, which is not read",
        ),
        (json!({"messages": "x"}), "a text; expected a list of turns"),
    ];
    for (row, expected) in wrong {
        fs::write(&data, row.to_string()).unwrap();
        let said = refused(&line);
        assert!(said.contains(expected), "{said}");
    }
    fs::write(&data, json!({"messages": [{"role": "critic", "content": "x"}]}).to_string())
        .unwrap();
    let said = String::from_utf8(vene(&line).stderr).unwrap();
    assert!(said.contains("no such role: critic"), "{said}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let with = model(folder.path(), TEMPLATE, &[]);
    let with = with.as_str();
    for (arguments, expected) in [
        (&["top", "--model", "embedded", "--chat", SAID][..], "neither a chat_template.jinja nor"),
        (&["top", "--model", with, "--system", "x", SAID], "read only with --chat"),
        (&["top", "--model", with, "--ids", "--bos", "always", "1"], "read only without --ids"),
        (&["top", "--model", with, "--ids", "--chat", "1"], "read only without --ids"),
        (&["top", "--model", with, "--ids", "1 x"], "`x` is not a token id"),
        (&["top", "--model", with, "--ids", "99999"], "outside of the vocabulary"),
        (&["generate", "--model", with, "--system", "x", SAID], "read only with --chat"),
        (&["generate", "--model", with, "--ids", "--chat", "1"], "read only without --ids"),
        (&["generate", "--model", with, "--min-p", "2", SAID], "a min-p of 2"),
        (
            &["generate", "--model", with, "--repetition-penalty", "0", SAID],
            "a repetition penalty of 0",
        ),
        (&["generate", "--model", with, "--stop", "", SAID], "is empty"),
        (
            &["generate", "--model", with, "--top-logprobs", "2", SAID],
            "read only with --json or --out",
        ),
    ] {
        let said = refused(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    for (name, template, expected) in [
        ("syntax", "{% if %}", "the chat template of"),
        (
            "endless",
            "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
            "steps",
        ),
        ("refuses", "{{ raise_exception('not today') }}", "refuses this conversation: not today"),
    ] {
        let folder = folder.path().join(name);
        let model = model(&folder, template, &[]);
        let said = refused(&["top", "--model", &model, "--chat", SAID]);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_template_of_its_own_file_is_taken_and_a_spec_keeps_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), "{{ raise_exception('the older one') }}", &[]);
    fs::write(Path::new(&model).join("chat_template.jinja"), TEMPLATE).unwrap();
    let out = folder.path().join("out");
    let line = [
        "generate",
        "--model",
        &model,
        "--chat",
        "--system",
        "Geography",
        "--max-new-tokens",
        "2",
        SAID,
    ];
    printed(&[&line[..], &["--out", out.to_str().unwrap()]].concat());
    let kept = record(&out);
    let section = &kept["experiment"]["model"];
    assert_eq!(
        (&section["chat"], &section["system"]),
        (&json!(true), &json!("Geography")),
        "{kept:#}"
    );
    let spec = folder.path().join("spec.toml");
    fs::write(&spec, printed(&[&line[..], &["--print-spec"]].concat())).unwrap();
    let again = printed(&["run", spec.to_str().unwrap()]);
    assert_eq!(again, printed(&line));
    for (section, expected) in [
        ("[model]\nsystem = 'x'", "give `chat = true` too"),
        ("[model]\nids = true\nchat = true", "not both"),
        ("[model]\nids = true\nbos = 'always'", "leave `bos` out"),
    ] {
        fs::write(&spec, section).unwrap();
        assert!(
            refused(&["generate", "--plan", spec.to_str().unwrap(), SAID]).contains(expected),
            "{section}"
        );
    }
}

#[test]
fn an_answer_ends_with_its_turn_or_at_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let ends = json!({"eos_token_id": 5});
    let model = model(folder.path(), TEMPLATE, &[("generation_config.json", ends)]);
    let of = |more: &[&str]| {
        json_of(&[&["generate", "--json", "--model", &model], more].concat())["continuations"][0]
            .clone()
    };
    // The embedded model ends its sentences with this token, which no file names as an end here.
    let free = of(&["--max-new-tokens", "20", BASE]);
    let ids = |text: &Value| -> Vec<u64> {
        text["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["id"].as_u64().unwrap())
            .collect()
    };
    let end = ids(&free).iter().position(|&id| id == 0);
    let end = end.expect("the model ends its sentences");
    assert_eq!(free["end"], "enough");
    let turn = of(&["--max-new-tokens", "20", "--chat", SAID]);
    assert_eq!((&turn["end"], ids(&turn)), (&json!("stop"), ids(&free)[..=end].to_vec()));
    let text = free["text"].as_str().unwrap();
    assert!(text.starts_with(" Madrid"), "{text}");
    let stopped = of(&["--stop", "rid", "--stop", "zzz", BASE]);
    assert_eq!((&stopped["end"], &stopped["text"]), (&json!("stop_text"), &json!(" Mad")));
    assert_eq!((&stopped["stop_text"], ids(&stopped)), (&json!("rid"), ids(&free)[..1].to_vec()));
    let printed_text = printed(&["generate", "--model", &model, "--stop", "rid", BASE]);
    assert_eq!(printed_text, format!("{BASE} Mad\n"));
    // An answer stands for itself.
    assert!(printed(&["generate", "--model", &model, "--chat", SAID]).starts_with(" Madrid"));
    let top = of(&["--top-logprobs", "3", "--max-new-tokens", "2", BASE]);
    for token in top["tokens"].as_array().unwrap() {
        let likeliest = token["top"].as_array().unwrap();
        assert_eq!(likeliest.len(), 3);
        assert_eq!(
            (&likeliest[0]["id"], &likeliest[0]["log_probability"]),
            (&token["id"], &token["log_probability"])
        );
    }
}

#[test]
fn what_the_model_asks_for_is_said_or_followed() {
    let folder = tempfile::tempdir().unwrap();
    let asked = json!({"eos_token_id": 0, "do_sample": true, "temperature": 1.9, "max_new_tokens": 3, "num_beams": 2});
    let model = model(folder.path(), TEMPLATE, &[("generation_config.json", asked)]);
    let said = |more: &[&str]| {
        let output = vene(&[&["generate", "--json", "--model", &model, BASE], more].concat());
        assert!(output.status.success());
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let tokens = found["continuations"][0]["tokens"].as_array().unwrap().len();
        (String::from_utf8(output.stderr).unwrap(), tokens, found["continuations"].clone())
    };
    let (told, _, greedy) = said(&[]);
    let about: Vec<&str> = told.lines().filter(|line| line.contains("not followed")).collect();
    assert_eq!(about.len(), 1, "{told}");
    for part in [
        "do_sample = true",
        "temperature = 1.9",
        "max_new_tokens = 3",
        "num_beams = 2",
        "--as-configured",
    ] {
        assert!(about[0].contains(part), "{told}");
    }
    let (told, tokens, drawn) = said(&["--as-configured"]);
    assert!(told.contains("num_beams = 2 is not followed: vene has nothing like it"), "{told}");
    assert!(tokens <= 3 && drawn != greedy, "{drawn}");
    let same = said(&["--temperature", "1.9", "--top-k", "50", "--max-new-tokens", "3"]);
    assert_eq!(same.2, drawn);
    assert!(said(&["--as-configured", "--max-new-tokens", "5"]).1 > 3);
    // Other commands generate nothing.
    let top = vene(&["top", "--model", &model, BASE]);
    assert_eq!(String::from_utf8(top.stderr).unwrap(), "");
}
