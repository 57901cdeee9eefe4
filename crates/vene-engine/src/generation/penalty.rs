//! The repetition penalty (Keskar et al. 2019), as transformers applies it: to all tokens of the text so far, the prompt's
//! too.

use std::collections::HashSet;

use crate::Distribution;

/// The distribution in which tokens that were there already are less likely: a logit above 0 is divided by the penalty, one
/// below 0 multiplied. Below 1 they become likelier.
pub fn penalised(
    distribution: &Distribution,
    so_far: impl IntoIterator<Item = u32>,
    penalty: f64,
) -> Distribution {
    let mut logits = distribution.logits().to_vec();
    let so_far: HashSet<u32> = so_far.into_iter().collect();
    for token in so_far {
        // The embedding may have more tokens than the unembedding.
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
        }
    }
    Distribution::new(logits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_penalised_once_however_often_it_was_there() {
        let given = Distribution::new(vec![2.0, -1.0, 0.0, 3.0]);
        let found = penalised(&given, [0, 1, 0, 9], 2.0);
        assert_eq!(found.logits(), [1.0, -2.0, 0.0, 3.0]);
        assert_eq!(penalised(&given, [0, 1], 1.0), given);
    }
}
