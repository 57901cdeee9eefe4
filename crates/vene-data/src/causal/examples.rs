//! Three causal models that papers have looked for in networks.

use super::CausalModel;

/// A conjunction: `both` is whether `a` and `b` are true.
pub fn conjunction() -> CausalModel {
    let model = CausalModel::builder()
        .input("a", [false, true])
        .input("b", [false, true])
        .computed("both", ["a", "b"], |[a, b]| a.is_true() && b.is_true());
    built(model.build())
}

/// Hierarchical equality (Geiger et al. 2023, "Finding alignments between interpretable causal variables
/// and distributed neural representations"): of four objects, is the first pair equal or unequal like
/// the second?
///
/// `left` is whether `w` and `x` are equal, `right` whether `y` and `z` are, and `output` whether
/// `left` and `right` are. Objects are numbers from 1 to `objects`, which is at least 1.
pub fn hierarchical_equality(objects: u16) -> CausalModel {
    let objects = 1..=objects.max(1);
    let model = CausalModel::builder()
        .input("w", objects.clone())
        .input("x", objects.clone())
        .input("y", objects.clone())
        .input("z", objects)
        .computed("left", ["w", "x"], |[w, x]| w == x)
        .computed("right", ["y", "z"], |[y, z]| y == z)
        .computed("output", ["left", "right"], |[left, right]| left == right)
        .values("left", [false, true])
        .values("right", [false, true])
        .values("output", [false, true]);
    built(model.build())
}

/// Price tagging (Wu et al. 2023, "Interpretability at scale: identifying causal mechanisms in Alpaca"):
/// is the amount within two bounds?
///
/// `not_below` is whether `lower` is at most `amount`, `not_above` whether `amount` is at most
/// `upper`, and `within` whether both are so. Prices are numbers from 0 to `highest`.
pub fn price_tagging(highest: u16) -> CausalModel {
    let model = CausalModel::builder()
        .input("lower", 0..=highest)
        .input("upper", 0..=highest)
        .input("amount", 0..=highest)
        .computed("not_below", ["lower", "amount"], |[lower, amount]| lower <= amount)
        .computed("not_above", ["amount", "upper"], |[amount, upper]| amount <= upper)
        .computed("within", ["not_below", "not_above"], |[not_below, not_above]| {
            not_below.is_true() && not_above.is_true()
        })
        .values("not_below", [false, true])
        .values("not_above", [false, true])
        .values("within", [false, true]);
    built(model.build())
}

/// These models are right whatever their sizes are; the tests say so.
fn built(model: Result<CausalModel, super::CausalError>) -> CausalModel {
    match model {
        Ok(model) => model,
        Err(error) => unreachable!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_built_at_any_size() {
        assert_eq!(conjunction().output(), "both");
        for size in [0, 1, 2, 300, u16::MAX] {
            assert_eq!(hierarchical_equality(size).output(), "output");
            assert_eq!(price_tagging(size).output(), "within");
        }
    }
}
