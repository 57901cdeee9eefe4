//! How large a text may become on its way through a tokenizer.
//!
//! A `tokenizer.json` of a few kilobytes can ask that every letter be replaced by a thousand others,
//! ten times over. The library would follow it until no memory is left. So the worst that each step can
//! do is read from the file; where that is too much for a text, the steps are tried one by one, each only
//! if what it may make of what is there still fits.

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper};

use super::parts::sentence;

/// A text may become this many times as large, and a little more, and never larger than [`LARGEST`].
/// The largest factor that any known normalizer has is 11 (NFKC of one Arabic ligature).
const FACTOR: f64 = 64.0;
const SMALL: f64 = (1u64 << 20) as f64;
const LARGEST: f64 = (32u64 << 20) as f64;

/// How many times a file may spell bytes as characters; twice makes no sense already.
const BYTE_LEVELS: usize = 4;

/// Bounds of what a file's steps make of texts.
#[derive(Debug, Default)]
pub(super) struct Budget {
    normalizers: Vec<Step>,
    decoders: Vec<Bound>,
}

#[derive(Debug)]
struct Step {
    normalizer: NormalizerWrapper,
    bound: Bound,
}

/// A text of `n` bytes in `p` pieces becomes at most `factor * n + each * p` bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    factor: f64,
    each: f64,
}

impl Bound {
    const SAME: Self = Self { factor: 1.0, each: 0.0 };

    fn of(self, bytes: f64, pieces: f64) -> f64 {
        self.factor * bytes + self.each * pieces
    }
}

impl Budget {
    /// Reads the bounds out of the parts of a `tokenizer.json`.
    ///
    /// # Errors
    /// A normalizer is not known to the library, or the parts make no sense at any text's length.
    pub fn read(
        normalizer: Option<&Value>,
        pre_tokenizer: Option<&Value>,
        decoder: Option<&Value>,
    ) -> Result<Self, String> {
        let normalizers = flat(normalizer, "normalizers")
            .into_iter()
            .map(|value| {
                let refuse = |problem: &str| sentence("normalizer", Some(kind(value)), problem);
                // The library takes lists for tables, in which nothing would be found here.
                if !value.is_object() {
                    return Err(refuse("is a list or a single value; a table is expected"));
                }
                let charsmap = value.get("precompiled_charsmap").and_then(Value::as_str);
                check_charsmap(charsmap.unwrap_or_default()).map_err(|problem| refuse(&problem))?;
                let normalizer = super::library::guarded(|| {
                    NormalizerWrapper::deserialize(value).map_err(Into::into)
                })
                .map_err(|problem| refuse(&problem))?;
                let bound = normalizing(value);
                Ok(Step { normalizer, bound })
            })
            .collect::<Result<_, String>>()?;
        let spellings = flat(pre_tokenizer, "pretokenizers")
            .into_iter()
            .filter(|value| kind(value) == "ByteLevel")
            .count();
        if spellings > BYTE_LEVELS {
            return Err(format!(
                "spells bytes as characters {spellings} times over (pre-tokenizers of the type ByteLevel); one is expected"
            ));
        }
        let decoders = flat(decoder, "decoders").into_iter().map(decoding).collect();
        Ok(Self { normalizers, decoders })
    }

    /// Checks that a text may be normalized; `pieces` says how many stretches it is cut into before.
    ///
    /// # Errors
    /// It would become too large.
    pub fn allow_text(&self, text: &str, pieces: impl FnOnce() -> usize) -> Result<(), String> {
        let limit = limit(text.len());
        let len = text.len() as f64;
        // Fewer pieces than bytes, and one in any case.
        if worst(self.normalizers.iter().map(|step| step.bound), len, len + 1.0) <= limit {
            return Ok(());
        }
        let pieces = pieces() as f64;
        let mut normalized = NormalizedString::from(text);
        for step in &self.normalizers {
            if step.bound.of(normalized.len() as f64, pieces) > limit {
                return Err(too_large(text.len(), limit));
            }
            super::library::guarded(|| step.normalizer.normalize(&mut normalized))?;
        }
        Ok(())
    }

