//! `vene circuit`: the graph, and edges over a data set; resumed, in shards, refused.

use std::fs;
use std::path::Path;

use serde_json::Value;
use vene_table::Table;

use crate::support::{command, files, printed, refused};

/// Two rows of one length and one that is not.
fn rows(folder: &Path) -> String {
    let row = |base: &str, source: &str, target: &str, foil: &str| {
        format!(
            "{{\"base\":\"The capital of {base} is\",\"source\":\"The capital of {source} is\",\
             \"target\":\" {target}\",\"foil\":\" {foil}\",\"group\":\"{base}\"}}\n"
        )
    };
    let path = folder.join("rows.jsonl");
    let text = row("Spain", "Italy", "Madrid", "Rome") + &row("Japan", "Peru", "Tokyo", "Lima");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A run over the rows, of few edges.
fn run(data: &str, out: &Path, more: &[&str]) -> String {
    let few = ["--senders", "m0,a1.h0,input", "--receivers", "m4,a5.h1<q>,logits"];
    let line = ["circuit", "edges", "--data", data, "--resamples", "50"];
    printed(&[&line, &few[..], &["--out", out.to_str().unwrap()], more].concat())
}

#[test]
fn a_graph_is_counted_and_listed() {
    let counted: Value = serde_json::from_str(&printed(&["circuit", "graph", "--json"])).unwrap();
    let listed = printed(&["circuit", "graph", "--edges"]);
    assert_eq!(counted["edges"], listed.lines().count());
    for edge in ["input->a0.h0<q>", "a0.h1->m0", "m0->logits"] {
        assert!(listed.lines().any(|line| line == edge), "{edge}");
    }
}

#[test]
fn edges_are_measured_in_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (rows(folder.path()), folder.path().join("edges"));
    let said = run(&data, &out, &[]);
    assert!(said.contains("in 2 rows") && said.contains("input -> logits"), "{said}");
    assert_eq!(
        files(&out),
        ["edges.csv", "edges.parquet", "edges.png", "edges.svg", "examples.parquet", "run.json"]
    );
    let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
    let (sender, receiver) = (examples.text("sender").unwrap(), examples.text("receiver").unwrap());
    assert_eq!(examples.rows(), 2 * 9);
    let (value, base) = (examples.floats("value").unwrap(), examples.floats("base_value").unwrap());
    let effect = examples.floats("effect").unwrap();
    for row in 0..examples.rows() {
        assert!((value[row] - base[row] - effect[row]).abs() < 1e-9);
    }
    // The last token is the same in base and source, so that its embedding carries nothing to the logits.
    let is_same = |row: &usize| sender[*row] == "input" && receiver[*row] == "logits";
    assert!((0..examples.rows()).filter(is_same).all(|row| effect[row] == 0.0));
    assert!(effect.iter().any(|effect| effect.abs() > 1e-3), "{effect:?}");
    let edges = Table::read_parquet(out.join("edges.parquet")).unwrap();
    assert_eq!((edges.rows(), edges.text("graph").unwrap()[0]), (9, "grouped"));
    // The mean of the two examples.
    let (name, mean) = (edges.text("sender").unwrap(), edges.optional_floats("mean").unwrap());
    let to = edges.text("receiver").unwrap();
    for line in 0..edges.rows() {
        let of = |row: &usize| sender[*row] == name[line] && receiver[*row] == to[line];
        let sum: f64 = (0..examples.rows()).filter(of).map(|row| effect[row]).sum();
        assert!((mean[line].unwrap() - sum / 2.0).abs() < 1e-12);
    }
}

