//! Folders that are not a model that can be opened: what is there instead is said, and what to do.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use support::{CONFIG, Gguf, write_model};
use vene_checkpoint::{Checkpoint, ModelSource};

fn open(folder: &Path) -> Result<Checkpoint, String> {
    Checkpoint::open(&ModelSource::Directory(folder.to_owned()), &mut |_| ()).map_err(|error| {
        let line = error.to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    })
}

/// Opens a folder of these files (`name/` is an empty folder in it) and gives the error, in which the
/// folder is called `F`.
fn refusal(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = folder.path().join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, contents).unwrap();
        }
    }
    open(folder.path()).unwrap_err().replace(folder.path().to_str().unwrap(), "F")
}

#[test]
fn what_is_there_without_a_configuration() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "F has no config.json; it is empty"),
        (
            &["notes.md"],
            "F has no config.json; a model's folder holds config.json, model.safetensors",
        ),
        (
            &["plan.json", "interventions.safetensors"],
            "F has no config.json; it holds a trained plan, not a model: give F with --plan",
        ),
        (
            &["run.json", "training.csv", "trained/plan.json", "trained/interventions.safetensors"],
            "it holds a trained plan, not a model: give F/trained with --plan",
        ),
        (&["m.gguf", "config.yaml"], "but GGUF files: give one of them, such as F/m.gguf"),
        (&["imatrix.gguf", "q/m.gguf"], "but GGUF files: give one of them, such as F/q/m.gguf"),
        (&["m.imatrix.gguf"], "only a GGUF file that is no model by itself (m.imatrix.gguf)"),
        (
            &["refs/main", "snapshots/0123/x"],
            "the hub's cache of a repository: give F/snapshots/0123",
        ),
        (
            &["global_step5/mp_rank_00_model_states.pt", "latest"],
            "a training's state of DeepSpeed (global_step5/mp_rank_00_model_states.pt)",
        ),
        (
            &["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"],
            "it is an adapter (adapter_config.json) and not a whole model: merge it into the model",
        ),
        (&["fp16/config.json", "fp16/model.safetensors"], "the folder fp16/ in it: give F/fp16"),
        (
            &["checkpoint-500/config.json", "checkpoint-1000/config.json", "trainer_state.json"],
            "a training's output with checkpoint-500/, checkpoint-1000/: give one of them, such as F/checkpoint-1000",
        ),
        (
            &["checkpoint-500/"],
            "it is a training's output, and checkpoint-500/ in it holds no model either",
        ),
        (
            &["params.json", "consolidated.00.pth", "tokenizer.model"],
            "Meta's or Mistral's own format (consolidated.00.pth)",
        ),
        (&["params.json", "consolidated.safetensors"], "own format (consolidated.safetensors)"),
        (&["modules.json", "0_Transformer/"], "it is of sentence-transformers"),
        (&["model_index.json", "unet/x"], "it is a pipeline of diffusers"),
        (
            &["model.safetensors"],
            "only weights (model.safetensors): get config.json and tokenizer.json",
        ),
        (
            &["pytorch_model.bin"],
            "only PyTorch pickles (pytorch_model.bin), which can run any code",
        ),
        (&["tokenizer.json", "tokenizer_config.json"], "only a tokenizer (tokenizer.json)"),
        (&["flax_model.msgpack"], "only weights of Flax (flax_model.msgpack)"),
    ];
    for (files, expected) in cases {
        let files: Vec<(&str, &str)> = files.iter().map(|&name| (name, "{}")).collect();
        let line = refusal(&files);
        assert!(line.contains(expected), "{files:?}: {line}");
    }
    // The hub's own cache, as people find it on their disk.
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("models--org--name");
    std::fs::create_dir_all(folder.join("snapshots/0123")).unwrap();
    assert!(open(&folder).unwrap_err().ends_with("the hub's cache of a repository: give org/name"));
}

#[test]
fn what_is_there_without_weights_or_tokenizer() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "F has no model.safetensors (or model.safetensors.index.json with its shards)"),
        (&["pytorch_model.bin"], "F has no model.safetensors, only PyTorch pickles"),
        (
            &["ggml-model-q4_0.bin"],
            "but ggml-model-q4_0.bin, which is in an old format of llama.cpp (GGML)",
        ),
        (
            &["model.fp16.safetensors"],
            "but model.fp16.safetensors: if these are the model's weights, rename",
        ),
        (&["pytorch_model.safetensors"], "but pytorch_model.safetensors: if these"),
        (
            &["model-00001-of-00002.safetensors"],
            "but shards (model-00001-of-00002.safetensors): get model.safetensors.index.json",
        ),
        (&["adapter_model.safetensors"], "only an adapter (adapter_model.safetensors)"),
        (&["m.Q8_0.gguf"], "but GGUF files: give one of them, such as F/m.Q8_0.gguf"),
        (&["mmproj-m.gguf", "z.gguf"], "give one of them, such as F/z.gguf"),
        (&["weights.npz"], "only weights of MLX or NumPy (weights.npz)"),
        (&["onnx/model.onnx"], "only weights of ONNX (onnx/model.onnx)"),
        (
            &["model.safetensors.incomplete"],
            "only a download that was broken off (model.safetensors.incomplete): download it again",
        ),
        (&["zero_pp_rank_0_mp_rank_00_optim_states.pt"], "only a training's state of DeepSpeed"),
        (&["model.safetensors", "tiktoken.model"], "only tiktoken.model, which is not read here"),
        (&["tf_model.h5"], "only weights of TensorFlow (tf_model.h5)"),
        (&["model.safetensors"], "has no tokenizer.json (or vocab.json and merges.txt)"),
        (
            &["model.safetensors", "tokenizer.model"],
            "only tokenizer.model, which is not read here; let transformers make one",
        ),
        (&["model.safetensors", "vocab.txt"], "only vocab.txt, which is not read here"),
        (&["model.safetensors", "vocab.json"], "only vocab.json, which"),
    ];
    for (files, expected) in cases {
        let mut files: Vec<(&str, &str)> = files.iter().map(|&name| (name, "{}")).collect();
        files.push(("config.json", CONFIG));
        let line = refusal(&files);
        assert!(line.contains(expected), "{files:?}: {line}");
    }
}

