//! Models in folders and in the program: what is read, and what is refused in which words.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use serde_json::json;
use support::{CONFIG, safetensors, tokenizer, weights, with_bos, write_model};
use vene_checkpoint::{BeginningOfSequence, Checkpoint, Description, ModelSource};

fn open(folder: &Path) -> Result<Checkpoint, String> {
    Checkpoint::open(&ModelSource::Directory(folder.to_owned()), &mut |_| ()).map_err(|error| {
        let line = error.to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    })
}

/// Opens a model of which one file is replaced, and gives the error.
fn refusal(file: &str, contents: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    std::fs::write(folder.path().join(file), contents).unwrap();
    let line = open(folder.path()).unwrap_err();
    assert!(line.contains(file), "{line}");
    line
}

/// Reads the first tensor of a model with these weights, and gives the error.
fn read_refusal(weights: Vec<u8>) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    let model = open(folder.path()).unwrap();
    let name = model.tensors.names().next().unwrap();
    let shape = model.tensors.shape(name).unwrap();
    model.tensors.read_f32(name, shape).unwrap_err().to_string()
}

fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn a_folder_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let model = open(folder.path()).unwrap();
    assert_eq!(model.tensors.shape("a.weight"), Some(&[2, 3][..]));
    assert_eq!(model.tensors.read_f32("b.bias", &[2]).unwrap(), [-1.0, 0.5]);
    let Description::HuggingFace(config) = &model.description else { panic!() };
    assert_eq!(config["n_embd"], 3);
    let files: Vec<&str> = model.provenance.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["config.json", "model.safetensors", "tokenizer.json"]);
    assert_eq!(model.provenance.files[1].bytes, weights().len() as u64);
    assert_eq!(model.provenance.sha256().unwrap().len(), 64);
    let error = model.tensors.read_f32("model.b.bias", &[2]).unwrap_err().to_string();
    assert!(error.contains("there is `b.bias`"), "{error}");
}

#[test]
fn a_model_in_memory_is_opened() {
    let bytes: &'static [u8] = Box::leak(weights().into_boxed_slice());
    let model = Checkpoint::from_bytes("tiny", CONFIG, bytes, &tokenizer(with_bos())).unwrap();
    assert_eq!(model.provenance.name, "tiny");
    assert_eq!(model.tensors.read_f32("b.bias", &[2]).unwrap(), [-1.0, 0.5]);
    let error = Checkpoint::from_bytes("tiny", "[]", bytes, "{}").unwrap_err().to_string();
    assert_eq!(error, "tiny's config.json: holds an array, expected a JSON object");
}

#[test]
fn a_network_without_a_tokenizer_reads_numbers() {
    let network = r#"{"model_type": "gru", "h_dim": 3}"#;
    let made = Checkpoint::from_memory("tiny", network, weights(), None).unwrap();
    assert_eq!(made.tensors.read_f32("b.bias", &[2]).unwrap(), [-1.0, 0.5]);
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(error.contains("has no tokenizer.json"), "{error}");
    std::fs::write(folder.path().join("config.json"), network).unwrap();
    let kept = open(folder.path()).unwrap();
    for model in [made, kept] {
        assert_eq!(model.tokenizer.encode("5 0").unwrap().ids, [5, 0]);
        let files = model.provenance.files.iter().map(|file| file.name.as_str());
        assert_eq!(files.collect::<Vec<_>>(), ["config.json", "model.safetensors"]);
    }
    // One that has a tokenizer is read by it.
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer(with_bos())).unwrap();
    assert_eq!(open(folder.path()).unwrap().tokenizer.single_token(" a").unwrap(), 3);
}

