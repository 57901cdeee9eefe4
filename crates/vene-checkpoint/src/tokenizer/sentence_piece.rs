//! SentencePiece's byte-pair encoding, as GGUF files with `tokenizer.ggml.model = llama` want it.
//!
//! There is no list of merges: of all neighbours whose concatenation is in the vocabulary, the
//! pair of the highest score is joined first, the leftmost of equals. The same piece may come of
//! different pairs, which all have its one score; a list of merges with a rank for each pair orders
//! such ties otherwise, so that the algorithm is written out here rather than expressed as merges.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use super::piece::{SPACE, Spelling, spelled_byte};
use super::vocabulary::{Kind, Vocabulary};
use crate::CheckpointError;

/// Pieces with scores.
#[derive(Debug)]
pub(super) struct SentencePiece {
    vocabulary: Vocabulary,
    scores: Vec<f32>,
    /// The token of each byte, for characters that have none of their own.
    bytes: HashMap<u8, u32>,
    /// Whether a space goes before the text (and after special tokens).
    space_prefix: bool,
}

/// Characters that were joined so far.
struct Symbol {
    /// In the text with spaces replaced.
    piece: Range<usize>,
    /// In the text as given.
    span: Range<usize>,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that could be joined.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both together: where it no longer fits, one of them was joined otherwise.
    len: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

impl SentencePiece {
    pub fn new(
        file: &str,
        vocabulary: Vocabulary,
        scores: Vec<f32>,
        space_prefix: bool,
    ) -> Result<Self, CheckpointError> {
        if scores.len() != vocabulary.len() {
            return Err(CheckpointError::malformed(
                file,
                format!(
                    "has {} tokens and {} scores in tokenizer.ggml.scores",
                    vocabulary.len(),
                    scores.len()
                ),
            ));
        }
        if let Some(id) = scores.iter().position(|score| score.is_nan()) {
            return Err(CheckpointError::malformed(
                file,
                format!("tokenizer.ggml.scores is NaN for token {id}"),
            ));
        }
        let bytes =
            vocabulary.iter().filter_map(|(id, text)| Some((spelled_byte(text)?, id))).collect();
        Ok(Self { vocabulary, scores, bytes, space_prefix })
    }

    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Whether decoding has to take a first space away.
    pub fn space_prefix(&self) -> bool {
        self.space_prefix
    }

    /// The bytes that a token stands for.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let text = self.vocabulary.text(id)?;
        Some(match self.vocabulary.kind(id) {
            Kind::Special | Kind::UserDefined => text.as_bytes().to_vec(),
            Kind::Normal => Spelling::SentencePiece.bytes(text),
        })
    }

    /// Tokens with the bytes of `text` that they cover. `prefix` lets the model's own rule about a
    /// leading space apply; without it the text stands as if in the middle of another.
    pub fn encode(
        &self,
        text: &str,
        prefix: bool,
    ) -> Result<Vec<(u32, Range<usize>)>, CheckpointError> {
        let mut tokens = Vec::new();
        let mut after_special = true;
        for (token, span) in self.vocabulary.split_at_special_tokens(text) {
            match token {
                Some(id) => {
                    tokens.push((id, span));
                    after_special = true;
                }
                None => {
                    let space = prefix && self.space_prefix && after_special;
                    self.encode_plain(text, span, space, &mut tokens)?;
                    after_special = false;
                }
            }
        }
        Ok(tokens)
    }

    /// Encodes a stretch of text without special tokens.
    fn encode_plain(
        &self,
        text: &str,
        stretch: Range<usize>,
        space: bool,
        tokens: &mut Vec<(u32, Range<usize>)>,
    ) -> Result<(), CheckpointError> {
        let plain = text.get(stretch.clone()).unwrap_or_default();
        let mut pieces = String::with_capacity(plain.len() * 2);
        let mut symbols: Vec<Symbol> = Vec::with_capacity(plain.len() + 1);
        let prefix = space.then_some((stretch.start..stretch.start, ' '));
        let characters = plain.char_indices().map(|(at, character)| {
            let at = stretch.start + at;
            (at..at + character.len_utf8(), character)
        });
        for (span, character) in prefix.into_iter().chain(characters) {
            let start = pieces.len();
            pieces.push(if character == ' ' { SPACE } else { character });
            let index = symbols.len();
            if let Some(previous) = symbols.last_mut() {
                previous.next = Some(index);
            }
            symbols.push(Symbol {
                piece: start..pieces.len(),
                span,
                previous: index.checked_sub(1),
                next: None,
            });
        }

        let mut pairs = BinaryHeap::new();
        for left in 1..symbols.len() {
            self.propose(&pieces, &symbols, Some(left - 1), Some(left), &mut pairs);
        }
        while let Some(pair) = pairs.pop() {
            let (left, right) = (&symbols[pair.left], &symbols[pair.right]);
            if left.piece.is_empty()
                || right.piece.is_empty()
                || left.piece.len() + right.piece.len() != pair.len
            {
                continue;
            }
            let (piece_end, span_end, next) = (right.piece.end, right.span.end, right.next);
            symbols[pair.right].piece = 0..0;
            let left = &mut symbols[pair.left];
            left.piece.end = piece_end;
            left.span.end = span_end;
            left.next = next;
            let previous = left.previous;
            if let Some(next) = next {
                symbols[next].previous = Some(pair.left);
            }
            self.propose(&pieces, &symbols, previous, Some(pair.left), &mut pairs);
            self.propose(&pieces, &symbols, Some(pair.left), next, &mut pairs);
        }

        for symbol in symbols.iter().filter(|symbol| !symbol.piece.is_empty()) {
            let piece = &pieces[symbol.piece.clone()];
            if let Some(id) = self.vocabulary.id(piece) {
                tokens.push((id, symbol.span.clone()));
                continue;
            }
            for byte in piece.bytes() {
                let id = self.bytes.get(&byte).ok_or_else(|| CheckpointError::Encode {
                    text: text.chars().take(40).collect(),
                    problem: format!(
                        "its vocabulary has neither {piece:?} nor the byte <0x{byte:02X}>"
                    ),
                })?;
                tokens.push((*id, symbol.span.clone()));
            }
        }
        Ok(())
    }

    /// Adds a pair of neighbours to the queue, if together they are a piece.
    fn propose(
        &self,
        pieces: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
        pairs: &mut BinaryHeap<Pair>,
    ) {
        let (Some(left), Some(right)) = (left, right) else {
            return;
        };
        let joined = symbols[left].piece.start..symbols[right].piece.end;
        let Some(id) = self.vocabulary.id(&pieces[joined.clone()]) else {
            return;
        };
        if let Some(&score) = self.scores.get(id as usize) {
            pairs.push(Pair { score, left, right, len: joined.len() });
        }
    }
}
