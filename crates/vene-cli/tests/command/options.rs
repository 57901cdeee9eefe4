//! Nothing is taken and ignored: every option of every command, in every mode, gives another result or an error.
//!
//! Commands and options come from the command's own help, so that a new one cannot be forgotten here: it has no value
//! to be tried with, and the test says so.

mod apart;
mod walk;

use walk::{FORCE, IGNORE_KEY, MODEL, Tried, commands, walk};

const PROMPT: &str = "The~capital~of~Spain~is";
const PAIR: &str =
    "--base The~capital~of~Spain~is --source The~capital~of~Italy~is --token ~Madrid --out out";
const DATA: &str = "--data SHARED/rows.jsonl --resamples 60 --out out";

const SWEEP_VALUES: &[(&str, &[&str])] = &[
    ("--model", MODEL),
    ("--base", &["The capital of Peru is"]),
    ("--source", &["The capital of Japan is"]),
    ("--component", &["mlp_output"]),
    ("--layers", &["1"]),
    ("--heads", &["0"]),
    ("--positions", &["3", "after_subject"]),
    ("--subject", &["and"]),
    ("--source-subject", &["and"]),
    ("--subject-occurrence", &["1"]),
    ("--source-subject-occurrence", &["1"]),
    ("--unit", &["h.pos", "h"]),
    ("--intervention", &["addition"]),
    ("--factor", &["2"]),
    ("--noise-sd", &["1.5"]),
    ("--seed", &["1"]),
    ("--token", &[" Rome"]),
    ("--target", &[" Lima"]),
    ("--foil", &[" Lima"]),
    ("--data", &["SHARED/others.jsonl"]),
    ("--limit", &["3"]),
    ("--counterfactual", &["y"]),
    ("--metric", &["kl", "rank"]),
    ("--answers", &["first"]),
    ("--distinct-positions", &[""]),
    ("--direction", &["denoising", "both"]),
    ("--window", &["2", "3"]),
    ("--effect", &["direct"]),
    ("--draws", &["2"]),
    ("--mean-over", &["all"]),
    ("--noise-times", &["2"]),
    ("--corrupt", &["last"]),
    ("--control", &["self", "shuffled"]),
    ("--resamples", &["41"]),
    ("--correction", &["holm"]),
    ("--discovery", &["0.5"]),
    ("--together", &["groups"]),
    ("--bos", &["always"]),
    ("--precision", &["double"]),
    ("--dry-run", &[""]),
    ("--print-spec", &[""]),
    ("--json", &[""]),
    ("--out", &["elsewhere"]),
];

const SWEEP_APART: &[(&str, &str)] = &[
    IGNORE_KEY,
    FORCE,
    (
        "--executor",
        "both executors give the same numbers to rounding; that it is read is tried below",
    ),
    ("--memory", "the same bits in one pass or in many; that it is read or refused is tried below"),
    ("--resume", "a mode of its own, which is tried below"),
    ("--shard", "join.rs tries it"),
];

