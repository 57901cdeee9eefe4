//! Rows of tokens: lines joined to documents, documents packed end to end.
//!
//! A document is one to three lines. Every row begins with a fresh document and nothing in front of it, as
//! prompts do; its last document is cut off where the row ends. No position is padding.

use anyhow::{Result, anyhow};
use candle_core::{Device, Tensor};
use rand::RngExt;
use rand::rngs::StdRng;
use tokenizers::Tokenizer;

use crate::corpus::{Corpus, Line};
use crate::tokenizer::{END_OF_TEXT, encode};

/// Tokens to read and tokens to predict, and where the subjects are.
pub struct Batch {
    /// `[row, position]`, u32.
    pub tokens: Tensor,
    /// The next token of each position, `[row · position]`, u32.
    pub targets: Tensor,
    /// What each prediction counts in the loss, `[row · position]`: answers more than other tokens.
    pub weights: Vec<f32>,
    /// 1 where a token belongs to the country of a fact, else 0: `[row, position]`, f32.
    pub subjects: Tensor,
}

/// Packs lines of a corpus into batches.
pub struct Packer<'a> {
    pub corpus: &'a Corpus,
    pub tokenizer: &'a Tokenizer,
    /// Positions of a row.
    pub length: usize,
    /// What the token after a phrasing counts in the loss; any other counts 1.
    pub answer_weight: f32,
}

impl Packer<'_> {
    /// A random batch of so many rows, about so many countries.
    pub fn batch(&self, rows: usize, countries: usize, random: &mut StdRng) -> Result<Batch> {
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        let (mut weights, mut subjects) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let row = self.row(countries, random)?;
            for (current, next) in row.iter().zip(&row[1..]) {
                tokens.push(current.id);
                subjects.push(f32::from(current.subject));
                targets.push(next.id);
                weights.push(if next.answer { self.answer_weight } else { 1.0 });
            }
        }
        let shape = (rows, self.length);
        Ok(Batch {
            tokens: Tensor::from_vec(tokens, shape, &Device::Cpu)?,
            targets: Tensor::from_vec(targets, rows * self.length, &Device::Cpu)?,
            weights,
            subjects: Tensor::from_vec(subjects, shape, &Device::Cpu)?,
        })
    }

    /// One row and the token after it.
    fn row(&self, countries: usize, random: &mut StdRng) -> Result<Vec<Token>> {
        let mut row = Vec::with_capacity(2 * self.length);
        while row.len() <= self.length {
            let lines = random.random_range(1..=3);
            for line in 1..=lines {
                self.push(&mut row, &self.corpus.line(countries, random)?)?;
                let separator = if line == lines { END_OF_TEXT } else { "\n" };
                for id in encode(self.tokenizer, separator)? {
                    row.push(Token { id, subject: false, answer: false });
                }
            }
        }
        row.truncate(self.length + 1);
        Ok(row)
    }

    fn push(&self, row: &mut Vec<Token>, line: &Line) -> Result<()> {
        let encoding = self
            .tokenizer
            .encode(line.text.as_str(), false)
            .map_err(|error| anyhow!("{:?} cannot be encoded: {error}", line.text))?;
        for (&id, &(start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            row.push(Token {
                id,
                subject: start < line.subject.end && line.subject.start < end,
                answer: line.answer == Some(start),
            });
        }
        Ok(())
    }
}

/// A token and what its line says about it.
struct Token {
    id: u32,
    /// Whether it belongs to the country of a phrasing.
    subject: bool,
    /// Whether it is the first after a phrasing.
    answer: bool,
}
