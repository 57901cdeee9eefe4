//! What strangers wrote does not command the terminal it is printed on; pipes and files get every byte.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use crate::support::{printed, vene};

/// A colour, a title by C1, a bell, an order turned around, and what text may have.
const HOSTILE: &str = "\u{1b}[31mThe \u{9b}2J\u{7}capital \u{202e}of é Spain is";

/// What of it a terminal would obey.
const OBEYED: [&str; 4] = ["\u{1b}[31m", "\u{9b}", "\u{7}", "\u{202e}"];

/// What a command prints on a terminal, its errors included.
fn on_terminal(arguments: &[&str]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let vene = assert_cmd::cargo::cargo_bin("vene");
    let mut command = quoted(vene.to_str().unwrap());
    for argument in arguments {
        command.push(' ');
        command.push_str(&quoted(argument));
    }
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

#[track_caller]
fn is_harmless(text: &str) {
    for obeyed in OBEYED {
        assert!(!text.contains(obeyed), "{obeyed:?} in {text:?}");
    }
}

#[test]
fn a_prompt_is_shown_escaped_and_piped_as_it_is() {
    for arguments in [&["top", "-n", "2"][..], &["generate", "--max-new-tokens", "2"]] {
        let arguments = [arguments, &[HOSTILE]].concat();
        let shown = on_terminal(&arguments);
        is_harmless(&shown);
        assert!(
            shown.contains("\\u{1b}[31mThe \\u{9b}2J\\u{7}capital \\u{202e}of é Spain is"),
            "{shown:?}"
        );
        let piped = printed(&arguments);
        assert!(piped.contains(HOSTILE), "{piped:?}");
    }
}

#[test]
fn json_on_a_terminal_is_the_same_json() {
    let arguments = ["top", "-n", "2", "--json", HOSTILE];
    let shown = on_terminal(&arguments);
    is_harmless(&shown);
    let start = shown.find('[').unwrap();
    let start = shown[start..].find("[\n").map_or(start, |at| start + at);
    let end = shown.rfind(']').unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown[start..=end]).unwrap();
    let piped = printed(&arguments);
    assert!(piped.contains('\u{9b}') && piped.contains('\u{202e}'));
    assert_eq!(shown, serde_json::from_str::<serde_json::Value>(&piped).unwrap());
}

#[test]
fn names_of_files_and_texts_of_data_sets_are_shown_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join(format!("out{}", OBEYED.concat()));
    let out = out.to_str().unwrap();
    let shown = on_terminal(&["demo", "--out", out]);
    is_harmless(&shown);
    assert!(shown.contains("Written into") && shown.contains("out\\u{1b}[31m\\u{9b}"), "{shown:?}");
    assert!(printed(&["demo", "--force", "--out", out]).contains(out));

    let data = folder.path().join("rows.jsonl");
    let row = |base: &str, subject: &str| {
        serde_json::json!({ "base": base, "target": " Madrid", "foil": " Rome", "source": base, "subject": subject })
            .to_string()
    };
    // One that is used, one whose phrase is not in it, in whose message it stands.
    let rows = [row("The capital of Spain is", "Spain"), row(HOSTILE, &OBEYED.concat())];
    fs::write(&data, rows.join("\n")).unwrap();
    let sweep =
        ["sweep", "--data", data.to_str().unwrap(), "--component", "mlp_output", "--dry-run"];
    is_harmless(&on_terminal(&sweep));
    let output = vene(&["sweep", "--data", data.with_file_name(HOSTILE).to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    is_harmless(&said);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
}

#[test]
fn errors_and_warnings_have_colours_on_a_terminal() {
    let said = on_terminal(&["tpo"]);
    assert!(said.contains("\u{1b}[1m\u{1b}[91merror:\u{1b}[0m unrecognized"), "{said:?}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let line = ["--component", "mlp_output", "--token", "Madrid", "--dry-run"];
    let said = on_terminal(&crate::support::sweep(&out, &line));
    assert!(said.contains("\u{1b}[93mwarning:\u{1b}[0m `Madrid` has no"), "{said:?}");
}

#[test]
fn an_error_is_no_longer_than_can_be_read() {
    let long = format!("begin {} end", "very long ".repeat(5_000));
    for arguments in [
        vec!["top", "--model", &long, "x"],
        vec!["top", &long],
        vec![
            "sweep",
            "--base",
            "The capital of Spain is",
            "--component",
            &long,
            "--token",
            " Madrid",
        ],
        vec!["generate", "--plan", &long, "x"],
    ] {
        let output = vene(&arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.chars().count() < 2600, "{}", said.chars().count());
    }
    let output = vene(&["top", "--model", &long, "x"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("begin very") && said.contains("characters are left out"), "{said}");
}
