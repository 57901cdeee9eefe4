//! Bad plans are refused before any weight is read: each message names the thing, what was expected,
//! and the line.

use std::path::Path;

use vene::Outline;
use vene::plan_file::{Format, PlanFile};
use vene_test_support::Fixture;

/// Two layers, 4 heads, a residual stream of 20 dimensions.
fn outline() -> Outline {
    Fixture::new("gpt2-plain").outline().unwrap()
}

fn error(text: &str) -> String {
    let outline = outline();
    let plan =
        PlanFile::parse(text, Format::Toml, Path::new("")).and_then(|file| file.plan(&outline));
    plan.map(|_| ()).unwrap_err().to_string()
}

/// Asserts that a plan is refused, with all of these in the message.
#[track_caller]
fn refused(text: &str, said: &[&str]) {
    let error = error(text);
    println!("{error}");
    for said in said {
        assert!(error.contains(said), "{error}\nlacks {said}");
    }
}

#[test]
fn text_that_is_no_toml() {
    refused("[[edit]]\nlayer = = 1\n", &["line 2"]);
}

/// In TOML by line and column, in JSON, which programs write, by the path.
#[test]
fn places_are_named_as_their_format_has_them() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 1\n[[edit]]\nintervention = 'zero'\n  \
         component = 'mlp_outptu'\n",
        &["line 7, column 15, edit[1].component: ", "did you mean mlp_output?"],
    );
    refused(
        "[[edit]]\nintervention = { name = 'scaling', faktor = 2.0 }\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["line 2, column 36, edit[0].intervention: ", "did you mean `factor`?"],
    );
    refused("[data]\nprompts = ['a', 3]\n", &["line 2, column 17, data.prompts[1]: it is 3"]);
    let edit = r#"{"intervention": "zero", "component": "mlp_output", "layer": 1}"#;
    let text = format!(r#"{{"edit": [{edit}, {}]}}"#, edit.replace("output", "outptu"));
    let file = PlanFile::parse(&text, Format::Json, Path::new("")).unwrap();
    let error = file.plan(&outline()).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("edit[1].component: "), "{error}");
    assert!(error.contains("did you mean mlp_output?"), "{error}");
    let unknown = r#"{"train": {"epoch": 3}}"#;
    let error = PlanFile::parse(unknown, Format::Json, Path::new("")).unwrap_err().to_string();
    assert!(
        error.starts_with("train: there is no key `epoch` here (did you mean `epochs`?)"),
        "{error}"
    );
    let error =
        PlanFile::parse("{\n\"a\": ]}", Format::Json, Path::new("")).unwrap_err().to_string();
    assert!(error.starts_with("line 2, column 6: "), "{error}");
}

#[test]
fn positions_for_each_source() {
    let edit = |from: &str| {
        format!(
            "[[edit]]\nintervention = 'mean'\ncomponent = 'mlp_output'\nlayer = 1\nfrom = {from}\n"
        )
    };
    refused(
        &edit("{ by_source = 'last' }"),
        &["line 5", "a list with the positions in each source"],
    );
    refused(&edit("{ by_source = ['first'] }"), &["line 5", "\"last\", \"all\""]);
    refused(&edit("{ by_source = [0], part = 'last' }"), &["line 5", "there is no key `part`"]);
}

#[test]
fn unknown_sections() {
    refused(
        "[modell]\nid = 'gpt2'\n",
        &["line 1", "there is no key `modell`", "did you mean `model`?", "edit, collect, read"],
    );
}

#[test]
fn unknown_keys_of_an_edit() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayers = 1\n",
        &[
            "line 4, column",
            "edit[0]",
            "there is no key `layers`",
            "did you mean `layer`?",
            "positions, heads",
        ],
    );
}