fn sweep(modes: &[(&'static str, String)]) -> Tried {
    Tried { name: "sweep", modes: modes.to_vec(), values: SWEEP_VALUES, apart: SWEEP_APART }
}

#[test]
fn of_sweeps() {
    let streams = "--component block_output --layers 2,3";
    let heads = "--component attention_value_output --layers 2,3";
    let phrases = "--base Spain~and~Spain~and --source Italy~and~Italy~and --token ~Madrid \
                   --positions subject_last --subject Spain --subject-occurrence 0 \
                   --source-subject Italy --source-subject-occurrence 0";
    let metric = "--base The~capital~of~Spain~is --source The~capital~of~Italy~is \
                  --metric logit_difference --target ~Madrid~and --foil ~Rome~and";
    let two = "--positions subject_last,last";
    let many = DATA.replace("rows.jsonl", "capital.jsonl");
    walk(&sweep(&[
        ("interchange", format!("{PAIR} {streams}")),
        ("zero", format!("{PAIR} {streams} --intervention zero")),
        ("scaling", format!("{PAIR} {streams} --intervention scaling --factor 0.5")),
        ("noise", format!("{PAIR} {streams} --intervention noise --noise-sd 0.5")),
        ("heads", format!("{PAIR} {heads} --unit h")),
        ("heads at positions", format!("{PAIR} {heads} --unit h.pos --positions last")),
        ("phrases", format!("{phrases} {streams}")),
        ("metric", format!("{metric} {streams}")),
        ("over data", format!("{DATA} {streams} {two}")),
        ("mean", format!("{DATA} {streams} {two} --intervention mean")),
        ("resample", format!("{DATA} {streams} {two} --intervention resample")),
        ("noise over data", format!("{DATA} {streams} --intervention noise --noise-sd 0.5")),
        (
            "restore",
            format!("{DATA} {streams} --intervention restore --noise-sd 0.5 --corrupt subject"),
        ),
        (
            "times",
            format!("{DATA} {streams} --intervention restore --noise-times 3 --corrupt subject"),
        ),
        ("scaling over data", format!("{DATA} {streams} --intervention scaling --factor 0.5")),
        ("heads over data", format!("{DATA} {heads} --unit h --intervention mean")),
        ("without layers", format!("{DATA} --component logits,embedding {two}")),
        // Of few rows, which stay together, any share is the same.
        ("discovery", format!("{many} {streams} --discovery 0.4")),
        ("counterfactuals", format!("--data SHARED/mib.jsonl {streams} --counterfactual x")),
    ]));
}

#[test]
fn of_generate() {
    walk(&Tried {
        name: "generate",
        modes: vec![
            ("likeliest", format!("--json {PROMPT}")),
            ("drawn", format!("--json --max-new-tokens 12 --temperature 2 --seed 1 {PROMPT}")),
            (
                "plan",
                format!("--json --plan SHARED/plan.toml --source The~capital~of~Italy~is {PROMPT}"),
            ),
            (
                "roles",
                format!(
                    "--json --plan SHARED/roles.toml --source The~capital~of~Italy~is --span subject=Spain \
                     --source-span subject=Italy {PROMPT}"
                ),
            ),
            ("folder", format!("--out out --collect block_output --layers 1,2 {PROMPT}")),
        ],
        values: &[
            ("--model", MODEL),
            ("--max-new-tokens", &["2"]),
            ("--temperature", &["3"]),
            ("--top-k", &["3"]),
            ("--top-p", &["0.9"]),
            ("--min-p", &["0.2"]),
            ("--repetition-penalty", &["1.9"]),
            ("--stop", &[" "]),
            ("--seed", &["3"]),
            ("--num-samples", &["2"]),
            ("--plan", &["SHARED/later.toml"]),
            ("--set", &["edit.0.layer=6"]),
            ("--source", &["The capital of Japan is"]),
            ("--span", &["subject=capital"]),
            ("--source-span", &["subject=capital"]),
            ("--with-original", &[""]),
            ("--print-spec", &[""]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
            ("--collect", &["mlp_output"]),
            ("--layers", &["2"]),
            ("--out", &["elsewhere"]),
        ],
        apart: &[
            IGNORE_KEY,
            FORCE,
            (
                "--top-logprobs",
                "of a folder it is told in run.json, which has times too; chat.rs has it",
            ),
            (
                "--as-configured",
                "it changes nothing unless the model's files ask for something; chat.rs has it",
            ),
            (
                "--memory",
                "the same texts in one group of prompts or in many; generation's own tests have it",
            ),
            (
                "--another-model",
                "without it such a plan is refused, which leaves nothing to compare with: generate.rs tries it",
            ),
        ],
    });
}

#[test]
fn of_train() {
    walk(&Tried {
        name: "train",
        modes: vec![("data", "SHARED/das.toml --data SHARED/capital.jsonl --out out".to_owned())],
        values: &[
            ("--model", MODEL),
            ("--data", &["SHARED/capital-2.jsonl"]),
            ("--limit", &["10"]),
            ("--together", &["groups"]),
            ("--set", &["train.seed=3"]),
            ("--out", &["elsewhere"]),
            ("--print-spec", &[""]),
            ("--json", &[""]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
        ],
        apart: &[
            FORCE,
            IGNORE_KEY,
            ("--memory", "the same to rounding in parts of a batch; training's own tests have it"),
            ("--shard", "train_grid.rs tries it"),
            ("--resume", "train.rs has it: there must be a training to go on with"),
            (
                "--another-model",
                "without it such a plan is refused, which leaves nothing to compare with: train.rs tries it",
            ),
        ],
    });
}

const ANOTHER_MODEL: (&str, &str) = (
    "--another-model",
    "without it such a plan is refused, which leaves nothing to compare with: run.rs tries it",
);

const RUN_VALUES: &[(&str, &[&str])] = &[
    ("--model", MODEL),
    ("--data", &["SHARED/others.jsonl"]),
    ("--limit", &["3"]),
    ("--counterfactual", &["y"]),
    ("--metric", &["kl", "rank"]),
    ("--answers", &["first"]),
    ("--resamples", &["41"]),
    ("--correction", &["holm"]),
    ("--seed", &["1"]),
    ("--set", &["grid.l=[3]"]),
    ("--bos", &["always"]),
    ("--precision", &["double"]),
    ("--dry-run", &[""]),
    ("--print-spec", &[""]),
    ("--json", &[""]),
    ("--out", &["elsewhere"]),
];

const RUN_APART: &[(&str, &str)] = &[
    IGNORE_KEY,
    FORCE,
    ANOTHER_MODEL,
    ("--executor", "both executors give the same numbers to rounding; run.rs tries it"),
    ("--memory", "the same bits in one pass or in many; run.rs tries it"),
    ("--resume", "a mode of its own, which run.rs tries"),
    ("--shard", "join.rs tries it"),
];

#[test]
fn of_run() {
    let out = "--model embedded --out out --resamples 60";
    walk(&Tried {
        name: "run",
        modes: vec![
            ("rows", format!("SHARED/grid.toml --data SHARED/rows.jsonl {out}")),
            (
                "counterfactuals",
                format!("SHARED/last.toml --data SHARED/mib.jsonl --counterfactual x {out}"),
            ),
        ],
        values: RUN_VALUES,
        apart: RUN_APART,
    });
}

#[test]
fn of_evaluate() {
    let values: Vec<(&str, &[&str])> = RUN_VALUES
        .iter()
        .map(|(name, values)| match *name {
            // One trained plan has no grid, and is another model's.
            "--set" => ("--set", &["edit.0.positions=last"][..]),
            "--data" => ("--data", &["SHARED/capital-2.jsonl"][..]),
            "--limit" => ("--limit", &["10"][..]),
            "--answers" => ("--answers", &["whole"][..]),
            _ => (*name, *values),
        })
        .filter(|(name, _)| !["--counterfactual", "--model"].contains(name))
        .collect();
    let more = [
        ("--counterfactual", "as of `vene run`"),
        ("--model", "what was trained on one is refused on another; run.rs tries it"),
    ];
    let apart = [RUN_APART, &more].concat();
    walk(&Tried {
        name: "evaluate",
        modes: vec![(
            "rows",
            "SHARED/das --data SHARED/capital.jsonl --out out --resamples 60".to_owned(),
        )],
        values: values.leak(),
        apart: apart.leak(),
    });
}

#[test]
fn of_the_others() {
    walk(&Tried {
        name: "top",
        modes: vec![
            // Five digits are the same in double precision.
            ("text", format!("--json {PROMPT}")),
            (
                "plan",
                format!(
                    "--json --plan SHARED/roles.toml --source The~capital~of~Italy~is --span subject=Spain \
                         --source-span subject=Italy {PROMPT}"
                ),
            ),
        ],
        values: &[
            ("--model", MODEL),
            ("--count", &["3"]),
            ("--plan", &["SHARED/scaled.toml"]),
            ("--set", &["edit.0.layer=6"]),
            ("--source", &["A capital of Italy is"]),
            ("--span", &["subject=capital"]),
            ("--source-span", &["subject=capital"]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
        ],
        apart: &[IGNORE_KEY, ANOTHER_MODEL],
    });
    look_inside();
    walk(&Tried {
        name: "collect",
        modes: vec![
            (
                "file",
                format!("--component mlp_output --layers 0,1 --out x.safetensors {PROMPT}"),
            ),
            (
                "rows",
                "--component mlp_output --layers 0,1 --positions last --out x.safetensors --model embedded \
                 --data SHARED/rows.jsonl"
                    .to_owned(),
            ),
            (
                "roles",
                format!("--plan SHARED/collected.toml --span subject=Spain --source The~capital~of~Italy~is --source-span subject=Italy --out x.safetensors --model embedded {PROMPT}"),
            ),
            (
                "prompts",
                "--component mlp_output --layers 0,1 --positions last --out x.safetensors --model embedded                  --prompts SHARED/prompts.txt"
                    .to_owned(),
            ),
            (
                "folder",
                "--component mlp_output --layers 0,1 --positions last --out out --model embedded --data SHARED/rows.jsonl"
                    .to_owned(),
            ),
        ],
        values: &[
            ("--model", MODEL),
            ("--component", &["block_output"]),
            ("--layers", &["1"]),
            ("--positions", &["0"]),
            ("--data", &["SHARED/others.jsonl"]),
            ("--limit", &["3"]),
            ("--prompts", &["SHARED/prompts.txt", "SHARED/others.txt"]),
            ("--plan", &["SHARED/scaled.toml"]),
            ("--set", &["edit.0.layer=6"]),
            ("--pad", &[""]),
            ("--print-spec", &[""]),
            ("--span", &["subject=capital"]),
            ("--source", &["A capital of Italy is"]),
            ("--source-span", &["subject=capital"]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--shard", &["1/2"]),
            ("--json", &[""]),
            ("--out", &["y.safetensors", "y.npz", "y"]),
        ],
        apart: &[
            FORCE,
            IGNORE_KEY,
            ANOTHER_MODEL,
            ("--memory", "the same bits in one pass or in many"),
        ],
    });
    walk(&Tried {
        name: "task",
        modes: vec![
            ("list", String::new()),
            ("rows", "capital --count 4".to_owned()),
            ("file", "capital --count 4 --out x.jsonl".to_owned()),
        ],
        values: &[
            ("--count", &["5"]),
            ("--seed", &["2"]),
            ("--out", &["y.jsonl", "y.csv"]),
            ("--json", &[""]),
        ],
        apart: &[
            IGNORE_KEY,
            FORCE,
            ("--list", "what is done without NAME anyway; with one it is tried below"),
            (
                "--model",
                "rows depend on the tokenizer alone; that it is refused in the list is tried below",
            ),
        ],
    });
    walk(&Tried {
        name: "join",
        modes: vec![("shards", "SHARED/part-1 SHARED/part-2 --out out".to_owned())],
        values: &[("--json", &[""]), ("--out", &["elsewhere"])],
        apart: &[FORCE],
    });
    walk(&Tried {
        name: "sites",
        modes: vec![("text", String::new()), ("Markdown", "--markdown".to_owned())],
        values: &[("--model", MODEL), ("--json", &[""]), ("--markdown", &[""])],
        apart: &[IGNORE_KEY],
    });
    walk(&Tried {
        name: "interventions",
        modes: vec![("text", String::new()), ("Markdown", "--markdown".to_owned())],
        values: &[("--json", &[""]), ("--markdown", &[""])],
        apart: &[],
    });
    walk(&Tried {
        name: "models",
        modes: vec![("text", String::new())],
        values: &[("--json", &[""])],
        apart: &[],
    });
    walk(&Tried {
        name: "demo",
        modes: vec![("demo", "--out out".to_owned())],
        values: &[("--out", &["elsewhere"])],
        apart: &[FORCE],
    });
}

/// The commands that look inside a model.
fn look_inside() {
    let rows = "--data SHARED/rows.jsonl --resamples 60 --out out";
    let plan = "--plan SHARED/roles.toml";
    walk(&Tried {
        name: "lens",
        modes: vec![
            ("prompt", format!("--out out {PROMPT}")),
            (
                "plan",
                format!(
                    "{plan} --source The~capital~of~Italy~is --span subject=Spain --source-span subject=Italy \
                     --out out {PROMPT}"
                ),
            ),
            ("rows", rows.to_owned()),
            ("plan over rows", format!("{plan} {rows}")),
        ],
        values: &[
            ("--model", MODEL),
            ("--data", &["SHARED/others.jsonl"]),
            ("--limit", &["3"]),
            ("--resamples", &["41"]),
            ("--positions", &["0"]),
            ("--token", &[" Rome"]),
            ("--count", &["3"]),
            ("--plan", &["SHARED/scaled.toml"]),
            ("--set", &["edit.0.layer=6"]),
            ("--source", &["A capital of Italy is"]),
            ("--span", &["subject=capital"]),
            ("--source-span", &["subject=capital"]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
            ("--out", &["elsewhere"]),
        ],
        apart: &[IGNORE_KEY, ANOTHER_MODEL, FORCE],
    });
    walk(&Tried {
        name: "attribute",
        modes: vec![
            ("likeliest", format!("--out out {PROMPT}")),
            ("difference", format!("--token ~Madrid --foil ~Rome --out out {PROMPT}")),
            ("rows", rows.to_owned()),
        ],
        values: &[
            ("--model", MODEL),
            ("--data", &["SHARED/others.jsonl"]),
            ("--limit", &["3"]),
            ("--resamples", &["41"]),
            ("--positions", &["0"]),
            ("--token", &[" Tokyo"]),
            ("--foil", &[" Lima"]),
            ("--direct", &[""]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
            ("--out", &["elsewhere"]),
        ],
        apart: &[IGNORE_KEY, FORCE],
    });
    walk(&Tried {
        name: "attention",
        modes: vec![("prompt", format!("--out out {PROMPT}")), ("rows", rows.to_owned())],
        values: &[
            ("--model", MODEL),
            ("--data", &["SHARED/others.jsonl"]),
            ("--limit", &["3"]),
            ("--resamples", &["41"]),
            ("--layers", &["1"]),
            ("--heads", &["0"]),
            ("--bos", &["always"]),
            ("--precision", &["double"]),
            ("--json", &[""]),
            ("--out", &["elsewhere"]),
        ],
        apart: &[IGNORE_KEY, FORCE],
    });
    walk(&Tried {
        name: "weights",
        modes: vec![
            ("list", String::new()),
            ("file", "--name layers.0.query.weight --out x.safetensors".to_owned()),
            ("compositions", "--composition key --out x.csv".to_owned()),
        ],
        values: &[
            ("--model", MODEL),
            ("--name", &["layers.1.*"]),
            ("--composition", &["query"]),
            ("--copying", &[""]),
            ("--json", &[""]),
            ("--out", &["y.safetensors", "y.csv"]),
        ],
        apart: &[IGNORE_KEY, FORCE],
    });
}

#[test]
fn no_command_is_forgotten_here() {
    let here = [
        "attention",
        "attribute",
        // Its own options: circuit.rs.
        "circuit",
        "collect",
        // It has no options: help.rs.
        "completions",
        "demo",
        // Its own options: direction.rs.
        "direction",
        "evaluate",
        "generate",
        "interventions",
        "join",
        "lens",
        // Likewise.
        "man",
        "models",
        "run",
        "sites",
        "sweep",
        "task",
        "top",
        "train",
        "weights",
    ];
    assert_eq!(commands(), here.map(str::to_owned).into());
}