    /// Checks that tokens whose entries have so many bytes may be decoded.
    ///
    /// # Errors
    /// Their text might become too large.
    pub fn allow_tokens(&self, tokens: usize, bytes: usize) -> Result<(), String> {
        let limit = limit(bytes);
        if worst(self.decoders.iter().copied(), bytes as f64, tokens as f64) <= limit {
            Ok(())
        } else {
            Err(too_large(bytes, limit))
        }
    }
}

fn limit(bytes: usize) -> f64 {
    (SMALL + FACTOR * bytes as f64).min(LARGEST.max(bytes as f64))
}

fn too_large(bytes: usize, limit: f64) -> String {
    format!(
        "its steps (normalizers, decoders) make more than {limit:.0} bytes of a text of {bytes} bytes"
    )
}

fn worst(bounds: impl Iterator<Item = Bound>, bytes: f64, pieces: f64) -> f64 {
    let mut bytes = bytes;
    let mut largest = bytes;
    for bound in bounds {
        bytes = bound.of(bytes, pieces);
        largest = largest.max(bytes);
    }
    largest
}

/// The steps in a sequence of them, however deep they lie.
fn flat<'a>(value: Option<&'a Value>, key: &str) -> Vec<&'a Value> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Vec::new();
    };
    match value.get(key).and_then(Value::as_array) {
        Some(parts) => parts.iter().flat_map(|part| flat(Some(part), key)).collect(),
        None => vec![value],
    }
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn normalizing(value: &Value) -> Bound {
    // Older files leave the type out; the keys tell it as well.
    if value.get("content").is_some() {
        return replacing(value);
    }
    if value.get("prepend").is_some() {
        return Bound { factor: 1.0, each: text(value, "prepend").len() as f64 };
    }
    if value.get("precompiled_charsmap").is_some() {
        return Bound { factor: longest_entry(text(value, "precompiled_charsmap")), each: 0.0 };
    }
    match kind(value) {
        "ByteLevel" => Bound { factor: 2.0, each: 0.0 },
        "NFKC" | "NFKD" => Bound { factor: 12.0, each: 0.0 },
        // Decomposed, lowered, with spaces around.
        _ => Bound { factor: 8.0, each: 0.0 },
    }
}

fn decoding(value: &Value) -> Bound {
    match kind(value) {
        "Replace" => replacing(value),
        "Fuse" | "Strip" => Bound::SAME,
        // An empty suffix or delimiter is found before every character, and becomes a space.
        _ => Bound { factor: 3.0, each: 3.0 },
    }
}

fn replacing(value: &Value) -> Bound {
    let content = text(value, "content").len() as f64;
    let pattern = value.pointer("/pattern/String").and_then(Value::as_str).map(str::len);
    match pattern.filter(|&len| len > 0) {
        Some(len) => Bound { factor: (content / len as f64).max(1.0), each: 0.0 },
        // A regular expression may find nothing before every character.
        None => Bound { factor: 1.0 + content, each: content },
    }
}

/// The library takes memory for a charsmap's trie by the length that is written before it.
fn check_charsmap(base64: &str) -> Result<(), String> {
    let bytes = decode_base64(base64);
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(()) };
    let length = u32::from_le_bytes(*length) as usize;
    if length <= rest.len() {
        return Ok(());
    }
    Err(format!("its table claims {length} bytes, and {} are there", rest.len()))
}

/// The longest text that a charsmap (in base64: the length of a trie, the trie, and texts that each end
/// in a zero) puts in the place of a character.
fn longest_entry(base64: &str) -> f64 {
    let bytes = decode_base64(base64);
    let trie = bytes.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let texts = bytes.get(trie.saturating_add(4)..).unwrap_or_default();
    let longest = texts.split(|&byte| byte == 0).map(<[u8]>::len).max().unwrap_or(0);
    longest.max(1) as f64
}