/// Where a run is read says nothing where none is read.
#[test]
fn places_of_sources_that_are_not_read() {
    let edit =
        |rest: &str| format!("[[edit]]\ncomponent = 'attention_value_output'\nlayer = 1\n{rest}\n");
    for (intervention, key) in [
        ("'zero'", "from = 'last'"),
        ("'zero'", "from_heads = [0]"),
        ("'zero'", "from_layer = 0"),
        ("{ name = 'noise', standard_deviation = 0.5 }", "from = { phrase = 'Italy' }"),
        ("{ name = 'scaling', factor = 2.0 }", "from_layer = 0"),
    ] {
        let name = key.split(' ').next().unwrap();
        let text = edit(&format!("intervention = {intervention}\n{key}"));
        refused(&text, &["line 5", "reads no run", &format!("`{name}` would change nothing")]);
    }
    let given = "intervention = 'steering'\nsource = { values = [0.5] }\nheads = [0]\nfrom = 0";
    let error = error(&edit(given));
    assert!(error.contains("reads no run") || error.contains("values"), "{error}");
}

#[test]
fn unknown_interventions() {
    refused(
        "[[edit]]\nintervention = 'interchnage'\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["line 2", "no intervention `interchnage`", "did you mean `interchange`?", "loreft"],
    );
    // A name of pyvene's is told by ours.
    refused(
        "[[edit]]\nintervention = 'VanillaIntervention'\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["no intervention `VanillaIntervention`", "there are interchange"],
    );
}

#[test]
fn unknown_components() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_outptu'\nlayer = 1\n",
        &["line 3, column", "edit[0].component", "mlp_outptu", "did you mean mlp_output?"],
    );
}

#[test]
fn names_that_mean_another_tensor_elsewhere() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'blocks.0.hook_attn_in'\n",
        &["line 3", "hook_attn_in", "attention_input", "block_input"],
    );
}

#[test]
fn layers_past_the_end() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 7\n",
        &["line 1, column", "edit[0]", "layer 7"],
    );
}

#[test]
fn settings_that_an_intervention_lacks() {
    refused(
        "[[edit]]\nintervention = { name = 'scaling', factor = 2, seed = 1 }\ncomponent = 'mlp_output'\nlayer = 1\n",
        &[
            "line 2, column",
            "edit[0].intervention",
            "there is no key `seed`",
            "there are name, factor",
        ],
    );
    refused(
        "[[edit]]\nintervention = { name = 'zero', parameters = 'x.safetensors' }\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["there is no key `parameters`"],
    );
}

#[test]
fn settings_that_are_missing() {
    refused(
        "[[edit]]\nintervention = 'scaling'\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["line 2", "there is no `factor`", "give what the values are multiplied by"],
    );
    refused("[[edit]]\ncomponent = 'mlp_output'\n", &["line 1", "there is no `intervention`"]);
    refused("[[edit]]\nintervention = 'zero'\n", &["there is no `component`", "vene sites"]);
}

#[test]
fn values_of_another_kind() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = true\n",
        &["line 4, column", "edit[0].layer", "it is true", "expected a whole number from 0 on"],
    );
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 'one'\n",
        &["line 4, column", "edit[0].layer", "`one` names no layer", "a range such as 0..3"],
    );
    refused(
        "[[edit]]\nintervention = { name = 'scaling', factor = nan }\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["factor", "it is NaN", "expected a finite number"],
    );
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 1\npositions = 'Spain'\n",
        &["line 5", "it is \"Spain\"", "{ phrase = \"Spain\" }"],
    );
    for (positions, said) in [
        ("{ first = 0 }", "a number of tokens from 1 on"),
        ("{ skip_last = 1 }", "give `first`, `last`, or both"),
        ("{ first = 2, phrase = 'a' }", "`phrase` does not go with `first` and `last`"),
        ("{ last = 2, short = 'cut' }", "There are refused, halved"),
        ("{ role = 'first:0' }", "first:3+last:3"),
    ] {
        refused(
            &format!(
                "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 1\npositions = {positions}\n"
            ),
            &["line 5", said],
        );
    }
}

