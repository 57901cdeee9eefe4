//! `vene generate`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use vene_test_support::RealModel;

use crate::support::{BASE, SOURCE, printed, refused, vene};

fn json(arguments: &[&str]) -> Value {
    let all = [&["generate", "--json"], arguments].concat();
    serde_json::from_str(&printed(&all)).unwrap()
}

fn text_of<'a>(data: &'a Value, which: &str, index: usize) -> &'a str {
    data[which][index]["text"].as_str().unwrap()
}

/// The embedded model without a token that ends texts, so that only its context does.
fn endless(folder: &Path) -> PathBuf {
    let config: Value = serde_json::from_str(vene_embedded::CONFIG).unwrap();
    let mut config = config.as_object().unwrap().clone();
    config.remove("eos_token_id");
    fs::write(folder.join("config.json"), serde_json::to_string(&config).unwrap()).unwrap();
    fs::write(folder.join("model.safetensors"), vene_embedded::WEIGHTS).unwrap();
    fs::write(folder.join("tokenizer.json"), vene_embedded::TOKENIZER).unwrap();
    folder.to_owned()
}

/// A plan's file.
fn plan(folder: &Path, text: &str) -> String {
    let path = folder.join("plan.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_text_stands_behind_its_prompt() {
    let text = printed(&["generate", "--max-new-tokens", "1", BASE]);
    assert_eq!(text, format!("{BASE} Madrid\n"));
    let data = json(&["--max-new-tokens", "5", BASE]);
    let longer = printed(&["generate", "--max-new-tokens", "5", BASE]);
    assert_eq!(longer, format!("{BASE}{}\n", text_of(&data, "continuations", 0)));
}

#[test]
fn json_tells_tokens_and_ends() {
    let data = json(&["--max-new-tokens", "2", BASE]);
    assert_eq!(data["prompt"], BASE);
    assert_eq!(data["token_ids"].as_array().unwrap().len(), 5);
    let text = &data["continuations"][0];
    assert_eq!((&text["sample"], &text["end"]), (&0.into(), &"enough".into()));
    let tokens = text["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0]["token"], " Madrid");
    let log_probability = tokens[0]["log_probability"].as_f64().unwrap();
    let top = printed(&["top", "-n", "1", "--json", BASE]);
    let top: Value = serde_json::from_str(&top).unwrap();
    let probability = top[0]["tokens"][0]["probability"].as_f64().unwrap();
    assert!((log_probability.exp() - probability).abs() < 1e-5);
    assert_eq!(data["originals"], Value::Array(vec![]));
    assert_eq!(data["receipts"], Value::Array(vec![]));
}

#[test]
fn a_seed_gives_its_texts_again() {
    let draw = |more: &[&str]| {
        json(&[&["--max-new-tokens", "8", "--temperature", "2", BASE], more].concat())
    };
    let (first, again) = (draw(&["--seed", "3"]), draw(&["--seed", "3", "--threads", "1"]));
    assert_eq!(first["continuations"], again["continuations"]);
    let many = draw(&["--seed", "3", "--num-samples", "6"]);
    assert_eq!(first["continuations"][0], many["continuations"][0]);
    let texts: std::collections::BTreeSet<&str> =
        (0..6).map(|sample| text_of(&many, "continuations", sample)).collect();
    assert!(texts.len() > 1, "{texts:?}");
    let printed = printed(&[
        "generate",
        "--max-new-tokens",
        "8",
        "--temperature",
        "2",
        "--seed",
        "3",
        "--num-samples",
        "6",
        BASE,
    ]);
    let titled = |sample: usize| {
        format!("# text, sample {sample}\n{BASE}{}\n", text_of(&many, "continuations", sample))
    };
    assert_eq!(printed, (0..6).map(titled).collect::<String>());
}

#[test]
fn a_full_context_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = endless(folder.path());
    let model = model.to_str().unwrap();
    let output = vene(&["generate", "--model", model, "--max-new-tokens", "500", "--json", BASE]);
    assert!(output.status.success());
    let data: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(data["continuations"][0]["end"], "context_full");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("warning: a text ends behind 28 tokens"), "{said}");
    assert!(said.contains("context of 32"), "{said}");
}

