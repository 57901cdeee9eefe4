//! What the walk leaves apart: options that take another plan or file to be tried, and what is given beside options.

use std::fs;
use std::path::Path;

use super::walk::{UNREAD, shared};
use crate::support::{BASE, SOURCE, files, printed, refused};

#[test]
fn what_the_walk_leaves_apart() {
    let pair = ["sweep", "--base", BASE, "--source", SOURCE, "--component", "block_output"];
    let with = |more: &[&'static str]| {
        refused(&[&pair[..], &["--token", " Madrid", "--dry-run"], more].concat())
    };
    let said = with(&["--executor", "reference", "--memory", "1G"]);
    assert!(said.contains("--memory would change nothing"), "{said}");
    assert!(said.contains("it is read only with --executor forked"), "{said}");
    // A whole command line may be tried.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "mine").unwrap();
    let out = folder.path().to_str().unwrap();
    let tried = ["--token", " Madrid", "--dry-run", "--out", out, "--force"];
    let said = printed(&[&pair[..], &tried].concat());
    assert!(said.contains("nothing was run, nothing written") && said.contains(out), "{said}");
    assert_eq!(files(folder.path()), ["mine"]);
    let said = with(&["--source", "The capital of Peru is"]);
    assert!(said.contains("--source is given 2 times, and 1 would be read"), "{said}");
    let said = with(&["--resume", "folder"]);
    assert!(said.contains("would change nothing in a sweep that is resumed"), "{said}");
    let said = refused(&["sweep", "--resume", "folder", "--out", "elsewhere"]);
    assert!(said.contains("--out would change nothing in a sweep that is resumed"), "{said}");
    let said = refused(&["generate", "--another-model", BASE]);
    assert!(said.contains("--another-model would change nothing in a generation"), "{said}");
    let said = refused(&["task", "capital", "--list"]);
    assert!(said.contains("NAME would change nothing in the list of tasks"), "{said}");
    let said = refused(&["task", "--model", "embedded"]);
    assert!(said.contains("--model would change nothing in the list of tasks"), "{said}");
}

/// Sources past the last that the plan's edits read, and sources for a plan that reads none.
#[test]
fn surplus_sources_of_a_plan() {
    let shared = shared();
    let plan = shared.path().join("plan.toml");
    let plan = plan.to_str().unwrap();
    let said = refused(&["generate", "--plan", plan, "--source", SOURCE, "--source", BASE, BASE]);
    assert!(said.contains("--source is given 2 times, and 1 would be read"), "{said}");
    let scaled = "[[edit]]\nintervention = { name = 'scaling', factor = 2.0 }\ncomponent = 'mlp_output'\nlayer = 1\n";
    let file = shared.path().join("scaled.toml");
    let with = |text: &str| fs::write(&file, format!("{text}\n{scaled}")).unwrap();
    let file = file.to_str().unwrap();
    with("");
    let said = refused(&["generate", "--plan", file, "--source", SOURCE, BASE]);
    assert!(
        said.contains("--source would change nothing") && said.contains("read sources"),
        "{said}"
    );
    with(&format!("[data]\nsources = ['{SOURCE}']"));
    let said = refused(&["generate", "--plan", file, BASE]);
    assert!(said.contains("`sources` in [data] of the plan would change nothing"), "{said}");
}