#[test]
fn the_record_of_a_run_gives_the_same_bytes_again_and_so_do_shards() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (rows(folder.path()), folder.path().join("whole"));
    run(&data, &out, &[]);
    let again = folder.path().join("again");
    let record = out.join("run.json");
    printed(&["run", record.to_str().unwrap(), "--out", again.to_str().unwrap()]);
    let shards: Vec<String> = ["1/2", "2/2"]
        .iter()
        .map(|shard| {
            let out = folder.path().join(shard.replace('/', "-"));
            run(&data, &out, &["--shard", shard]);
            out.to_str().unwrap().to_owned()
        })
        .collect();
    let joined = folder.path().join("joined");
    printed(&["join", &shards[0], &shards[1], "--out", joined.to_str().unwrap()]);
    for other in [&again, &joined] {
        for file in ["edges.csv", "edges.svg"] {
            let bytes = |folder: &Path| fs::read(folder.join(file)).unwrap();
            assert!(bytes(other) == bytes(&out), "{}, {file}", other.display());
        }
        let read = |folder: &Path| Table::read_parquet(folder.join("examples.parquet")).unwrap();
        assert_eq!(read(other).floats("effect").unwrap(), read(&out).floats("effect").unwrap());
    }
}

#[test]
fn gradients_score_all_edges_and_other_options_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (rows(folder.path()), folder.path().join("edges"));
    let out = out.to_str().unwrap();
    let line = ["circuit", "edges", "--data", &data, "--out", out, "--resamples", "50"];
    printed(&[&line[..], &["--method", "eap"]].concat());
    let edges = Table::read_parquet(Path::new(out).join("edges.parquet")).unwrap();
    assert_eq!(edges.text("method").unwrap()[0], "eap");
    let refused = |more: &[&str]| refused(&[&line[..], &["--force"], more].concat());
    for (more, part) in [
        (&["--method", "eap", "--norm", "frozen"][..], "--norm"),
        (&["--steps", "3"], "--steps"),
        (&["--senders", "a99.h0"], "no a99.h0"),
        (&["--senders", "a1.q0"], "`a1.q0`"),
        (&["--receivers", "m0->m1"], "`m0->m1`"),
        (&["--positions", "all,all"], "named twice"),
        (&["--positions", "subject_last"], "subject"),
        (&["--metric", "accuracy", "--method", "eap"], "no gradient"),
        (&["--graph", "grouped", "--positions", "nowhere"], "nowhere"),
    ] {
        let said = refused(more);
        assert!(said.contains(part), "{more:?}: {said}");
    }
}

#[test]
fn rows_that_cannot_be_used_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows(folder.path());
    // Its source is longer than its base.
    let longer = "{\"base\":\"The capital of Spain is\",\"source\":\"In fact the capital of Italy is\",\
                  \"target\":\" Madrid\",\"foil\":\" Rome\"}\n";
    fs::write(&data, fs::read_to_string(&data).unwrap() + longer).unwrap();
    let line = ["circuit", "edges", "--data", &data, "--dry-run"];
    let output = command().args(line).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("left out") && said.contains("row 2"),
        "{said}"
    );
}

