//! Files that lie: each is an error or a correct read, never a panic and never a large allocation.

#![allow(clippy::unwrap_used)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use proptest::prelude::*;
use support::{Gguf, gguf_string, tokenizer, weights};
use vene_checkpoint::{Checkpoint, ModelSource};

/// The largest single allocation that a small file may cause.
const LIMIT: usize = 8 << 20;

/// Notes the largest allocation of each thread.
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn open_gguf(bytes: &[u8]) -> Result<Checkpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, bytes).unwrap();
    Checkpoint::open(&ModelSource::Gguf(path), &mut |_| ()).map_err(|error| error.to_string())
}

fn open_folder(weights: &[u8], tokenizer: &[u8]) -> Result<Checkpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), support::CONFIG).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer).unwrap();
    Checkpoint::open(&ModelSource::Directory(folder.path().to_owned()), &mut |_| ())
        .map_err(|error| error.to_string())
}

/// Opens, and uses all that came of it.
fn exercise(open: impl FnOnce() -> Result<Checkpoint, String>) {
    LARGEST.set(0);
    match open() {
        Err(line) => assert!(!line.contains('\n') || line.contains("\\n"), "{line:?}"),
        Ok(model) => {
            for name in model.tensors.names() {
                let shape = model.tensors.shape(name).unwrap();
                if let Ok(weights) = model.tensors.read_f32(name, shape) {
                    assert_eq!(weights.len(), shape.iter().product::<usize>());
                    assert!(weights.iter().all(|weight| weight.is_finite()));
                }
            }
            if let Ok(encoding) = model.tokenizer.encode("a ab<s>\nb") {
                let _ = model.tokenizer.decode(&encoding.ids).unwrap();
                for id in encoding.ids {
                    let _ = model.tokenizer.display(id);
                }
            }
            let _ = model.tokenizer.single_token(" a");
        }
    }
    assert!(LARGEST.get() < LIMIT, "allocated {} bytes at once", LARGEST.get());
}