#[test]
fn a_plan_without_edits_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = plan(folder.path(), "[generate]\ntokens = 1\n");
    let output = vene(&["generate", "--plan", &file, BASE]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("warning: the plan has no edits"), "{said}");
    let said = refused(&["generate", "--plan", &file, "--with-original", BASE]);
    assert!(
        said.contains("the plan has no edits") && said.contains("leave out --with-original"),
        "{said}"
    );
    let file = plan(folder.path(), "[generate]\ntokens = 1\n[read]\noriginal = true\n");
    let said = refused(&["generate", "--plan", &file, BASE]);
    assert!(said.contains("(in a plan's [read], `original`)"), "{said}");
}

#[test]
fn a_source_that_is_missing_is_named_with_its_edit() {
    let folder = tempfile::tempdir().unwrap();
    let edit = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 0\npositions = 'last'\n";
    let file = plan(folder.path(), edit);
    let said = refused(&["generate", "--plan", &file, BASE]);
    assert!(
        said.contains("edit 0 (interchange, block_output of layer 0) needs source 0, counted from 0, and there is none"),
        "{said}"
    );
    assert!(said.contains("--source") && !said.contains("example"), "{said}");
}

#[test]
fn a_plan_edits_prompt_and_new_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let file = plan(
        folder.path(),
        "[[edit]]
         intervention = 'interchange'
         component = 'block_output'
         layer = 0
         positions = { phrase = 'Spain' }
         from = { phrase = 'Italy' }
         [[edit]]
         intervention = { name = 'scaling', factor = 1.01 }
         component = 'mlp_output'
         layer = 7
         when = 'every_step'
         [generate]
         tokens = 3",
    );
    let arguments = ["--plan", &file, "--source", SOURCE, "--with-original", BASE];
    let data = json(&arguments);
    let (edited, original) = (text_of(&data, "continuations", 0), text_of(&data, "originals", 0));
    assert!(edited.starts_with(" Rome") && original.starts_with(" Madrid"), "{edited} {original}");
    let made: Vec<(u64, u64)> = data["receipts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|made| (made["step"].as_u64().unwrap(), made["edit"].as_u64().unwrap()))
        .collect();
    assert_eq!(made, [(0, 0), (0, 1), (1, 1), (2, 1)]);
    assert_eq!(data["receipts"][2]["outcome"], "changed");
    assert_eq!(data["receipts"][2]["positions"], Value::from(vec![5]));
    let text = printed(&[&["generate"], &arguments[..]].concat());
    assert_eq!(text, format!("# edited\n{BASE}{edited}\n# original\n{BASE}{original}\n"));
}

#[test]
fn a_plan_may_say_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = plan(
        folder.path(),
        &format!(
            "[data]
             base = '{BASE}'
             sources = ['{SOURCE}']
             [generate]
             tokens = 1
             [[edit]]
             intervention = 'interchange'
             component = 'block_output'
             layer = 0
             positions = {{ phrase = 'Spain' }}
             from = {{ phrase = 'Italy' }}"
        ),
    );
    assert_eq!(printed(&["generate", "--plan", &file]), format!("{BASE} Rome\n"));
    // What is said on the command line goes before.
    let other = "The capital of Spain";
    let text = printed(&["generate", "--plan", &file, "--max-new-tokens", "2", other]);
    assert!(text.starts_with(other) && text.trim_end().len() > other.len(), "{text}");
}

#[test]
fn an_edit_that_changes_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = plan(
        folder.path(),
        "[[edit]]
         intervention = { name = 'scaling', factor = 1.0 }
         component = 'mlp_output'
         layer = 7",
    );
    let output = vene(&["generate", "--plan", &file, "--max-new-tokens", "2", BASE]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "warning: edit 0 (mlp_output of layer 7) changed nothing\n");
}