#[test]
fn shards_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_model(path);
    let open_with = |index: serde_json::Value| {
        std::fs::write(path.join("model.safetensors.index.json"), index.to_string()).unwrap();
        open(path)
    };
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    std::fs::write(path.join("m-1.safetensors"), safetensors(&[("x", &[1], &[1.0])])).unwrap();
    std::fs::write(path.join("m-2.safetensors"), safetensors(&[("y", &[1], &[2.0])])).unwrap();
    let map = json!({"weight_map": {"y": "m-2.safetensors", "x": "m-1.safetensors"}});
    let model = open_with(map).unwrap();
    assert_eq!(model.tensors.names().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(model.tensors.read_f32("y", &[1]).unwrap(), [2.0]);

    let error = |map: serde_json::Value| open_with(json!({"weight_map": map})).unwrap_err();
    let line = error(json!({"x": "m-3.safetensors"}));
    assert!(line.ends_with("has no m-3.safetensors"), "{line}");
    let line = error(json!({"z": "m-1.safetensors"}));
    assert!(
        line.contains("puts tensor `z` into `m-1.safetensors`, which does not hold it"),
        "{line}"
    );
    for outside in
        ["../m-1.safetensors", "/etc/x.safetensors", "..", "a\\b.safetensors", "x.bin", ""]
    {
        let line = error(json!({"x": outside}));
        assert!(line.contains("a shard is a .safetensors file beside the index"), "{line}");
    }
    // A shard's tensors are those of its header. transformers 4.52 and 5 read those that the index leaves
    // out, and of two with one name the one that it does not ask for.
    let more = safetensors(&[("y", &[1], &[2.0]), ("z", &[1], &[3.0])]);
    std::fs::write(path.join("m-2.safetensors"), more).unwrap();
    let map = json!({"weight_map": {"y": "m-2.safetensors", "x": "m-1.safetensors"}});
    let model = open_with(map.clone()).unwrap();
    assert_eq!(model.tensors.read_f32("z", &[1]).unwrap(), [3.0]);
    let twice = safetensors(&[("y", &[1], &[2.0]), ("x", &[1], &[3.0])]);
    std::fs::write(path.join("m-2.safetensors"), twice).unwrap();
    let line = open_with(map).unwrap_err();
    let (first, second) = (path.join("m-1.safetensors"), path.join("m-2.safetensors"));
    let expected = format!("{}: tensor `x` is here and in {}", second.display(), first.display());
    assert!(line.starts_with(&expected), "{line}");

    assert!(error(json!({})).contains("names no tensor"));
    assert!(open_with(json!([1])).unwrap_err().contains("holds an array, expected a JSON object"));
}