/// What a plan's sections say and the command does not read.
#[test]
fn sections_of_plans() {
    let shared = shared();
    let file = shared.path().join("sections.toml");
    let data = shared.path().join("capital.jsonl");
    let (plan, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let out = shared.path().join("out");
    let out = out.to_str().unwrap();
    let write = |text: &str, rest: &str| fs::write(&file, format!("{text}\n{rest}")).unwrap();
    let scaled = "[[edit]]\nintervention = { name = 'scaling', factor = 2.0 }\ncomponent = 'mlp_output'\nlayer = 1\n";
    for (section, key) in [
        ("[read]\npositions = 'last'", "`positions` in [read]"),
        ("[read]\nlogits_of = [1]", "`logits_of` in [read]"),
        ("[read]\nprobabilities_of = [1]", "`probabilities_of` in [read]"),
        ("[data]\npath = 'x.jsonl'", "`path` in [data]"),
        ("[data]\ntask = 'capital'", "`task` in [data]"),
        ("[data]\nrows = 3", "`rows` in [data]"),
        ("[data]\nseed = 3", "`seed` in [data]"),
    ] {
        write(section, scaled);
        let said = refused(&["generate", "--plan", plan, BASE]);
        assert!(
            said.contains(key) && said.contains(UNREAD) && said.contains("read only"),
            "{said}"
        );
    }
    // With [train] beside them they are what the plan is trained on.
    write("[train]\nepochs = 1\n[data]\npath = 'x.jsonl'\n[read]\noriginal = true", scaled);
    let both = printed(&["generate", "--plan", plan, "--max-new-tokens", "1", BASE]);
    assert!(both.contains("# original"), "{both}");
    write("[[collect]]\ncomponent = 'mlp_output'\nlayer = 0", scaled);
    printed(&["generate", "--plan", plan, "--max-new-tokens", "1", "--out", out, BASE]);
    assert!(shared.path().join("out/tokens.parquet").exists());
    fs::remove_dir_all(out).unwrap();

    let das = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
               intervention = { name = 'low_rank_rotated_space', rank = 4 }\n";
    for (section, key) in [
        ("[read]\nlogits_of = [1]", "`logits_of` in [read]"),
        ("[read]\noriginal = true", "`original` in [read]"),
        ("[[collect]]\ncomponent = 'mlp_output'\nlayer = 0", "[[collect]] of the plan"),
    ] {
        write(section, das);
        let said = refused(&["train", plan, "--data", data, "--out", out]);
        assert!(
            said.contains(key) && said.contains(UNREAD) && said.contains("read only"),
            "{said}"
        );
    }
    for (section, key) in [
        ("[data]\npath = 'capital.jsonl'\ntask = 'capital'", "`task` in [data]"),
        ("[data]\npath = 'capital.jsonl'\nseed = 3", "`seed` in [data]"),
        ("[data]\ntask = 'capital'\ncounterfactual = 'x'", "`counterfactual` in [data]"),
    ] {
        write(section, das);
        let said = refused(&["train", plan, "--out", out]);
        assert!(
            said.contains(key) && said.contains(UNREAD) && said.contains("read only"),
            "{said}"
        );
    }
    for key in ["boundary_penalty = 0.5", "annealing = [50.0, 0.1]"] {
        write(&format!("[train]\n{key}"), das);
        let said = refused(&["train", plan, "--data", data, "--out", out]);
        assert!(said.contains("in [train]") && said.contains(UNREAD), "{said}");
    }
    assert!(!Path::new(out).exists());
}

/// The order of examples may be left as it is; which rows are held out still follows the seed.
#[test]
fn a_seed_of_training_counts_without_shuffling() {
    let shared = shared();
    let trained = |seed: &str| {
        let plan = fs::read_to_string(shared.path().join("das.toml")).unwrap();
        let file = shared.path().join(format!("seed-{seed}.toml"));
        fs::write(&file, format!("{plan}shuffle = false\nseed = {seed}\n")).unwrap();
        let (data, out) = (shared.path().join("capital.jsonl"), shared.path().join(seed));
        let line = [&file, &data, &out].map(|path| path.to_str().unwrap().to_owned());
        printed(&["train", &line[0], "--data", &line[1], "--out", &line[2]]);
        fs::read(out.join("training.csv")).unwrap()
    };
    assert!(trained("1") != trained("2"));
}

/// `@FILE`, `-` and `@@`, wherever a prompt is given.
#[test]
fn prompts_from_files_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("base.txt"), format!("{BASE}\n")).unwrap();
    fs::write(folder.path().join("source.txt"), format!("{SOURCE}\r\n")).unwrap();
    let run = |arguments: &[&str], input: &str| {
        let mut command = crate::support::command();
        let command = command.current_dir(folder.path()).args(arguments).write_stdin(input);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    let ok = |arguments: &[&str], input: &str| {
        let (code, printed, said) = run(arguments, input);
        assert_eq!(code, Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&said));
        printed
    };
    assert_eq!(ok(&["top", "@base.txt"], ""), ok(&["top", BASE], ""));
    assert_eq!(
        ok(&["top", "-", "@source.txt"], &format!("{BASE}\n")),
        ok(&["top", BASE, SOURCE], "")
    );
    assert_eq!(ok(&["generate", "@base.txt"], ""), ok(&["generate", BASE], ""));
    assert!(ok(&["top", "-n", "1", "@@base.txt"], "").starts_with("@base.txt\n"));
    let sweep = |base: &str, source: &str| {
        let line = ["sweep", "--base", base, "--source", source, "--component", "mlp_output"];
        let more = ["--layers", "0", "--token", " Madrid", "--out", "swept", "--force"];
        ok(&[&line[..], &more].concat(), "");
        fs::read(folder.path().join("swept/sweep.csv")).unwrap()
    };
    assert_eq!(sweep("@base.txt", "@source.txt"), sweep(BASE, SOURCE));
    let collect = ["collect", "--component", "mlp_output", "--out", "a.safetensors", "@base.txt"];
    ok(&collect, "");
    for (line, phrase) in [
        (vec!["top", "@none.txt"], "written with @@"),
        (vec!["top", "-", "-"], "standard input is read once"),
        (vec!["generate", "@"], "@@"),
    ] {
        let (code, printed, said) = run(&line, "x");
        let said = String::from_utf8(said).unwrap();
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{line:?}");
        assert!(said.contains(phrase) && said.lines().count() == 1, "{said}");
    }
}