/// Overwrites, inserts, and cuts.
fn mutated(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = original.len();
    let interesting = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(vec![0xff; 8]),
        Just(vec![0; 8]),
        any::<u64>().prop_map(|number| number.to_le_bytes().to_vec()),
        (0u64..64).prop_map(|bit| (1u64 << bit).to_le_bytes().to_vec()),
    ];
    let edits = prop::collection::vec((0..len, interesting), 1..4);
    (edits, prop::option::weighted(0.3, 0..len)).prop_map(move |(edits, cut)| {
        let mut bytes = original.clone();
        for (at, new) in edits {
            for (old, new) in bytes[at..].iter_mut().zip(new) {
                *old = new;
            }
        }
        bytes.truncate(cut.unwrap_or(len));
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_gguf(bytes in mutated(Gguf::small().bytes())) {
        exercise(|| open_gguf(&bytes));
    }

    #[test]
    fn mutated_safetensors(bytes in mutated(weights())) {
        let tokenizer = tokenizer(serde_json::Value::Null);
        exercise(|| open_folder(&bytes, tokenizer.as_bytes()));
    }

    #[test]
    fn mutated_tokenizer(bytes in mutated(tokenizer(support::with_bos()).into_bytes())) {
        exercise(|| open_folder(&weights(), &bytes));
    }
}

#[test]
fn a_table_of_a_tokenizer_claims_no_more_than_is_there() {
    let claims = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": "/P///w=="});
    for (key, value) in [("model", serde_json::Value::Null), ("version", "1.0".into())] {
        let mut file: serde_json::Value =
            serde_json::from_str(&tokenizer(serde_json::Value::Null)).unwrap();
        file["normalizer"] = claims.clone();
        // The file is read in another way where something else is wrong with it, too.
        file[key] = value;
        exercise(|| open_folder(&weights(), file.to_string().as_bytes()));
    }
}

#[test]
fn every_truncation_of_a_gguf_file() {
    let whole = Gguf::small().bytes();
    for len in 0..whole.len() {
        let line = open_gguf(&whole[..len]).unwrap_err();
        assert!(line.contains("m.gguf: "), "{line}");
        // A download that was broken off, wherever that was.
        let is_told = line.contains("is cut short, or damaged: ") && line.contains("again");
        assert!(is_told || len < 4, "{len}: {line}");
    }
    let model = open_gguf(&whole).unwrap();
    assert_eq!(model.tensors.read_f32("x", &[2, 3]).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    // 0x97: the low nibble is 7, the high one 9, and 8 is zero.
    let y = model.tensors.read_f32("y", &[1, 32]).unwrap();
    assert_eq!((y[0], y[31]), (-1.0, 1.0));
    // A space goes in front (the default); `▁a` scores higher than `ab`.
    assert_eq!(model.tokenizer.encode("ab\n").unwrap().ids, [1, 5, 4, 7]);
    assert_eq!(model.tokenizer.encode("ab\n").unwrap().spans, [0..0, 0..1, 1..2, 2..3]);
    assert_eq!(model.tokenizer.single_token("ab").unwrap(), 6);
    assert_eq!(model.tokenizer.single_token(" a").unwrap(), 5);
    assert_eq!(model.tokenizer.decode(&[5, 4, 7]).unwrap(), "ab\n");
    assert!(model.tokenizer.encode("c").unwrap_err().to_string().contains("<0x63>"));
}

#[test]
fn lies_in_a_gguf_file_are_named() {
    let refuse = |change: &dyn Fn(&mut Gguf)| {
        let mut gguf = Gguf::small();
        change(&mut gguf);
        open_gguf(&gguf.bytes()).unwrap_err()
    };
    type Change<'a> = &'a dyn Fn(&mut Gguf);
    let cases: &[(&str, Change<'_>)] = &[
        ("tensor `y` lies past the end", &|g| g.data.truncate(40)),
        ("tensors `x` and `y` overlap", &|g| g.tensors[1].3 = 0),
        ("no multiple of the alignment", &|g| g.tensors[1].3 = 33),
        ("tensor `x` lies past the end", &|g| g.tensors[0].3 = u64::MAX - 31),
        ("stored as IQ3_S, which is not supported; supported are F32", &|g| g.tensors[0].2 = 21),
        ("stored as ggml type 99", &|g| g.tensors[0].2 = 99),
        ("rows must be whole blocks of 32", &|g| g.tensors[1].1 = vec![16, 2]),
        ("cannot be stored", &|g| g.tensors[0].1 = vec![1 << 40, 1 << 40]),
        ("an axis of impossible length", &|g| g.tensors[0].1 = vec![0, 2]),
        ("has 5 axes", &|g| g.tensors[0].1 = vec![1; 5]),
        ("tensor `x` occurs twice", &|g| g.tensors[1].0 = "x".to_owned()),
        ("metadata `tokenizer.ggml.model` occurs twice", &|g| {
            g.pair("tokenizer.ggml.model", 8, gguf_string("gpt2"));
        }),
        ("value type 77", &|g| g.pairs[0].1 = 77),
        ("array of arrays", &|g| g.pairs[3].2[0] = 9),
        ("more than its", &|g| g.pairs[2].2[4..12].fill(0xff)),
        ("is not UTF-8", &|g| g.pairs[0].2[8] = 0xff),
        ("8 tokens and 7 scores", &|g| {
            g.pairs.remove(3);
            g.numbers("tokenizer.ggml.scores", 6, &[[0; 4]; 7]);
        }),
        ("8 tokens and 9 tokenizer.ggml.token_type", &|g| {
            g.pairs.pop();
            g.numbers("tokenizer.ggml.token_type", 5, &[[1, 0, 0, 0]; 9]);
        }),
        ("is NaN for token 0", &|g| {
            g.pairs.remove(3);
            g.numbers("tokenizer.ggml.scores", 6, &[f32::NAN.to_le_bytes(); 8]);
        }),
        ("token 8 is outside of its 8 tokens", &|g| {
            g.pair("tokenizer.ggml.bos_token_id", 4, 8u32.to_le_bytes().to_vec());
        }),
        ("is the integer -1, expected an unsigned", &|g| {
            g.pair("general.alignment", 11, (-1i64).to_le_bytes().to_vec());
        }),
        ("not a power of two", &|g| {
            g.pair("general.alignment", 4, 24u32.to_le_bytes().to_vec());
        }),
        ("one of 3 parts of a model, but is not named as such", &|g| {
            g.pair("split.count", 2, 3u16.to_le_bytes().to_vec());
        }),
        ("part 2 of 3 of a model: give the first part", &|g| {
            g.pair("split.count", 2, 3u16.to_le_bytes().to_vec());
            g.pair("split.no", 2, 1u16.to_le_bytes().to_vec());
        }),
        ("neither 0 nor 1", &|g| {
            g.pair("tokenizer.ggml.add_bos_token", 7, vec![2]);
        }),
        ("kind `rwkv`", &|g| g.pairs[1].2 = gguf_string("rwkv")),
        ("no tokenizer.ggml.pre", &|g| g.pairs[1].2 = gguf_string("gpt2")),
        (
            "in the way `kimi-k2` (tokenizer.ggml.pre), which is not known here; known are gpt-2, phi-2",
            &|g| {
                g.pairs[1].2 = gguf_string("gpt2");
                g.pair("tokenizer.ggml.pre", 8, gguf_string("kimi-k2"));
            },
        ),
    ];
    for (expected, change) in cases {
        let line = refuse(*change);
        assert!(line.contains(expected), "expected {expected:?} in {line:?}");
        assert!(line.contains("m.gguf: ") && !line.contains('\n'), "{line:?}");
    }
    let mut bytes = Gguf::small().bytes();
    bytes[4] = 1;
    assert!(open_gguf(&bytes).unwrap_err().contains("GGUF version 1; versions 2 and 3"));
    bytes[4..8].copy_from_slice(&3u32.to_be_bytes());
    assert!(open_gguf(&bytes).unwrap_err().contains("big-endian"));
}