#[test]
fn wrong_dimensions() {
    refused(
        "[[edit]]\nintervention = { name = 'rotated_space', subspace = [3, 20] }\ncomponent = 'block_output'\nlayer = 1\n",
        &[
            "line 2, column",
            "edit[0].intervention.subspace",
            "dimension 20: there are 20, counted from 0",
        ],
    );
    refused(
        "[[edit]]\nintervention = { name = 'low_rank_rotated_space', rank = 21 }\ncomponent = 'block_output'\nlayer = 1\n",
        &["rank", "it is 21", "1 to 20 directions", "block_output"],
    );
    refused(
        "[[edit]]\nintervention = 'steering'\nsource = { values = [1.0, 2.0] }\ncomponent = 'block_output'\nlayer = 1\n",
        &["line 3", "2 values are given", "a row of block_output has 20 here"],
    );
    refused(
        "[[edit]]\nintervention = 'constant'\ncomponent = 'block_output'\nlayer = 1\n",
        &["constant writes given values", "source = { values"],
    );
}

#[test]
fn partitions_that_overlap() {
    refused(
        "[[edit]]\ncomponent = 'block_output'\nlayer = 1\n[edit.intervention]\nname = 'rotated_space'\n\
         partition = { country = '0..4', language = [3, 4] }\nsubspace = 'country'\n",
        &["line 6", "dimension 3 is in the part `country` and in `language`", "may not overlap"],
    );
    refused(
        "[[edit]]\ncomponent = 'block_output'\nlayer = 1\n[edit.intervention]\nname = 'rotated_space'\n\
         partition = { country = '0..4' }\nsubspace = 'city'\n",
        &["line 7", "there is no part `city`; there are country"],
    );
    refused(
        "[[edit]]\ncomponent = 'block_output'\nlayer = 1\n\
         intervention = { name = 'rotated_space', subspace = 'city' }\n",
        &["line 4", "`city` is named", "no `partition`"],
    );
}

#[test]
fn links_between_different_shapes() {
    let first = "[[edit]]\nlink = 'a'\nintervention = 'rotated_space'\ncomponent = 'block_output'\nlayer = 0\n";
    refused(
        &format!("{first}[[edit]]\nlink = 'a'\ncomponent = 'mlp_activation'\nlayer = 1\n"),
        &[
            "the link `a`",
            "mlp_activation, 80 wide",
            "block_output",
            "line 3",
            "20 wide",
            "of one width",
        ],
    );
    refused(
        &format!(
            "{first}[[edit]]\nlink = 'a'\nintervention = 'sigmoid_mask'\ncomponent = 'block_output'\nlayer = 1\n"
        ),
        &[
            "line 8",
            "the link `a`",
            "edit[0]",
            "line 3",
            "describes another",
            "leave `intervention` out",
        ],
    );
    refused(
        &format!("{first}[[edit]]\nlink = 'b'\ncomponent = 'block_output'\nlayer = 1\n"),
        &["line 6, column", "edit[1]", "there is no `intervention`"],
    );
}

#[test]
fn units_that_a_component_lacks() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'block_output'\nlayer = 1\nheads = [0]\n",
        &["edit[0]", "block_output has no heads", "attention_value_output"],
    );
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'query_output'\nlayer = 1\nheads = [4]\n",
        &["head 4 of query_output", "0 to 3"],
    );
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 1\nkeys = 'all'\n",
        &["mlp_output has no keys", "attention_score"],
    );
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'head_query_output'\nlayer = 1\n",
        &["line 3", "edited by head", "give `heads`"],
    );
}

#[test]
fn sources_that_an_intervention_does_not_read() {
    refused(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 1\nsource = 0\n",
        &["edit 0: zero reads no source"],
    );
    refused(
        "[[edit]]\nintervention = 'freeze'\ncomponent = 'mlp_output'\nlayer = 1\nsource = 0\n",
        &["line 2", "leave `source` out"],
    );
    refused(
        "[[edit]]\nintervention = 'skip'\ncomponent = 'mlp_input'\nlayer = 1\n",
        &["mlp_input is no module's output", "mlp_output"],
    );
}

#[test]
fn widths_that_only_prompts_say() {
    refused(
        "[[edit]]\nintervention = 'rotated_space'\ncomponent = 'mlp_output'\nlayer = 1\npositions = 'all'\nconcatenated = true\n",
        &["line 2", "name them by numbers"],
    );
}

