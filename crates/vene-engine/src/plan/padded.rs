//! Rows of padded batches, as tokenizers make them for tools that need all prompts of one length.
//!
//! Here prompts ride together without padding, so nothing of it is left: a row becomes the prompt that
//! it holds, and columns of the batch become positions in that prompt. Where tools that pad give other
//! numbers than this, it is since padding took part in them, or moved learned positions.

use vene_model::{InputError, Outline, Prompt};

use super::Positions;
use crate::error::PositionError;

/// A padded row that holds no prompt.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PaddingError {
    /// A mask of another length.
    #[error("the row has {tokens} tokens and its attention mask {mask} values: give one for each")]
    Length {
        /// Tokens.
        tokens: usize,
        /// Values of the mask.
        mask: usize,
    },
    /// Something that is neither 0 nor 1.
    #[error("the attention mask holds {value} in column {column}; expected 1, or 0 for padding")]
    Value {
        /// The column.
        column: usize,
        /// What is there.
        value: u8,
    },
    /// Padding within the prompt.
    #[error(
        "column {column} is padding between tokens that are not: a prompt is one stretch, padded on the left or on the right"
    )]
    Hole {
        /// The column.
        column: usize,
    },
    /// What is left is no prompt.
    #[error(transparent)]
    Input(#[from] InputError),
}

vene_named::debug_as_sentence!(PaddingError);

/// A prompt and the padded row that it stood in.
#[derive(Clone, Debug)]
pub struct Padded {
    prompt: Prompt,
    /// Columns of padding before the prompt.
    before: usize,
    columns: usize,
}

impl Padded {
    /// The prompt of a row: the tokens whose `attention_mask` is 1, the others being padding.
    ///
    /// # Errors
    /// Where the mask is none of this row's, or has a hole, or what it leaves is no prompt of this
    /// model.
    pub fn new(
        outline: &Outline,
        input_ids: &[u32],
        attention_mask: &[u8],
    ) -> Result<Self, PaddingError> {
        let (tokens, mask) = (input_ids.len(), attention_mask.len());
        if tokens != mask {
            return Err(PaddingError::Length { tokens, mask });
        }
        if let Some(column) = attention_mask.iter().position(|&value| value > 1) {
            return Err(PaddingError::Value { column, value: attention_mask[column] });
        }
        let before = attention_mask.iter().take_while(|&&value| value == 0).count();
        let after = attention_mask.iter().rev().take_while(|&&value| value == 0).count();
        // Of a row of nothing but padding the prompt is empty, which is refused below.
        let held = before..(tokens - after).max(before);
        if let Some(hole) = attention_mask[held.clone()].iter().position(|&value| value == 0) {
            return Err(PaddingError::Hole { column: before + hole });
        }
        Ok(Self { prompt: outline.prompt_from_tokens(&input_ids[held])?, before, columns: tokens })
    }

    /// The prompt.
    pub fn prompt(&self) -> &Prompt {
        &self.prompt
    }

    /// The prompt's position in a column of the padded row, counted from 0, or from the row's end if
    /// negative.
    ///
    /// # Errors
    /// Where the column is padding, or past the end.
    pub fn position(&self, column: i64) -> Result<usize, PositionError> {
        let place = if column < 0 { column + self.columns as i64 } else { column };
        let first = self.before as i64;
        let last = first + self.prompt.len() as i64 - 1;
        match (first..=last).contains(&place) {
            true => Ok((place - first) as usize),
            false => Err(PositionError::Padding {
                column,
                columns: self.columns,
                first: self.before,
                last: last as usize,
            }),
        }
    }

    /// The positions of each row's columns, for [`Edit::at`](crate::Edit::at).
    ///
    /// # Errors
    /// As [`Padded::position`], and where there is no list of columns for a row.
    pub fn positions(rows: &[Self], columns: &[Vec<i64>]) -> Result<Positions, PositionError> {
        let of_row = |(example, row): (usize, &Self)| {
            let columns = columns
                .get(example)
                .ok_or(PositionError::TooFewExamples { example, given: columns.len() })?;
            let position = |&column: &i64| row.position(column).map(|position| position as i64);
            columns.iter().map(position).collect::<Result<Vec<i64>, PositionError>>()
        };
        rows.iter().enumerate().map(of_row).collect::<Result<_, _>>().map(Positions::Each)
    }
}