#[test]
fn bad_options_are_refused() {
    let refuse = |more: &[&str], phrases: &[&str]| {
        let said = refused(&[&["generate", BASE], more].concat());
        for phrase in phrases {
            assert!(said.contains(phrase), "`{phrase}` in {said}");
        }
    };
    refuse(&["--temperature", "0"], &["temperature of 0", "above 0"]);
    refuse(&["--temperature", "-1"], &["temperature of -1", "above 0"]);
    refuse(&["--temperature", "warm"], &["'warm'", "--temperature"]);
    refuse(&["--top-p", "1.5"], &["top-p of 1.5", "at most 1"]);
    refuse(&["--top-p", "0"], &["top-p of 0", "above 0"]);
    refuse(&["--top-k", "0"], &["top-k of 0", "1 or more"]);
    refuse(&["--max-new-tokens", "0"], &["--max-new-tokens", "'0'"]);
    refuse(&["--num-samples", "0"], &["--num-samples", "'0'"]);
    refuse(&["--source", SOURCE], &["--plan"]);
    refuse(&["--with-original"], &["--plan"]);
    refuse(&["--plan", "no/such/plan.toml"], &["no/such/plan.toml"]);
    assert!(refused(&["generate"]).contains("PROMPT"));
    assert!(refused(&["generate", ""]).contains("the prompt"));
}

#[test]
fn bad_plans_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |text: &str, more: &[&str], phrases: &[&str]| {
        let file = plan(folder.path(), text);
        let said = refused(&[&["generate", "--plan", &file], more].concat());
        for phrase in phrases {
            assert!(said.contains(phrase), "`{phrase}` in {said}");
        }
    };
    let edit = |more: &str| {
        format!(
            "[[edit]]\nintervention = 'interchange'\ncomponent = 'mlp_output'\nlayer = 1\n{more}\n"
        )
    };
    refuse(&edit(""), &[BASE], &["source"]);
    refuse(&edit(""), &[], &["no prompt", "[generate]"]);
    let both = ["--source", SOURCE, BASE];
    refuse(
        &edit("when = [9]"),
        &[&both[..], &["--max-new-tokens", "4"]].concat(),
        &["step 9", "0 to 3"],
    );
    let several = edit("when = 'every_step'\npositions = [1, 2]");
    refuse(&several, &both, &["edit 0", "a new token has one row"]);
    refuse(&edit("when = 'sometimes'"), &both, &["plan.toml", "line 5", "`sometimes`"]);
    refuse("[generate]\nstop = ['']", &[BASE], &["a text that ends continuations is empty"]);
    refuse("[generate]\ntemperature = 0", &[BASE], &["temperature of 0"]);
}

#[test]
fn a_plan_for_another_model_is_run_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = plan(folder.path(), "[model]\nid = 'HuggingFaceTB/SmolLM2-135M'\n");
    let line = ["generate", "--plan", &file, "--max-new-tokens", "1", "--model", "embedded", BASE];
    let output = vene(&line);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("warning: the plan is for the model `HuggingFaceTB/SmolLM2-135M`"));
}

#[test]
fn a_plan_that_states_another_model_is_refused_unless_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = |model: &str, more: &[&str]| {
        let file = plan(folder.path(), &format!("[model]\n{model}\n"));
        let arguments = [&["generate", "--plan", &file, "--max-new-tokens", "1"], more, &[BASE]];
        vene(&arguments.concat())
    };
    let refused = |model: &str, more: &[&str], expected: &str| {
        let output = run(model, more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.trim_end().lines().count() == 1, "{said}");
    };
    let other = "identity = 'vene1-00'";
    refused(other, &[], "embedded is another model, by its configuration or its weights");
    refused(other, &[], "(--another-model)");
    assert!(run(other, &["--another-model"]).status.success());
    refused("id = 'embedded'", &["--another-model"], "would change nothing");
    let shape = format!("{other}\nshape = 'gpt2 with 3 layers'");
    for more in [&[][..], &["--another-model"]] {
        refused(&shape, more, "not gpt2 with 3 layers");
    }
    let tokenizer = format!("{other}\ntokenizer = '00'");
    refused(&tokenizer, &["--another-model"], "embedded has another tokenizer");
}