#[test]
fn what_is_read_is_said_where_nothing_is_given() {
    let output = command().args(["circuit", "edges"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("--data"), "{said}");
}

#[test]
fn paths_are_measured_resumed_and_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (rows(folder.path()), folder.path().join("paths"));
    let line = ["circuit", "paths", "--data", &data, "--resamples", "50", "--positions", "last"];
    let to = |receivers: &'static str, name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let line = [&line[..], &["--receivers", receivers, "--out", out.to_str().unwrap()], more];
        printed(&line.concat());
        Table::read_parquet(out.join("paths.parquet")).unwrap()
    };
    let logits = to("logits", "paths", &[]);
    assert_eq!(
        files(&out),
        ["examples.parquet", "paths.csv", "paths.parquet", "paths.png", "paths.svg", "run.json"]
    );
    // Every head, each by itself.
    let heads: std::collections::HashSet<&str> =
        logits.text("sender").unwrap().into_iter().collect();
    assert_eq!((heads.len(), logits.rows()), (32, 32));
    // The same as the edge, which is measured in another way.
    let edges = folder.path().join("edges");
    let senders = ["--senders", "a6.h3", "--receivers", "logits", "--positions", "last"];
    printed(
        &[
            &["circuit", "edges", "--data", &data][..],
            &senders,
            &["--out", edges.to_str().unwrap()],
        ]
        .concat(),
    );
    let edge = Table::read_parquet(edges.join("edges.parquet")).unwrap();
    let place = logits.text("sender").unwrap().iter().position(|name| *name == "a6.h3").unwrap();
    let (path, edge) =
        (logits.optional_floats("mean").unwrap()[place], edge.optional_floats("mean").unwrap()[0]);
    assert!((path.unwrap() - edge.unwrap()).abs() < 1e-6 && path.unwrap().abs() > 1e-3);
    let through = to("m7", "through", &["--senders", "a5.h0", "--through", "mlps"]);
    let direct = to("m7", "directly", &["--senders", "a5.h0"]);
    assert_eq!(through.text("through").unwrap(), ["mlps"]);
    assert_ne!(through.optional_floats("mean").unwrap(), direct.optional_floats("mean").unwrap());
    let together = to("m4,logits", "together", &["--senders", "mlps,input", "--together"]);
    assert_eq!(together.text("sender").unwrap(), ["mlps+input"]);
    assert_eq!(together.text("receiver").unwrap(), ["m4+logits"]);
    let again = folder.path().join("again");
    let record = out.join("run.json");
    printed(&["run", record.to_str().unwrap(), "--out", again.to_str().unwrap()]);
    for file in ["paths.csv", "paths.svg"] {
        assert!(fs::read(again.join(file)).unwrap() == fs::read(out.join(file)).unwrap(), "{file}");
    }
    for (more, part) in [
        (&["--receivers", "a0.h0<q>", "--senders", "m4"][..], "no receiver reads m4"),
        (&["--receivers", "a99.h0<q>"], "a99.h0<q>"),
        (&["--receivers", "m4", "--through", "walls"], "walls"),
        (&[], "--receivers"),
    ] {
        let said = refused(&[&line[..], more].concat());
        assert!(said.contains(part), "{more:?}: {said}");
    }
}

#[test]
fn circuits_are_run_by_themselves_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let of = ["--data", &data, "--resamples", "50"];
    printed(
        &[&["circuit", "edges", "--method", "eap-ig"][..], &of, &["--out", &path("scored")]]
            .concat(),
    );
    let curve = |edges: &str, out: &str, more: &[&str]| {
        let line = ["circuit", "faithfulness", "--edges", &path(edges), "--out", &path(out)];
        let said = printed(&[&line[..], &of, more].concat());
        (said, Table::read_parquet(folder.path().join(out).join("faithfulness.parquet")).unwrap())
    };
    let (said, table) = curve("scored", "curve", &["--shares", "0.02,0.2,1"]);
    assert!(said.contains("CPR") && said.contains("1.000 [1.000, 1.000]"), "{said}");
    let (role, share) = (table.text("role").unwrap(), table.floats("share").unwrap());
    let found = table.optional_floats("faithfulness").unwrap();
    let value = |wanted: &str, of: f64| {
        found[(0..table.rows()).find(|&row| role[row] == wanted && share[row] == of).unwrap()]
            .unwrap()
    };
    assert!((value("circuit", 1.0) - 1.0).abs() < 1e-4 && value("complement", 1.0).abs() < 1e-4);
    assert!((value("self_swap", 0.02) - 1.0).abs() < 1e-4);
    assert!(value("circuit", 0.2) > 0.8 && value("complement", 0.2) < 0.2);
    let areas = Table::read_parquet(folder.path().join("curve/areas.parquet")).unwrap();
    assert_eq!(areas.rows(), 4);
    // The same circuit from its files.
    for file in ["circuit.json", "circuit.graphml"] {
        let line = ["circuit", "save", "--edges", &path("scored"), "--share", "0.2"];
        let said = printed(&[&line[..], &["--out", &path(file)]].concat());
        let (_, alone) = curve(file, &format!("of-{file}"), &[]);
        let circuit =
            alone.text("role").unwrap().iter().position(|role| *role == "circuit").unwrap();
        let found = alone.optional_floats("faithfulness").unwrap()[circuit].unwrap();
        assert!((found - value("circuit", 0.2)).abs() < 1e-6, "{file}: {found}");
        assert!(said.starts_with(&alone.integers("edges").unwrap()[circuit].to_string()), "{said}");
    }
    let shards: Vec<String> = ["1/2", "2/2"]
        .iter()
        .map(|shard| {
            let out = shard.replace('/', "-");
            curve("scored", &out, &["--shares", "0.02,0.2,1", "--shard", shard]);
            path(&out)
        })
        .collect();
    printed(&["join", &shards[0], &shards[1], "--out", &path("joined")]);
    for file in ["faithfulness.csv", "areas.csv", "faithfulness.svg"] {
        let bytes = |run: &str| fs::read(folder.path().join(run).join(file)).unwrap();
        assert!(bytes("joined") == bytes("curve"), "{file}");
    }
    printed(
        &[&["circuit", "edges", "--method", "eap"][..], &of, &["--out", &path("again")]].concat(),
    );
    // What is no table of edges.
    let changed = folder.path().join("scored/edges.parquet");
    fs::copy(folder.path().join("scored/examples.parquet"), &changed).unwrap();
    let said = refused(&[
        "circuit",
        "faithfulness",
        "--edges",
        &path("scored"),
        "--data",
        &data,
        "--out",
        &path("other"),
    ]);
    assert!(said.contains("edges.parquet"), "{said}");
    for (more, part) in [
        (&["--shares", "0.5,0.1"][..], "larger than the one before"),
        (&["--shares", "few"], "`few`"),
        (&["--rank", "signed"], "as it is"),
        (&["--by-metric", "kl"], "--by-metric"),
        (&["--random", "0", "--shares", "2"], "from 0 to 1"),
    ] {
        let edges =
            if part == "as it is" || part == "--by-metric" { "circuit.json" } else { "again" };
        let line = ["circuit", "faithfulness", "--edges", &path(edges), "--data", &data];
        let said = refused(&[&line[..], &["--out", &path("refused")], more].concat());
        assert!(said.contains(part), "{more:?}: {said}");
    }
}