#[test]
fn stand_ins_for_files_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    let page = "<!DOCTYPE html>\n<html>not found</html>";
    for name in ["model.safetensors", "tokenizer.json", "config.json"] {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        std::fs::write(folder.path().join(name), pointer).unwrap();
        let line = open(folder.path()).unwrap_err();
        assert!(
            line.contains(&format!("{name}: is only git-lfs's pointer to the file of 12345 bytes")),
            "{line}"
        );
        assert!(line.contains("run `git lfs pull`"), "{line}");
        std::fs::write(folder.path().join(name), page).unwrap();
        let line = open(folder.path()).unwrap_err();
        assert!(line.contains("is a page of the web (HTML), not the file"), "{line}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, pointer).unwrap();
    let error = Checkpoint::open(&ModelSource::Gguf(path), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("m.gguf: is only git-lfs's pointer"), "{error}");
}

#[test]
fn a_text_in_place_of_weights_is_quoted() {
    let long = "/annex/objects/SHA256E-s12345--".to_owned() + &"0123456789abcdef".repeat(20);
    for (text, quoted) in [
        ("Entry not found", "it begins \"Entry not found\""),
        ("# xet version 0\nfilesize = 5\n", "it begins \"# xet version 0\\nfilesize = 5\""),
        ("Oops", "it begins \"Oops\""),
        (&long, "it begins \"/annex/objects/SHA256E-s12345--0123456789abcdef0123456789abc…\""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        std::fs::write(folder.path().join("model.safetensors"), text).unwrap();
        let line = open(folder.path()).unwrap_err();
        assert!(line.contains("model.safetensors: is a text and not"), "{line}");
        assert!(line.ends_with(quoted), "{line}");
    }
}

#[test]
fn value_heads_and_adapters_beside_a_model_are_named() {
    for (file, expected) in [
        ("value_head.safetensors", "has a value head (value_head.safetensors)"),
        ("value_head.bin", "has a value head (value_head.bin)"),
        ("v_head.bin", "has a value head (v_head.bin)"),
        ("adapter_model.safetensors", "has an adapter (adapter_model.safetensors)"),
        ("adapter_model.bin", "has an adapter (adapter_model.bin)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        std::fs::write(folder.path().join(file), "x").unwrap();
        let notices = open(folder.path()).unwrap().notices.all();
        assert!(notices.len() == 1 && notices[0].contains(expected), "{notices:?}");
    }
}

#[test]
fn an_adapter_beside_a_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    assert_eq!(open(folder.path()).unwrap().notices.all(), [] as [String; 0]);
    std::fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    let notices = open(folder.path()).unwrap().notices.all();
    assert!(
        notices.len() == 1 && notices[0].contains("has an adapter (adapter_config.json)"),
        "{notices:?}"
    );
}

#[cfg(unix)]
#[test]
fn pipes_and_dangling_links_are_refused_and_never_block() {
    for name in ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"] {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        let path = folder.path().join(name);
        let _ = std::fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let line = open(folder.path()).unwrap_err();
        assert!(line.contains(name) && line.contains("a pipe is there"), "{line}");
        std::fs::remove_file(&path).unwrap();
        if name != "generation_config.json" {
            std::os::unix::fs::symlink("nothing", &path).unwrap();
            let line = open(folder.path()).unwrap_err();
            assert!(line.contains(&format!("{name}, only a link to something")), "{line}");
        }
    }
}

#[test]
fn a_gguf_model_in_parts_is_opened_by_its_first() {
    let folder = tempfile::tempdir().unwrap();
    let at = |number: u16| folder.path().join(format!("m-{number:05}-of-00002.gguf"));
    let u16s = |value: u16| value.to_le_bytes().to_vec();
    let (mut first, mut second) = (Gguf::small(), Gguf::default());
    let y = first.tensors.pop().unwrap();
    first.pair("split.no", 2, u16s(0)).pair("split.count", 2, u16s(2));
    first.pair("split.tensors.count", 5, 2i32.to_le_bytes().to_vec());
    second.tensors.push((y.0, y.1, y.2, 0));
    second.data = first.data.split_off(32);
    second.pair("split.no", 2, u16s(1)).pair("split.count", 2, u16s(2));
    std::fs::write(at(1), first.bytes()).unwrap();
    let open = |number| {
        Checkpoint::open(&ModelSource::Gguf(at(number)), &mut |_| ()).map_err(|e| e.to_string())
    };
    assert!(open(1).unwrap_err().contains("m-00002-of-00002.gguf"));
    std::fs::write(at(2), second.bytes()).unwrap();
    let model = open(1).unwrap();
    assert_eq!(model.tensors.read_f32("x", &[2, 3]).unwrap()[5], 6.0);
    assert_eq!(model.tensors.read_f32("y", &[1, 32]).unwrap()[0], -1.0);
    let files: Vec<&str> = model.provenance.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]);
    assert!(open(2).unwrap_err().contains("is part 2 of 2 of a model: give the first part"));
    // The second part of another model.
    second.pairs[0].2 = u16s(0);
    std::fs::write(at(2), second.bytes()).unwrap();
    assert!(open(1).unwrap_err().contains("does not say that it is part 2 of 2"));
}
