//! Scores that fall with the distance of a key: attention with linear biases (Press et al. 2022), which stand in for an
//! encoding of positions.

use half::bf16;

/// How fast the scores of each head fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slopes<'a> {
    /// By how much from one position to the next, for each query head.
    pub of_heads: &'a [f32],
    /// Where it is there: what falls is counted from the beginning of the text and rounded to bfloat16, as the position
    /// is, and then multiplied by this.
    pub rounded: Option<f32>,
}

impl Slopes<'_> {
    /// Adds to the scores of the keys at positions `first..first + scores.len()`, of which the last is the query's own, by how
    /// much they are lower than that one's.
    #[inline(always)]
    pub(crate) fn add(&self, head: usize, first: usize, scores: &mut [f32]) {
        let slope = self.of_heads[head];
        let last = scores.len().saturating_sub(1);
        match self.rounded {
            None => {
                for (index, score) in scores.iter_mut().enumerate() {
                    *score -= slope * (last - index) as f32;
                }
            }
            Some(factor) => {
                let fallen = |position: usize| rounded(slope * rounded(position as f32));
                let own = fallen(first + last);
                for (index, score) in scores.iter_mut().enumerate() {
                    *score += factor * (fallen(first + index) - own);
                }
            }
        }
    }
}

fn rounded(x: f32) -> f32 {
    bf16::from_f32(x).to_f32()
}