/// Someone who reads the text sees it grow.
#[test]
fn text_comes_as_it_is_written() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let mut running = crate::support::process()
        .args(["generate", "--max-new-tokens", "40", "--model", model.to_str().unwrap(), BASE])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = running.stdout.take().unwrap();
    let (mut text, mut pieces, mut buffer) = (Vec::new(), 0, [0; 4096]);
    loop {
        match output.read(&mut buffer).unwrap() {
            0 => break,
            read => text.extend_from_slice(&buffer[..read]),
        }
        pieces += 1;
    }
    assert!(running.wait().unwrap().success());
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with(&format!("{BASE} Madrid")), "{text}");
    assert!(pieces > 10, "{pieces} pieces of {text}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_what_was_written() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let mut running = crate::support::process()
        .args(["generate", "--max-new-tokens", "8000", "--model", model.to_str().unwrap(), BASE])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = running.stdout.take().unwrap();
    let mut text = vec![0; BASE.len() + 20];
    output.read_exact(&mut text).unwrap();
    let process = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(String::from_utf8(text).unwrap().starts_with(BASE));
}

/// `| head` is no failure.
#[test]
fn a_reader_that_goes_away_ends_it() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let mut running = crate::support::process()
        .args(["generate", "--max-new-tokens", "8000", "--model", model.to_str().unwrap(), BASE])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = running.stdout.take().unwrap();
    output.read_exact(&mut [0; 8]).unwrap();
    drop(output);
    let ended = running.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

/// What was saved into a folder with `plan_file::save` is a plan as well.
#[test]
fn a_saved_plan_is_followed() {
    use vene::{Component, Edit, Model, Plan};
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let model = Model::load("embedded").unwrap();
    let edit = Edit::interchange(Component::BlockOutput, 0)
        .at(vene::Positions::last_of("Spain"))
        .from(vene::Positions::last_of("Italy"));
    vene::plan_file::save(&saved, &Plan::new().edit(edit), &model).unwrap();
    let saved = saved.to_str().unwrap();
    let arguments =
        ["generate", "--plan", saved, "--source", SOURCE, "--max-new-tokens", "1", BASE];
    assert_eq!(printed(&arguments), format!("{BASE} Rome\n"));
    let endless = endless(folder.path());
    let other = [&arguments[..], &["--model", endless.to_str().unwrap()]].concat();
    // The same weights and the same shape: the same model by another name.
    assert_eq!(printed(&other), format!("{BASE} Rome\n"));
}

#[test]
fn an_autoencoder_is_used_where_it_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let fixture =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/interventions/sae_lens/standard");
    let said = |component: &str, layer: usize, more: &str| {
        let text = format!(
            "[[edit]]\ncomponent = \"{component}\"\nlayer = {layer}\n[edit.intervention]\n\
             name = \"feature_edit\"\nerror_term = \"kept\"\nfeatures = [{{ feature = 3, set = 0.0 }}]\n\
             autoencoder = {{ name = \"sae_lens\", path = \"{fixture}\"{more} }}\n"
        );
        std::fs::write(&plan, text).unwrap();
        refused(&["generate", "--plan", plan.to_str().unwrap(), "The capital of Spain is"])
    };
    let elsewhere =
        "it was trained at `blocks.3.hook_resid_post`, block_output of layer 3, and is to edit";
    for (component, layer) in [("block_output", 2), ("block_input", 3), ("mlp_output", 3)] {
        let said = said(component, layer, "");
        assert!(said.contains(elsewhere) && said.contains("`elsewhere = true`"), "{said}");
    }
    // In its place it is refused for its width alone: the fixture's values are 6 wide.
    for (component, layer, more) in
        [("block_output", 3, ""), ("block_input", 4, ""), ("mlp_output", 3, ", elsewhere = true")]
    {
        let said = said(component, layer, more);
        assert!(!said.contains(elsewhere) && said.contains('6'), "{said}");
    }
}

#[test]
fn of_many_edits_that_change_nothing_the_first_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let edit = "[[edit]]\ncomponent = 'mlp_output'\nlayer = 0\nintervention = { name = 'scaling', factor = 1.0 }\n";
    fs::write(&plan, edit.repeat(30)).unwrap();
    let output =
        vene(&["generate", "--plan", plan.to_str().unwrap(), "--max-new-tokens", "1", BASE]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.lines().count(), 9, "{said}");
    assert!(said.contains("warning: 22 more edits changed nothing"), "{said}");
}