#[test]
fn pairs_of_heads_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let line =
        ["circuit", "pairs", "--data", &data, "--heads", "a5.h0,a6.h3,a7.h2", "--resamples", "50"];
    let said = printed(&[&line[..], &["--shapley", "4", "--out", &path("pairs")]].concat());
    assert!(said.contains("a5.h0 + a6.h3") && said.contains("Shapley values"), "{said}");
    let read =
        |run: &str, file: &str| Table::read_parquet(folder.path().join(run).join(file)).unwrap();
    let (pairs, heads) = (read("pairs", "pairs.parquet"), read("pairs", "heads.parquet"));
    assert_eq!((pairs.rows(), heads.rows()), (3, 3));
    let examples = read("pairs", "examples.parquet");
    assert_eq!(examples.rows(), 2 * (3 + 3 + 3));
    // In each row the effect of both is the sum of each one's and of the interaction.
    let effect = |example: usize, first: &str, second: Option<&str>, term: &str| {
        let row = (0..examples.rows()).find(|&row| {
            examples.integers("example").unwrap()[row] == example as i64
                && examples.text("first").unwrap()[row] == first
                && examples.optional_text("second").unwrap()[row] == second
                && examples.text("term").unwrap()[row] == term
        });
        let row = row.unwrap();
        (
            examples.floats("effect").unwrap()[row],
            examples.optional_floats("interaction").unwrap()[row],
        )
    };
    for example in 0..2 {
        let (both, interaction) = effect(example, "a5.h0", Some("a6.h3"), "pair");
        let alone =
            effect(example, "a5.h0", None, "single").0 + effect(example, "a6.h3", None, "single").0;
        assert!((both - alone - interaction.unwrap()).abs() < 1e-9);
    }
    let of_shards: Vec<String> = ["1/2", "2/2"]
        .iter()
        .map(|shard| {
            let out = path(&shard.replace('/', "-"));
            printed(&[&line[..], &["--shapley", "4", "--shard", shard, "--out", &out]].concat());
            out
        })
        .collect();
    printed(&["join", &of_shards[0], &of_shards[1], "--out", &path("joined")]);
    for file in ["examples.parquet", "pairs.csv", "heads.csv", "heads.svg"] {
        let bytes = |run: &str| fs::read(folder.path().join(run).join(file)).unwrap();
        assert!(bytes("joined") == bytes("pairs"), "{file}");
    }
    for (more, part) in [
        (&["--heads", "a5.h0"][..], "fewer than two heads"),
        (&["--heads", "m5,a5.h0"], "m5"),
        (&["--heads", "a99.h0,a5.h0"], "a99.h0"),
        (&["--positions", "object"], "object"),
    ] {
        let line = ["circuit", "pairs", "--data", &data];
        let said = refused(&[&line[..], more].concat());
        assert!(said.contains(part), "{more:?}: {said}");
    }
}

