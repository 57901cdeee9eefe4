//! GGUF: numbers, and texts each after its length.

use std::ops::Range;

use rand::RngExt;

use super::{Dice, bytes, changes, number, odd_text, pick};

pub fn mutated(dice: &mut Dice, mut seed: Vec<u8>, words: &[&str]) -> Vec<u8> {
    for _ in 0..changes(dice) {
        let fields = fields(&seed).unwrap_or_default();
        if fields.is_empty() || dice.random_ratio(1, 6) {
            bytes::change(dice, &mut seed, &[]);
            continue;
        }
        let field = pick(dice, &fields).clone();
        if field.is_text {
            let text = odd_text(dice, words).into_bytes();
            // With its length; or in its place, as much as there is room for.
            if dice.random() {
                let length = field.bytes.start - 8..field.bytes.start;
                seed.splice(field.bytes, text.iter().copied());
                seed.splice(length, (text.len() as u64).to_le_bytes());
            } else {
                seed[field.bytes].iter_mut().zip(text).for_each(|(old, new)| *old = new);
            }
        } else {
            let number = number(dice).to_le_bytes();
            let size = field.bytes.len().min(8);
            seed[field.bytes.start..field.bytes.start + size].copy_from_slice(&number[..size]);
        }
    }
    seed
}

#[derive(Clone, Debug)]
struct Field {
    bytes: Range<usize>,
    is_text: bool,
}

/// Where the numbers and texts of the header are.
fn fields(bytes: &[u8]) -> Option<Vec<Field>> {
    let mut walk = Walk { bytes, at: 4, fields: Vec::new() };
    walk.number(4)?;
    let (tensors, pairs) = (walk.number(8)?, walk.number(8)?);
    for _ in 0..pairs {
        walk.text()?;
        let kind = walk.number(4)?;
        walk.value(kind)?;
    }
    for _ in 0..tensors {
        walk.text()?;
        for _ in 0..walk.number(4)? {
            walk.number(8)?;
        }
        walk.number(4)?;
        walk.number(8)?;
    }
    Some(walk.fields)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn number(&mut self, size: usize) -> Option<u64> {
        let found = self.bytes.get(self.at..self.at.checked_add(size)?)?;
        let mut number = [0; 8];
        number[..size].copy_from_slice(found);
        self.fields.push(Field { bytes: self.at..self.at + size, is_text: false });
        self.at += size;
        Some(u64::from_le_bytes(number))
    }

    fn text(&mut self) -> Option<()> {
        let length = usize::try_from(self.number(8)?).ok()?;
        let end = self.at.checked_add(length)?;
        self.bytes.get(self.at..end)?;
        self.fields.push(Field { bytes: self.at..end, is_text: true });
        self.at = end;
        Some(())
    }

    fn value(&mut self, kind: u64) -> Option<()> {
        match kind {
            0 | 1 | 7 => self.number(1).map(drop),
            2 | 3 => self.number(2).map(drop),
            4..=6 => self.number(4).map(drop),
            10..=12 => self.number(8).map(drop),
            8 => self.text(),
            9 => {
                let (kind, count) = (self.number(4)?, self.number(8)?);
                (kind != 9).then_some(())?;
                (0..count).try_for_each(|_| self.value(kind))
            }
            _ => None,
        }
    }
}

