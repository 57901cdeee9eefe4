//! Which positions of two prompts correspond.

use vene_model::Prompt;

/// Pairs (base position, source position) that correspond, ascending: the tokens that both begin
/// with, the tokens that both end with, and between them, where the prompts differ, one to one if
/// there are as many on both sides, else the last to the last (a name of three tokens carries its
/// meaning at its last, as one of two does).
pub fn align(base: &Prompt, source: &Prompt) -> Vec<(usize, usize)> {
    let prefix = base.shared_prefix(source);
    let (base_rest, source_rest) = (&base.tokens()[prefix..], &source.tokens()[prefix..]);
    let suffix =
        base_rest.iter().rev().zip(source_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (base_middle, source_middle) = (base_rest.len() - suffix, source_rest.len() - suffix);

    let mut pairs: Vec<_> = (0..prefix).map(|position| (position, position)).collect();
    if base_middle == source_middle {
        pairs.extend((prefix..prefix + base_middle).map(|position| (position, position)));
    } else if base_middle > 0 && source_middle > 0 {
        pairs.push((prefix + base_middle - 1, prefix + source_middle - 1));
    }
    pairs.extend(
        (0..suffix).map(|back| (prefix + base_middle + back, prefix + source_middle + back)),
    );
    pairs
}