/// Capitals in two templates of one length.
fn rows_that_agree(folder: &Path) -> String {
    let mut text = String::new();
    for (country, city) in [("Spain", "Madrid"), ("Italy", "Rome"), ("Japan", "Tokyo")] {
        for template in ["The old capital of X is", "The new capital of X is"] {
            let base = template.replace('X', country);
            text += &format!(
                "{{\"base\": \"{base}\", \"target\": \" {city}\", \"subject\": \"{country}\", \"group\": \"{template}\"}}\n"
            );
        }
    }
    let path = folder.join("rows.jsonl");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_model_is_scrubbed_by_hypotheses() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows_that_agree(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let hypothesis = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        path(name)
    };
    let whole = hypothesis(
        "whole.toml",
        "logits = ['all']\n[nodes.all]\nsenders = ['rest']\nagrees = ['tokens']\n",
    );
    let nothing = hypothesis("nothing.json", r#"{"logits": []}"#);
    let movers = hypothesis(
        "movers.toml",
        "logits = ['movers', 'rest']\nbaseline = ['rest']\n\
         [nodes.movers]\nsenders = ['a5.h0', 'a6.h3']\nagrees = ['subject']\nquery = []\nvalue = ['early']\n\
         [nodes.early]\nsenders = ['input', 'm0']\nagrees = ['token']\n\
         [nodes.rest]\nsenders = ['rest']\nagrees = ['tokens']\n",
    );
    let line = ["circuit", "scrub", "--data", &data, "--hypothesis", &whole, "--hypothesis"];
    let line = [&line[..], &[&nothing, "--hypothesis", &movers, "--resamples", "50"]].concat();
    let said = printed(&[&line[..], &["--draws", "4", "--out", &path("out")]].concat());
    assert!(said.contains("whole") && said.contains("always the row itself"), "{said}");
    let read =
        |run: &str, file: &str| Table::read_parquet(folder.path().join(run).join(file)).unwrap();
    let table = read("out", "recovered.parquet");
    assert_eq!(table.text("hypothesis").unwrap(), ["whole", "nothing", "movers"]);
    assert_eq!(table.text("metric").unwrap(), ["log_probability"; 3]);
    assert_eq!(table.integers("runs").unwrap(), [24; 3]);
    let mean = |column: &str| table.floats(column).unwrap().to_vec();
    let (found, base) = (mean("mean_value"), mean("mean_base_value"));
    assert!((found[0] - base[0]).abs() < 1e-4, "{found:?} {base:?}");
    assert!((found[1] - mean("mean_baseline_value")[1]).abs() < 1e-9, "{found:?}");
    // What is known of an example by its draws is what the command says.
    let examples = read("out", "examples.parquet");
    assert_eq!(examples.rows(), 3 * 6 * 4);
    let values = examples.floats("value").unwrap();
    let of_movers: Vec<f64> = (0..examples.rows())
        .filter(|&row| examples.text("hypothesis").unwrap()[row] == "movers")
        .map(|row| values[row])
        .collect();
    assert!((of_movers.iter().sum::<f64>() / 24.0 - found[2]).abs() < 1e-9);
    let claims = read("out", "claims.parquet");
    assert_eq!(claims.text("node").unwrap(), ["all", "early", "movers", "rest"]);
    assert_eq!(claims.floats("candidates").unwrap()[2], 2.0);
    // The same from its record, and in shards.
    let record = folder.path().join("out/run.json");
    printed(&["run", record.to_str().unwrap(), "--out", &path("again")]);
    let shards: Vec<String> = ["1/2", "2/2"]
        .iter()
        .map(|shard| {
            let out = path(&shard.replace('/', "-"));
            let more = ["--draws", "4", "--shard", shard, "--out", &out];
            printed(&[&line[..], &more].concat());
            out
        })
        .collect();
    printed(&["join", &shards[0], &shards[1], "--out", &path("joined")]);
    for file in ["examples.parquet", "recovered.csv", "claims.csv"] {
        let bytes = |run: &str| fs::read(folder.path().join(run).join(file)).unwrap();
        assert!(bytes("again") == bytes("out") && bytes("joined") == bytes("out"), "{file}");
    }
    // Another seed draws other rows.
    printed(&[&line[..], &["--draws", "4", "--seed", "1", "--out", &path("other")]].concat());
    assert_ne!(read("other", "examples.parquet").floats("value").unwrap(), values);
    // An experiment that is printed is one that runs; what reads nothing is not what says nothing.
    let spec = printed(&[&line[..], &["--draws", "4", "--print-spec"]].concat());
    assert!(spec.contains("query = []"), "{spec}");
    fs::write(folder.path().join("spec.toml"), spec).unwrap();
    printed(&["run", &path("spec.toml"), "--out", &path("of-spec")]);
    assert_eq!(read("of-spec", "examples.parquet").floats("value").unwrap(), values);
}

#[test]
fn hypotheses_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows_that_agree(folder.path());
    let path = folder.path().join("wrong.toml");
    let node = "[nodes.late]\nsenders = ['a5.h0']\n";
    for (text, part) in [
        ("logits = ['late']\n".to_owned(), "names the node `late`, and there is none"),
        (format!("logits = []\n{node}"), "no node reads `late`"),
        (format!("logits = ['late', 'late']\n{node}"), "twice"),
        (format!("logits = ['late']\nbaseline = ['early']\n{node}"), "`early`"),
        (format!("logits = ['late']\n{node}agree = ['token']\n"), "did you mean `agrees`"),
        (format!("logits = ['late']\n{node}agrees = ['a b']\n"), "`a b`, which is none"),
        (format!("logits = ['late']\n{node}agrees = ['object']\n"), "object"),
        (format!("logits = ['late']\n{node}reads = ['late']\n"), "`late`"),
        ("logits = ['late']\n[nodes.late]\nsenders = ['a99.h0']\n".to_owned(), "8 layers"),
        ("logits = ['late']\n[nodes.late]\nsenders = ['b5']\n".to_owned(), "`b5`"),
        ("logits = ['late']\n[nodes.late]\nsenders = ['m5']\nkey = []\n".to_owned(), "has no head"),
        (
            "logits = ['late']\n[nodes.late]\nsenders = ['input']\nreads = []\n".to_owned(),
            "reads nothing",
        ),
        (
            "logits = ['late']\n[nodes.late]\nsenders = ['rest', 'm5']\n".to_owned(),
            "the rest of what is read",
        ),
        ("logits = 3\n".to_owned(), "line 1, column 10"),
    ] {
        fs::write(&path, &text).unwrap();
        let file = path.to_str().unwrap();
        let said = refused(&["circuit", "scrub", "--data", &data, "--hypothesis", file]);
        assert!(said.contains(part), "{text}: {said}");
    }
    fs::write(&path, format!("logits = ['late']\n{node}")).unwrap();
    let line = ["circuit", "scrub", "--data", &data, "--hypothesis", path.to_str().unwrap()];
    for (more, part) in [
        (&["--ablation", "zero"][..], "taken from other rows"),
        (&["--hypothesis", path.to_str().unwrap()], "two hypotheses are called `wrong`"),
        (&["--metric", "guess"], "guess"),
        (&["--hypothesis", "none.toml"], "none.toml"),
    ] {
        let said = refused(&[&line[..], more].concat());
        assert!(said.contains(part), "{more:?}: {said}");
    }
}

