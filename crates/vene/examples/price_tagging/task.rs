//! Price tagging: is an amount between two bounds? As prompts, and as algorithms that a network may follow.

use anyhow::Result;
use vene::causal::examples::price_tagging;
use vene::causal::{CausalModel, Setting};

/// Prices go from 0 to this.
pub const HIGHEST: u16 = 49;

/// Where a prompt's amount is: its last token, behind which the answer is said.
pub const AMOUNT: i64 = 4;

/// A bracket and an amount as a prompt: `12 to 34 : 20`.
pub fn prompt(lower: u16, upper: u16, amount: u16) -> String {
    format!("{lower} to {upper} : {amount}")
}

/// The answer behind it.
pub fn answer(within: bool) -> &'static str {
    if within { "yes" } else { "no" }
}

/// A setting of any of the causal models as a prompt.
pub fn prompt_of(setting: &Setting) -> String {
    let [lower, upper, amount] = ["lower", "upper", "amount"].map(|name| &setting[name]);
    format!("{lower} to {upper} : {amount}")
}

/// Whether the bounds are bounds.
pub fn is_bracket(setting: &Setting) -> bool {
    setting["lower"] < setting["upper"]
}

/// An algorithm for the task, and the variable of it that is looked for in the network.
pub struct Hypothesis {
    /// Its name, in tables.
    pub name: &'static str,
    /// The algorithm; its output is always `within`.
    pub model: CausalModel,
    /// The variable.
    pub variable: &'static str,
}

/// The four that Wu et al. (2023) compare, the two boundaries one by one.
pub fn hypotheses(highest: u16) -> Result<Vec<Hypothesis>> {
    let prices = 0..=highest;
    let inputs = || {
        CausalModel::builder()
            .input("lower", prices.clone())
            .input("upper", prices.clone())
            .input("amount", prices.clone())
    };
    // The amount's distance from the middle of the bracket is at most half its width, all doubled.
    let middle = inputs()
        .computed("middle", ["lower", "upper"], |[lower, upper]| {
            Some(lower.integer()? + upper.integer()?)
        })
        .computed("width", ["lower", "upper"], |[lower, upper]| {
            Some(upper.integer()? - lower.integer()?)
        })
        .computed("within", ["amount", "middle", "width"], |[amount, middle, width]| {
            let distance = (2 * amount.integer()? - middle.integer()?).abs();
            Some(distance <= width.integer()?)
        })
        .values("within", [false, true])
        .build()?;
    let prices = i64::from(highest) + 1;
    let bracket = inputs()
        .computed("bracket", ["lower", "upper"], move |[lower, upper]| {
            Some(lower.integer()? * prices + upper.integer()?)
        })
        .computed("within", ["bracket", "amount"], move |[bracket, amount]| {
            let (bracket, amount) = (bracket.integer()?, amount.integer()?);
            Some(bracket / prices <= amount && amount <= bracket % prices)
        })
        .values("within", [false, true])
        .build()?;
    let of = |name, model, variable| Hypothesis { name, model, variable };
    Ok(vec![
        of("left boundary", price_tagging(highest), "not_below"),
        of("right boundary", price_tagging(highest), "not_above"),
        of("mid-point", middle, "middle"),
        of("bracket", bracket, "bracket"),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_algorithms_give_the_same_answers() {
        let all = hypotheses(9).unwrap();
        for lower in 0..10_u16 {
            for upper in lower + 1..10 {
                for amount in 0..10 {
                    let inputs = [("lower", lower), ("upper", upper), ("amount", amount)];
                    for hypothesis in &all {
                        let setting = hypothesis.model.run(inputs).unwrap();
                        let expected = (lower..=upper).contains(&amount);
                        assert_eq!(
                            setting["within"].is_true(),
                            expected,
                            "{}: {setting}",
                            hypothesis.name
                        );
                        assert!(setting.get(hypothesis.variable).is_some());
                        assert_eq!(prompt_of(&setting), prompt(lower, upper, amount));
                        assert!(is_bracket(&setting));
                    }
                }
            }
        }
    }

    /// They differ where a variable comes from another run.
    #[test]
    fn the_same_exchange_means_different_answers() {
        let all = hypotheses(9).unwrap();
        let label = |hypothesis: &Hypothesis| {
            let run = |lower: u16, upper: u16, amount: u16| {
                let inputs = [("lower", lower), ("upper", upper), ("amount", amount)];
                hypothesis.model.run(inputs).unwrap()
            };
            let (base, source) = (run(4, 6, 5), run(6, 9, 3));
            let exchanged =
                hypothesis.model.interchange(&base, [(&source, [hypothesis.variable])]).unwrap();
            exchanged["within"].is_true()
        };
        // 3 is below 6: so 5 would be. 3 is not above 9: no more is 5. A middle of 7.5 with a width of
        // 2, and a bracket from 6 to 9, are both above 5.
        assert_eq!(all.iter().map(label).collect::<Vec<_>>(), [false, true, false, false]);
    }
}