#[test]
fn malformed_json_is_refused() {
    assert!(refusal("config.json", "[1]").contains("holds an array, expected a JSON object"));
    assert!(refusal("config.json", "{").contains("is not the JSON"));
    assert!(refusal("config.json", b"\xff\xfe{}").contains("is not the JSON"));
    let deep = "[".repeat(1_000_000);
    assert!(refusal("config.json", &deep).contains("recursion limit"));
    assert!(refusal("tokenizer.json", &deep).contains("is no tokenizer.json"));
    assert!(refusal("tokenizer.json", "{}").contains("is no tokenizer.json"));
    assert!(refusal("tokenizer_config.json", "3").contains("holds a number"));
    let nested = format!("{{\"model\":{}1{}}}", "{\"a\":".repeat(5000), "}".repeat(5000));
    assert!(refusal("tokenizer.json", nested).contains("is no tokenizer.json"));
    let shifted = tokenizer(json!(null)).replace(r#""id":5"#, r#""id":7"#);
    assert!(refusal("tokenizer.json", shifted).contains(r#""<s>" has the id 7"#));
    // Such a merge would make the library index past a buffer.
    let lying = tokenizer(json!(null)).replace(r#"["a","b"]"#, r#"["ab","Ġa"]"#);
    assert!(refusal("tokenizer.json", lying).contains("its merge of \"ab\" with \"Ġa\" is not"));
}

#[test]
fn a_part_of_a_tokenizer_that_cannot_be_used_is_named() {
    let whole: serde_json::Value = serde_json::from_str(&tokenizer(json!(null))).unwrap();
    let model = |key: &str, value: serde_json::Value| {
        let mut model = whole["model"].clone();
        model[key] = value;
        model
    };
    let merges = model("merges", json!(3));
    let kind = model("type", json!("BPX"));
    let charsmap = json!({"type": "Precompiled", "precompiled_charsmap": "/P///w=="});
    let regex = json!({"type": "Split", "pattern": {"Regex": "(["}, "behavior": "Isolated", "invert": false});
    let unigram = json!({"type": "Unigram", "vocab": [["a", 0.1]], "unk_id": 7});
    for (key, value) in [
        ("model", json!(null)),
        ("model", json!({})),
        ("model", merges),
        ("model", kind),
        ("model", unigram),
        ("normalizer", json!({"type": "Foo"})),
        ("normalizer", json!(3)),
        ("normalizer", charsmap),
        ("pre_tokenizer", json!({"type": "Foo"})),
        ("pre_tokenizer", json!([])),
        ("pre_tokenizer", regex),
        ("post_processor", json!({"type": "Foo"})),
        ("decoder", json!({"type": "Foo"})),
        ("decoder", json!("x")),
        ("added_tokens", json!(3)),
        ("added_tokens", json!([{"id": 5}])),
        ("truncation", json!(3)),
        ("padding", json!({"strategy": "Foo"})),
    ] {
        let mut broken = whole.clone();
        broken[key] = value.clone();
        let line = refusal("tokenizer.json", broken.to_string());
        assert!(line.contains(&format!("its `{key}`")), "{key} {value}: {line}");
        let said = line.split("is no tokenizer.json").last().unwrap();
        // No name of a type in the program; what a file holds is quoted.
        let ours = said.split(['`', '"']).step_by(2);
        for word in ours.flat_map(|part| part.split(|c: char| !c.is_alphanumeric())) {
            let inside = word.chars().skip(1).any(|c| c.is_uppercase());
            assert!(!inside || word == "JSON", "{word}: {line}");
            assert!(!["struct", "enum", "variant"].contains(&word), "{line}");
        }
    }
    let line = refusal("tokenizer.json", "[1]");
    assert!(line.ends_with("is no tokenizer.json: it is not a JSON object"), "{line}");
    let line = refusal("tokenizer.json", tokenizer(json!(null)).replace("\"1.0\"", "\"9.0\""));
    assert!(line.contains("is no tokenizer.json: Unknown tokenizer version '9.0'"), "{line}");
}

#[test]
fn weights_of_another_kind_are_told_from_damaged_ones() {
    let line = refusal("model.safetensors", support::Gguf::small().bytes());
    assert!(line.contains("is a GGUF file and not what its name says"), "{line}");
    let header = r#"{"a.weight":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[0,6]}}"#;
    let line = read_refusal(with_header(header, 6));
    assert!(line.contains("stored as F8_E4M3") && line.contains("a GGUF file of it"), "{line}");
}

#[test]
fn malformed_safetensors_are_refused() {
    let refuse = |bytes: Vec<u8>| refusal("model.safetensors", bytes);
    let whole = weights();
    assert!(refuse(vec![]).contains("it has 0 bytes"));
    assert!(refuse(vec![1, 2, 3]).contains("it has 3 bytes"));
    assert!(refuse(whole[..whole.len() - 1].to_vec()).contains("is cut short or padded"));
    assert!(refuse([&whole[..], &[0]].concat()).contains("is cut short or padded"));
    assert!(refuse(whole[..20].to_vec()).contains("it claims a header of"));
    assert!(refuse(vec![0xff; 64]).contains("it claims a header of 18446744073709551615 bytes"));
    let mut garbage = whole.clone();
    garbage[9] = 0xff;
    assert!(refuse(garbage).contains("its header is not UTF-8"));
    assert!(refuse(with_header("[1, 2]", 0)).contains("does not describe tensors"));
    assert!(refuse(with_header(&"{\"a\":".repeat(9999), 0)).contains("does not describe tensors"));

    let tensor = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let header =
        |tensors: &[String], data| with_header(&format!("{{{}}}", tensors.join(",")), data);
    let line = refuse(header(&[tensor("a", "F32", "[3]", 0, 8)], 8));
    assert!(
        line.contains("tensor `a` of shape [3] in F32 takes 12 bytes, and 8 are there"),
        "{line}"
    );
    let overlapping = [tensor("a", "F32", "[2]", 0, 8), tensor("b", "F32", "[2]", 4, 12)];
    assert!(refuse(header(&overlapping, 12)).contains("tensor `b` does not start where"));
    let gapped = [tensor("a", "F32", "[1]", 0, 4), tensor("b", "F32", "[1]", 8, 12)];
    assert!(refuse(header(&gapped, 12)).contains("tensor `b` does not start where"));
    assert!(refuse(header(&[tensor("a", "F32", "[2]", 0, 8)], 4)).contains("is cut short"));
    let huge = [tensor("a", "F32", "[4294967296,4294967296]", 0, 8)];
    assert!(refuse(header(&huge, 8)).contains("impossibly large"));
    assert!(refuse(header(&[tensor("a", "F31", "[1]", 0, 4)], 4)).contains("F31"));

    // A format that no weight should have is refused when it is read, by name.
    let line = read_refusal(header(&[tensor("mask", "I64", "[1]", 0, 8)], 8));
    assert!(line.contains("tensor `mask` is stored as I64, which is not supported; supported are F32, F16, BF16, F64"), "{line}");
}

#[test]
fn weights_must_be_finite() {
    let mut values = vec![0.0f32; 100_000];
    values[70_001] = f32::NAN;
    values[90_000] = f32::INFINITY;
    let line = read_refusal(safetensors(&[("w", &[100_000], &values)]));
    assert!(
        line.ends_with("tensor `w` holds NaN at element 70001; a model's weights must be finite"),
        "{line}"
    );
    // A number that only 64 bits can hold is not narrowed to infinity.
    let mut bytes = with_header(r#"{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#, 0);
    bytes.extend(1e300f64.to_le_bytes());
    assert!(read_refusal(bytes).contains("holds inf at element 0"));
}

fn open_with(post_processor: serde_json::Value, settings: Option<&str>) -> Checkpoint {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer(post_processor)).unwrap();
    if let Some(settings) = settings {
        std::fs::write(folder.path().join("tokenizer_config.json"), settings).unwrap();
    }
    open(folder.path()).unwrap()
}

#[test]
fn the_post_processor_decides_about_the_first_token() {
    let trimming = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let told = |model: &Checkpoint| model.notices.all().join("\n");

    // As transformers 5: the template decides, and the setting is named.
    let model = open_with(with_bos(), Some(r#"{"add_bos_token": false}"#));
    assert!(told(&model).contains("tokenizer_config.json says add_bos_token = false"));
    assert!(told(&model).contains("--bos never"));
    let templated = model.tokenizer;
    assert!(templated.adds_bos());
    assert_eq!(templated.bos_decided_by(), "the template in tokenizer.json puts it in front");
    assert_eq!(templated.bos(), Some(5));
    let encoding = templated.encode("a ab").unwrap();
    assert_eq!(encoding.ids, [5, 0, 3, 1]);
    assert_eq!(encoding.spans, [0..0, 0..1, 1..3, 3..4]);
    assert!(encoding.bos);
    assert_eq!(templated.encode("<s>a ab").unwrap().ids, [5, 0, 3, 1]);
    assert_eq!(templated.encode_with("a", BeginningOfSequence::Never).unwrap().ids, [0]);

    // Neither truncated (the file says: to two) nor trimmed.
    let model = open_with(trimming.clone(), None);
    assert_eq!(told(&model), "");
    let silent = model.tokenizer;
    assert!(!silent.adds_bos());
    let encoding = silent.encode("a ab").unwrap();
    assert_eq!((encoding.ids, encoding.spans), (vec![0, 3, 1], vec![0..1, 1..3, 3..4]));
    assert_eq!(silent.bos(), Some(5), "config.json names it");
    assert_eq!(silent.encode_with("a", BeginningOfSequence::Always).unwrap().ids, [5, 0]);

    let settings = r#"{"add_bos_token": true, "bos_token": {"content": "<s>"}}"#;
    let model = open_with(trimming, Some(settings));
    assert!(!model.tokenizer.adds_bos());
    assert!(told(&model).contains("add_bos_token = true"), "{}", told(&model));
}

#[test]
fn padding_and_truncation_do_not_hide_the_first_token() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let mut file: serde_json::Value = serde_json::from_str(&tokenizer(with_bos())).unwrap();
    // To lengths at which neither the token in front nor the text can be told apart.
    for length in [0u64, 1, 12, 1 << 40] {
        file["truncation"]["max_length"] = json!(length.min(1));
        file["padding"] = json!({"strategy": {"Fixed": length}, "direction": "Left", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "a"});
        std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
        let model = open(folder.path()).unwrap();
        assert_eq!(model.tokenizer.encode("a ab").unwrap().ids, [5, 0, 3, 1]);
    }
}

#[test]
fn the_ends_of_texts_are_read_where_they_are_named() {
    let open_with = |config: &str, settings: Option<&str>, generation: Option<&str>| {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let files = [("tokenizer_config.json", settings), ("generation_config.json", generation)];
        for (name, text) in files {
            if let Some(text) = text {
                std::fs::write(folder.path().join(name), text).unwrap();
            }
        }
        open(folder.path())
    };
    let ends = |config: &str, settings: Option<&str>, generation: Option<&str>| {
        let model = open_with(config, settings, generation).unwrap();
        let read = |file: &&str| model.provenance.files.iter().any(|read| read.name == **file);
        assert_eq!(read(&"generation_config.json"), generation.is_some());
        model.tokenizer.ends().to_vec()
    };
    let settings = Some(r#"{"eos_token": {"content": "<s>"}}"#);
    assert_eq!(ends("{}", None, None), [] as [u32; 0]);
    assert_eq!(ends("{}", settings, None), [5]);
    assert_eq!(ends(r#"{"eos_token_id": 1}"#, settings, None), [1]);
    // What generation is told goes before, unless it is told nothing of it.
    let generation = Some(r#"{"eos_token_id": [2, 3]}"#);
    assert_eq!(ends(r#"{"eos_token_id": 1}"#, settings, generation), [2, 3]);
    for generation in [r#"{"temperature": 0.7}"#, r#"{"eos_token_id": null}"#] {
        assert_eq!(ends(r#"{"eos_token_id": 1}"#, settings, Some(generation)), [1]);
    }
    // Rows of the embedding without a text can be said, too.
    assert_eq!(ends(r#"{"eos_token_id": 8, "vocab_size": 9}"#, None, None), [8]);

    // What is not a token is refused, unless it is a default that transformers writes unasked.
    for id in ["4000000", "-1", "\"</s>\"", "[2, 6]"] {
        let text = format!(r#"{{"eos_token_id": {id}}}"#);
        for (config, generation) in [(text.as_str(), None), ("{}", Some(text.as_str()))] {
            let line = open_with(config, None, generation).unwrap_err();
            assert!(line.contains("is not a token"), "{line}");
        }
    }
    let default = r#"{"model_type": "gpt2", "eos_token_id": 50256}"#;
    assert_eq!(ends(default, None, None), [] as [u32; 0]);
    let told = open_with(default, None, None).unwrap().notices.all();
    assert!(told[0].contains("50256 is not one of the 7 tokens"), "{told:?}");
    assert!(open_with("{}", None, Some(r#"{"eos_token_id": 50256}"#)).is_err());
}

#[test]
fn vocabulary_and_merges_are_read_as_gpt2_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_model(path);
    std::fs::remove_file(path.join("tokenizer.json")).unwrap();
    std::fs::write(
        path.join("vocab.json"),
        r#"{"a": 0, "b": 1, "Ġ": 2, "Ġa": 3, "<|endoftext|>": 4, "ab": 5}"#,
    )
    .unwrap();
    std::fs::write(path.join("merges.txt"), "#version: 0.2\nĠ a\na b\n").unwrap();
    std::fs::write(path.join("config.json"), CONFIG.replace('5', "4")).unwrap();
    let model = open(path).unwrap();
    assert_eq!(model.tokenizer.encode("ab a<|endoftext|>").unwrap().ids, [5, 3, 4]);
    assert_eq!(model.tokenizer.bos(), Some(4));
    assert_eq!(model.tokenizer.vocabulary_size(), 6);
    assert_eq!(model.tokenizer.single_token(" a").unwrap(), 3);
    assert!(model.tokenizer.encode("c").unwrap_err().to_string().contains("<0x63>"));

    std::fs::write(path.join("merges.txt"), "a b c\n").unwrap();
    assert!(open(path).unwrap_err().contains("merges.txt: line 1 is not a pair"));
    std::fs::write(path.join("merges.txt"), "a Ġ\n").unwrap();
    assert!(open(path).unwrap_err().contains("merges \"a\" with \"Ġ\", but \"aĠ\" is no token"));
    std::fs::write(path.join("config.json"), r#"{"model_type": "mistral"}"#).unwrap();
    assert!(open(path).unwrap_err().contains("how this model splits words"));
}