#[test]
fn files_that_are_not_there() {
    refused(
        "[[edit]]\nintervention = { name = 'rotated_space', parameters = 'nowhere.safetensors' }\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["line 2", "nowhere.safetensors", "No such file"],
    );
    refused(
        "[[edit]]\nintervention = { name = 'feature_edit', autoencoder = { name = 'sae_lens', path = 'nowhere' }, features = [] , error_term = 'kept' }\ncomponent = 'mlp_output'\nlayer = 1\n",
        &["line 2", "cfg.json"],
    );
}

#[test]
fn schedules_and_versions() {
    refused("version = 2\n", &["line 1, column", "version", "it is 2", "expected 1"]);
    refused(
        "[train]\nschedule = 'lineal'\n",
        &["line 2", "no schedule `lineal`", "did you mean `linear`?"],
    );
    refused("[train]\nwarmup = 3\n", &["line 2", "a constant schedule has no warmup"]);
}

#[test]
fn the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    std::fs::write(&path, "[[edit]]\nx = 1\n").unwrap();
    let error = PlanFile::read(&path).unwrap().plan(&outline()).unwrap_err().to_string();
    assert!(error.contains("plan.toml, line 2, column 1, edit[0]"), "{error}");
    let other = folder.path().join("plan.yaml");
    assert!(PlanFile::read(&other).unwrap_err().to_string().contains(".toml or a .json"));
    let missing = folder.path().join("missing.toml");
    assert!(PlanFile::read(&missing).unwrap_err().to_string().contains("missing.toml"));
}

#[test]
fn times_that_are_none() {
    let edit = |when: &str| {
        format!(
            "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 1\nwhen = {when}\n"
        )
    };
    refused(
        &edit("'every step'"),
        &["line 5, column", "edit[0].when", "`every step`", "every_step"],
    );
    refused(&edit("3"), &["line 5", "it is 3", "list of steps"]);
    refused(&edit("[-1]"), &["line 5", "from 0 on"]);
}

#[test]
fn positions_of_a_prompt_on_which_no_edit_is_made() {
    let edit = |positions: &str, intervention: &str| {
        format!(
            "[[edit]]\ncomponent = 'block_output'\nlayer = 1\nwhen = 'generated'\npositions = {positions}\n\
             intervention = {intervention}\n"
        )
    };
    for positions in ["0", "-3", "[1, 2]", "'all'", "{ phrase = 'a' }"] {
        refused(&edit(positions, "'zero'"), &["line 5", "`positions` would change nothing"]);
    }
    // What is read of another run is read there.
    for (positions, intervention) in [("0", "'interchange'"), ("'last'", "'zero'")] {
        let file = PlanFile::parse(&edit(positions, intervention), Format::Toml, Path::new(""));
        assert!(file.and_then(|file| file.plan(&outline())).is_ok());
    }
}