/// Bytes of base64; the library refuses what is none.
fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn replace(pattern: Value, content: &str) -> Value {
        json!({"type": "Replace", "pattern": pattern, "content": content})
    }

    #[test]
    fn what_ordinary_files_do_fits() {
        let sentence_piece = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, replace(json!({"String": " "}), "▁")]});
        let decoder = json!({"type": "Sequence", "decoders": [
            replace(json!({"String": "▁"}), " "), {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]});
        let budget = Budget::read(Some(&sentence_piece), None, Some(&decoder)).unwrap();
        budget.allow_text(&" ".repeat(1 << 20), || panic!("no need to look")).unwrap();
        budget.allow_tokens(1 << 17, 1 << 20).unwrap();
        // Thirty expressions whose worst would be 2^30, and which find little.
        let many: Vec<Value> = (0..30).map(|_| replace(json!({"Regex": "[«»]+"}), "\"")).collect();
        let budget =
            Budget::read(Some(&json!({"type": "Sequence", "normalizers": many})), None, None)
                .unwrap();
        budget.allow_text(&"« and » ".repeat(1000), || 1).unwrap();
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let grow = replace(json!({"String": "a"}), &"a".repeat(200));
        let chain = json!({"type": "Sequence", "normalizers": vec![grow.clone(); 10]});
        let budget = Budget::read(Some(&chain), None, None).unwrap();
        let error = budget.allow_text("banana", || 1).unwrap_err();
        assert!(error.contains("of a text of 6 bytes"), "{error}");
        budget.allow_text("bonbon", || 1).unwrap();
        let long = json!({"type": "Prepend", "prepend": "a".repeat(4000)});
        let budget = Budget::read(Some(&long), None, None).unwrap();
        budget.allow_text(&"b".repeat(2000), || 1).unwrap();
        budget.allow_text(&"b".repeat(2000), || 1000).unwrap_err();
        let chain = json!({"type": "Sequence", "decoders": vec![grow; 10]});
        let budget = Budget::read(None, None, Some(&chain)).unwrap();
        budget.allow_tokens(6, 6).unwrap_err();
        let levels =
            json!({"type": "Sequence", "pretokenizers": vec![json!({"type": "ByteLevel"}); 40]});
        assert!(Budget::read(None, Some(&levels), None).unwrap_err().contains("40 times"));
    }

    #[test]
    fn the_longest_text_of_a_charsmap() {
        // A trie of four bytes, then "ab", "abc" and "a".
        assert_eq!(decode_base64("BAAAAAAAAABhYgBhYmMAYQA="), b"\x04\0\0\0\0\0\0\0ab\0abc\0a\0");
        assert_eq!(longest_entry("BAAAAAAAAABhYgBhYmMAYQA="), 3.0);
        assert_eq!(longest_entry(""), 1.0);
    }

    #[test]
    fn a_charsmap_claims_no_more_than_is_there() {
        check_charsmap("BAAAAAAAAABhYgBhYmMAYQA=").unwrap();
        check_charsmap("").unwrap();
        // A trie of 2^32 - 4 bytes.
        let claims = json!({"type": "Precompiled", "precompiled_charsmap": "/P///w=="});
        let nested = json!({"type": "Sequence", "normalizers": [claims]});
        for normalizer in [&claims, &nested] {
            let line = Budget::read(Some(normalizer), None, None).unwrap_err();
            assert!(line.contains("claims 4294967292 bytes, and 0 are there"), "{line}");
        }
        for hidden in [json!([[claims]]), json!(["/P///w=="]), json!({"normalizers": [[claims]]})] {
            let line = Budget::read(Some(&hidden), None, None).unwrap_err();
            assert!(line.contains("a table is expected"), "{line}");
        }
    }
}