/// A file as it is written: pairs, tensors, data.
#[derive(Default)]
pub struct Gguf {
    pairs: Vec<(String, u32, Vec<u8>)>,
    tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Gguf {
    fn pair(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.pairs.push((key.to_owned(), kind, value.to_vec()));
        self
    }

    fn text(self, key: &str, value: &str) -> Self {
        self.pair(key, 8, &text(value))
    }

    fn whole(self, key: &str, value: u32) -> Self {
        self.pair(key, 4, &value.to_le_bytes())
    }

    fn list(self, key: &str, kind: u32, items: &[Vec<u8>]) -> Self {
        let head = [kind.to_le_bytes().as_slice(), &(items.len() as u64).to_le_bytes()].concat();
        self.pair(key, 9, &[head, items.concat()].concat())
    }

    /// A tensor of floats that count up.
    fn tensor(mut self, name: &str, axes: &[u64]) -> Self {
        let count = axes.iter().product::<u64>();
        let data = (0..count).flat_map(|index| ((index % 7) as f32 * 0.1 - 0.3).to_le_bytes());
        self.tensors.push((name.to_owned(), axes.to_vec(), 0, data.collect()));
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.pairs {
            bytes.extend(text(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        let mut offset = 0u64;
        for (name, axes, kind, data) in &self.tensors {
            bytes.extend(text(name));
            bytes.extend((axes.len() as u32).to_le_bytes());
            axes.iter().for_each(|axis| bytes.extend(axis.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            offset = (offset + data.len() as u64).next_multiple_of(32);
        }
        for (_, _, _, data) in &self.tensors {
            bytes.resize(bytes.len().next_multiple_of(32), 0);
            bytes.extend(data);
        }
        bytes
    }
}

/// A Llama of one layer that loads: 8 wide, 2 heads, a vocabulary of 8.
pub fn small(tokenizer: &str) -> Gguf {
    let gguf = Gguf::default()
        .text("general.architecture", "llama")
        .whole("llama.block_count", 1)
        .whole("llama.context_length", 32)
        .whole("llama.embedding_length", 8)
        .whole("llama.feed_forward_length", 16)
        .whole("llama.attention.head_count", 2)
        .whole("llama.attention.head_count_kv", 2)
        .whole("llama.vocab_size", 8)
        .pair("llama.rope.freq_base", 6, &10000f32.to_le_bytes())
        .pair("llama.attention.layer_norm_rms_epsilon", 6, &1e-5f32.to_le_bytes())
        .text("tokenizer.ggml.model", tokenizer);
    let texts = |texts: [&str; 8]| texts.map(text);
    let gguf = if tokenizer == "gpt2" {
        let tokens = texts(["<|endoftext|>", "a", "b", "Ġ", "Ġa", "ab", "Ċ", "c"]);
        gguf.text("tokenizer.ggml.pre", "gpt-2")
            .list("tokenizer.ggml.tokens", 8, &tokens)
            .list("tokenizer.ggml.merges", 8, &[text("Ġ a"), text("a b")])
            .list(
                "tokenizer.ggml.token_type",
                5,
                &[3i32, 1, 1, 1, 1, 1, 1, 1].map(|kind| kind.to_le_bytes().to_vec()),
            )
            .whole("tokenizer.ggml.bos_token_id", 0)
    } else {
        let tokens = texts(["<unk>", "<s>", "▁", "a", "b", "▁a", "ab", "<0x0A>"]);
        let scores = [0.0f32, 0.0, -3.0, -4.0, -5.0, -1.0, -2.0, 0.0];
        gguf.list("tokenizer.ggml.tokens", 8, &tokens)
            .list("tokenizer.ggml.scores", 6, &scores.map(|score| score.to_le_bytes().to_vec()))
            .list(
                "tokenizer.ggml.token_type",
                5,
                &[2i32, 3, 1, 1, 1, 1, 1, 6].map(|kind| kind.to_le_bytes().to_vec()),
            )
            .whole("tokenizer.ggml.bos_token_id", 1)
            .pair("tokenizer.ggml.add_bos_token", 7, &[1])
    };
    let mut gguf = gguf.tensor("token_embd.weight", &[8, 8]).tensor("output_norm.weight", &[8]);
    for (name, axes) in [
        ("attn_norm", &[8][..]),
        ("ffn_norm", &[8]),
        ("attn_q", &[8, 8]),
        ("attn_k", &[8, 8]),
        ("attn_v", &[8, 8]),
        ("attn_output", &[8, 8]),
        ("ffn_gate", &[8, 16]),
        ("ffn_up", &[8, 16]),
        ("ffn_down", &[16, 8]),
    ] {
        gguf = gguf.tensor(&format!("blk.0.{name}.weight"), axes);
    }
    gguf
}

/// A file of tensors with a tokenizer of two tokens, without which none is opened.
pub fn with_tokenizer(bytes: &[u8]) -> Vec<u8> {
    let zeros = vec![0f32.to_le_bytes().to_vec(); 2];
    let mut pairs = Gguf::default()
        .text("tokenizer.ggml.model", "llama")
        .list("tokenizer.ggml.tokens", 8, &[text("a"), text("<s>")])
        .list("tokenizer.ggml.scores", 6, &zeros);
    let length = |pairs: &Gguf| {
        pairs.pairs.iter().map(|(key, _, value)| 8 + key.len() + 4 + value.len()).sum::<usize>()
    };
    // What follows keeps its alignment.
    let filling = 32 - (length(&pairs) + 8 + 4 + 4 + 8) % 32;
    pairs = pairs.text("fill", &"x".repeat(filling));
    let mut new = Vec::new();
    for (key, kind, value) in &pairs.pairs {
        new.extend(text(key));
        new.extend(kind.to_le_bytes());
        new.extend(value);
    }
    let Some((head, rest)) = bytes.split_at_checked(24) else { return bytes.to_vec() };
    let count = head[16..].iter().rev().fold(0u64, |count, byte| count << 8 | u64::from(*byte)) + 4;
    [&head[..16], &count.to_le_bytes(), &new, rest].concat()
}