#[test]
fn given_values_may_be_each_example_s_own() {
    let rows = vec!["0.5"; 20].join(", ");
    for name in ["constant", "interchange", "steering"] {
        let text = format!(
            "[[edit]]\nintervention = '{name}'\ncomponent = 'block_output'\nlayer = 1\n\
             source = {{ each = [[{rows}]] }}\n"
        );
        let file = PlanFile::parse(&text, Format::Toml, Path::new("")).unwrap();
        file.plan(&outline()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// candle knows the format and cannot convert it.
#[test]
fn floats_of_eight_bits() {
    use safetensors::tensor::{Dtype, TensorView};
    let folder = tempfile::tempdir().unwrap();
    let values = [0u8; 80];
    let view = |dtype, bytes: usize| TensorView::new(dtype, vec![20], &values[..bytes]).unwrap();
    let tensors = [
        ("vector", view(Dtype::F8_E4M3, 20)),
        ("step", view(Dtype::I16, 40)),
        ("mask", view(Dtype::BOOL, 20)),
        ("a.rotate_layer.weight", view(Dtype::U8, 20)),
        ("floats", view(Dtype::F32, 80)),
    ];
    let bytes = safetensors::serialize(tensors, None).unwrap();
    std::fs::write(folder.path().join("v.safetensors"), bytes).unwrap();
    let plan = |text: &str| {
        let text = format!("[[edit]]\ncomponent = 'block_output'\nlayer = 1\n{text}\n");
        let file = PlanFile::parse(&text, Format::Toml, folder.path()).unwrap();
        file.plan(&outline()).map_err(|error| error.to_string())
    };
    let steering = |tensor: &str| {
        plan(&format!(
            "intervention = 'steering'\nsource = {{ file = 'v.safetensors', tensor = '{tensor}' }}"
        ))
    };
    let error = steering("vector").unwrap_err();
    assert!(
        error.contains("`vector` holds F8_E4M3; expected floats (F16, BF16, F32 or F64)"),
        "{error}"
    );
    // Nobody asked for the others.
    steering("floats").unwrap();
    let rotated = |prefix: &str| {
        plan(&format!(
            "intervention = {{ name = 'rotated_space', parameters = {{ file = 'v.safetensors', prefix = '{prefix}' }} }}\n\
             positions = 0"
        ))
        .unwrap_err()
    };
    let error = rotated("a.");
    assert!(error.contains("`a.rotate_layer.weight` holds U8; expected floats"), "{error}");
    let error = rotated("b.");
    assert!(error.contains("no tensor whose name begins with `b.`"), "{error}");
}

/// What is left in a file's place where git-lfs did not fetch it, and a text where tensors should be.
#[test]
fn files_that_are_not_there_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let plan = |contents: &str, intervention: &str| {
        std::fs::create_dir_all(folder.path().join("sae")).unwrap();
        for name in ["v.safetensors", "v.npz", "sae/cfg.json"] {
            std::fs::write(folder.path().join(name), contents).unwrap();
        }
        let text = format!("[[edit]]\ncomponent = 'block_output'\nlayer = 1\n{intervention}\n");
        let file = PlanFile::parse(&text, Format::Toml, folder.path()).unwrap();
        file.plan(&outline()).unwrap_err().to_string()
    };
    let autoencoder = |name: &str, path: &str| {
        format!(
            "intervention = {{ name = 'latent_interchange', autoencoder = {{ name = '{name}', path = '{path}' }} }}"
        )
    };
    let source = "intervention = 'steering'\nsource = { file = 'v.safetensors', tensor = 'v' }";
    let parameters =
        "intervention = { name = 'rotated_space', parameters = 'v.safetensors' }\npositions = 0";
    for given in
        [source, parameters, &autoencoder("gemma_scope", "v.npz"), &autoencoder("sae_lens", "sae")]
    {
        let error = plan(pointer, given);
        assert!(
            error.contains(" is only git-lfs's pointer to the file of 12345 bytes")
                && error.contains("run `git lfs pull`"),
            "{error}"
        );
    }
    let error = plan("0.5 0.25\n", source);
    assert!(error.contains("v.safetensors: is a text and not what its name says"), "{error}");
}

#[test]
fn numbers_of_nothing() {
    refused("[data]\nrows = 0\n", &["line 2", "rows", "a whole number from 1 on"]);
    refused("[train]\nepochs = 0\n", &["line 2", "epochs", "a whole number from 1 on"]);
}

#[test]
fn a_partition_of_which_no_part_is_named() {
    let edit = |more: &str, subspaces: &str| {
        format!(
            "[[edit]]\ncomponent = 'block_output'\nlayer = 1\nintervention = {{ name = 'rotated_space'{more}, \
             partition = {{ low = '0..4', rest = '4..20' }} }}\n{subspaces}"
        )
    };
    let said = ["line 4", "partition", "no subspace names one of its parts"];
    refused(&edit("", ""), &said);
    refused(&edit(", subspace = [0, 1]", ""), &said);
    refused(&edit(", subspace = 'all'", ""), &said);
    refused(&edit("", "subspaces = [[0, 1]]\n"), &said);
    for text in [
        edit(", subspace = 'low'", ""),
        edit("", "subspaces = ['low']\n"),
        edit("", "subspaces = [['low', 'rest']]\n"),
    ] {
        let file = PlanFile::parse(&text, Format::Toml, Path::new(""));
        file.and_then(|file| file.plan(&outline())).unwrap_or_else(|error| panic!("{error}"));
    }
}