#[test]
fn two_scorings_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, more) in
        [("exact", &[][..]), ("eap", &["--method", "eap"]), ("mean", &["--ablation", "mean"])]
    {
        let line = ["circuit", "edges", "--data", &data, "--resamples", "50", "--out", &path(name)];
        printed(&[&line[..], more].concat());
    }
    let compared = |one: &str, other: &str| -> Value {
        serde_json::from_str(&printed(&["circuit", "compare", &path(one), &path(other), "--json"]))
            .unwrap()
    };
    let same = compared("exact", "exact");
    assert_eq!(
        (&same["rank_correlation"], &same["unmatched"]),
        (&Value::from(1.0), &Value::from(0))
    );
    let other = compared("exact", "eap");
    let alike = other["rank_correlation"].as_f64().unwrap();
    assert!(alike > 0.7 && alike < 1.0, "{other}");
    assert_ne!(compared("exact", "mean")["correlation"], other["correlation"]);
    let table = path("both.parquet");
    let said = printed(&["circuit", "compare", &path("exact"), &path("eap"), "--out", &table]);
    assert!(said.contains("Furthest apart"), "{said}");
    let both = Table::read_parquet(&table).unwrap();
    assert_eq!(both.rows(), other["edges"].as_u64().unwrap() as usize);
    for (line, part) in [
        (&["--out", &table][..], "--force"),
        (&["--out", "both.txt"], ".parquet"),
        (&["--metric", "kl"], "logit_difference"),
    ] {
        let said =
            refused(&[&["circuit", "compare", &path("exact"), &path("eap")][..], line].concat());
        assert!(said.contains(part), "{said}");
    }
    assert!(refused(&["circuit", "compare", &path("nowhere"), &path("eap")]).contains("nowhere"));
}

