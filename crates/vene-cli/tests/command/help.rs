//! What the command says of itself, and how much: help, pages, completions, versions, `--quiet`, `--verbose`, colours.

use std::fs;

use crate::support::{BASE, command, files, printed, refused, sweep, vene};

#[test]
fn pages_are_in_the_binary() {
    for (topic, phrases) in [
        ("plans", ["[[edit]]", "from_layer"]),
        ("data", ["source_subject", "--counterfactual"]),
        ("metrics", ["`logit_difference`, `logit_diff`", "unedited run"]),
        ("components", ["mlp_output", "hook_resid_post"]),
        ("positions", ["subject_last", "after_NAME"]),
    ] {
        let page = printed(&["help", topic]);
        for phrase in phrases {
            assert!(page.contains(phrase), "{topic}: {phrase}");
        }
        for mark in ["\n```", "<!--", "](", "| --- |"] {
            assert!(!page.contains(mark), "{topic}: {mark}");
        }
    }
    let list = printed(&["help"]);
    assert!(list.contains("\n  positions ") && list.contains("\n  sweep "), "{list}");
}

#[test]
fn help_of_a_command_is_its_own() {
    assert_eq!(printed(&["help", "sweep"]), printed(&["sweep", "--help"]));
    assert_eq!(printed(&["help", "circuit", "edges"]), printed(&["circuit", "edges", "--help"]));
    let said = refused(&["help", "postions"]);
    assert!(said.contains("did you mean `positions`?"), "{said}");
    let said = refused(&["help", "circuit", "edgse"]);
    assert!(said.contains("did you mean `edges`?"), "{said}");
}

#[test]
fn completions_know_commands_and_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for word in ["sweep", "component", "circuit", "interchange"] {
            // elvish and PowerShell complete no values.
            let is_value = word == "interchange" && ["elvish", "powershell"].contains(&shell);
            assert!(is_value || script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn each_command_has_a_page_for_man() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    printed(&["man", out.to_str().unwrap()]);
    let names = files(&out);
    for name in ["vene.1", "vene-sweep.1", "vene-help.1", "vene-circuit-edges.1"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
    let page = fs::read_to_string(out.join("vene-sweep.1")).unwrap();
    assert!(page.contains(".TH vene-sweep 1"), "{page}");
    assert!(page.contains("\\-\\-noise\\-times"), "what -h leaves out is there");
}

#[test]
fn the_version_can_be_parsed() {
    let version = printed(&["--version"]);
    let pattern = r"^vene \d+\.\d+\.\d+( \(commit [0-9a-f]{7,}\))?\nprocessor: \S.*\n$";
    assert!(regex::Regex::new(pattern).unwrap().is_match(&version), "{version}");
    assert_eq!(printed(&["-V"]), version.lines().next().unwrap().to_owned() + "\n");
}

#[test]
fn quiet_is_what_was_asked_for_and_verbose_is_more() {
    let run = |more: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        // No leading space: warned of.
        let line = [&sweep(&out, &["--component", "mlp_output", "--token", "Madrid"])[..], more];
        let output = vene(&line.concat());
        assert!(output.status.success(), "{output:?}");
        assert!(files(&out).iter().any(|name| name == "sweep.csv"));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (usual, said) = run(&[]);
    assert!(usual.contains("What moves") && usual.contains("Written into"), "{usual}");
    assert!(said.contains("warning: `Madrid` has no leading space"), "{said}");
    assert!(!said.contains("took"), "{said}");

    let (quiet, said) = run(&["--quiet"]);
    assert!(quiet.contains("What moves") && !quiet.contains("Written into"), "{quiet}");
    assert_eq!(said, "");

    let (verbose, said) = run(&["--verbose"]);
    assert!(verbose.contains("What moves") && verbose.contains("Written into"), "{verbose}");
    for phrase in ["threads on", "opened embedded", "read the weights", "took"] {
        assert!(said.contains(phrase), "{phrase} in {said}");
    }
    let said = refused(&["--quiet", "--verbose", "top", BASE]);
    assert!(said.contains("cannot be used with"), "{said}");
}

#[test]
fn colours_are_for_terminals() {
    let said = |variables: &[(&str, &str)]| {
        let mut command = command();
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").arg("tpo");
        command.envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    assert!(said(&[]).starts_with("error: unrecognized"));
    let forced = said(&[("CLICOLOR_FORCE", "1")]);
    assert!(forced.starts_with("\u{1b}[1m\u{1b}[91merror:\u{1b}[0m unrecognized"), "{forced:?}");
    assert!(said(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).starts_with("error: "));
}
