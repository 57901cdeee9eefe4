//! Which part of a `tokenizer.json` cannot be read, in words.
//!
//! The library says where it stopped, by the names of its own types. So a file that it refuses is read
//! once more part by part, and the part is named by its key.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use tokenizers::{
    DecoderWrapper, ModelWrapper, PaddingParams, PostProcessorWrapper, PreTokenizerWrapper,
    TruncationParams,
};

use super::budget::Budget;
use super::library::guarded;
use crate::json::{NO_VARIANT, plain};

/// Reads one part alone; gives what is wrong with it.
macro_rules! part {
    ($key:ident: $kind:ty) => {
        |bytes| {
            #[derive(Deserialize)]
            struct Alone {
                #[allow(dead_code)]
                $key: $kind,
            }
            #[derive(Deserialize)]
            struct Named {
                $key: Typed,
            }
            let problem = guarded(|| read::<Alone>(bytes)).err()?;
            let kind = read::<Named>(bytes).ok().and_then(|named| named.$key.kind);
            Some(Fault { key: stringify!($key), kind, problem })
        }
    };
}

struct Fault {
    key: &'static str,
    kind: Option<String>,
    problem: String,
}

/// Reads one part of a file, and says what is wrong with it.
type Check = fn(&[u8]) -> Option<Fault>;

/// The parts that the library reads, but for normalizers.
const PARTS: [Check; 7] = [
    part!(model: ModelWrapper),
    part!(pre_tokenizer: Option<PreTokenizerWrapper>),
    part!(post_processor: Option<PostProcessorWrapper>),
    part!(decoder: Option<DecoderWrapper>),
    part!(added_tokens: Option<Vec<Added>>),
    part!(truncation: Option<TruncationParams>),
    part!(padding: Option<PaddingParams>),
];

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code)]
struct Added {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> tokenizers::Result<T> {
    serde_json::from_slice(bytes).map_err(Into::into)
}

/// Why a file is not a tokenizer that can be used; `problem` is what its reader said.
pub(super) fn explain(bytes: &[u8], problem: &str) -> String {
    let refuse = |why: &str| format!("is no tokenizer.json: {why}");
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(bytes) {
        return refuse(&format!("it is not JSON ({error})"));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return refuse("it is not a JSON object");
    }
    let fault = PARTS.iter().find_map(|part| part(bytes));
    let told = fault.map(|Fault { key, kind, problem: own }| {
        // Of a model its first reader knows the fields.
        let is_vague = key == "model" && own.starts_with(NO_VARIANT);
        sentence(key, kind.as_deref(), if is_vague { problem } else { &own })
    });
    told.or_else(|| normalizer(bytes)).unwrap_or_else(|| match plain(problem) {
        Some(problem) => refuse(&problem),
        None => refuse("its parts do not fit each other"),
    })
}

/// Normalizers are looked at before the library reads them: a few bytes can ask it for gigabytes.
fn normalizer(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Alone {
        normalizer: Option<Value>,
    }
    let alone: Alone = read(bytes).ok()?;
    Budget::read(alone.normalizer.as_ref(), None, None).err()
}

/// What is wrong with a part of the file, by its key.
pub(super) fn sentence(key: &str, kind: Option<&str>, problem: &str) -> String {
    let kind = kind.map_or_else(String::new, |kind| {
        let kind: String = kind.chars().take(40).collect();
        format!(" (of the type {kind:?})")
    });
    let problem = plain(problem).map_or_else(String::new, |problem| format!(": {problem}"));
    format!("is no tokenizer.json: its `{key}`{kind} cannot be used{problem}")
}