#[test]
fn estimates_are_checked_by_patching_some_edges() {
    let folder = tempfile::tempdir().unwrap();
    let data = rows(folder.path());
    let read = |name: &str, table: &str| {
        Table::read_parquet(folder.path().join(name).join(table)).unwrap()
    };
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let line = ["circuit", "edges", "--data", &data, "--resamples", "50"];
        printed(&[&line[..], &["--out", out.to_str().unwrap()], more].concat())
    };
    run("exact", &[]);
    let said = run("eap", &["--method", "eap", "--check", "0.02", "--check-largest", "5"]);
    assert!(said.contains("edges drawn") && said.contains("largest of a row"), "{said}");
    let (exact, estimated) = (read("exact", "examples.parquet"), read("eap", "examples.parquet"));
    let key = |table: &Table, row: usize| {
        let text = |column: &str| table.text(column).unwrap()[row].to_owned();
        (table.integers("example").unwrap()[row], text("sender"), text("receiver"))
    };
    let effects: std::collections::HashMap<_, f64> = (0..exact.rows())
        .map(|row| (key(&exact, row), exact.floats("effect").unwrap()[row]))
        .collect();
    let (why, checked) = (
        estimated.optional_text("checked").unwrap(),
        estimated.optional_floats("exact_effect").unwrap(),
    );
    let of = |wanted: &str| {
        (0..estimated.rows()).filter(|&row| why[row] == Some(wanted)).collect::<Vec<_>>()
    };
    let edges = estimated.rows() / 2;
    assert_eq!(of("sample").len(), 2 * (edges as f64 * 0.02).round() as usize);
    assert!((1..=10).contains(&of("largest").len()), "{}", of("largest").len());
    let mut errors = 0.0;
    for row in of("sample") {
        // A run of fewer edges is made in other chunks; its numbers are the same.
        let expected = effects[&key(&estimated, row)];
        assert!((checked[row].unwrap() - expected).abs() < 1e-6);
        errors += (estimated.floats("effect").unwrap()[row] - expected).abs();
    }
    let check = read("eap", "check.parquet");
    let place = check.text("checked").unwrap().iter().position(|why| *why == "sample").unwrap();
    let mean = check.optional_floats("mean_error").unwrap()[place].unwrap();
    assert!((mean - errors / of("sample").len() as f64).abs() < 1e-6, "{mean}");
    run("unchecked", &["--method", "eap", "--check", "0", "--check-largest", "0"]);
    assert!(!files(&folder.path().join("unchecked")).contains(&"check.parquet".to_owned()));
    let line = ["circuit", "edges", "--data", &data, "--check", "0.1"];
    assert!(refused(&line).contains("--check"));
    let line = ["circuit", "edges", "--data", &data, "--method", "eap", "--check", "2"];
    assert!(refused(&line).contains("from 0 to 1"));
}
