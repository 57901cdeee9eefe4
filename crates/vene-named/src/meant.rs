//! What somebody who wrote a name that there is not probably meant.
//!
//! Three ways, the surest first: a word of the field, or of another tool, for something that has another name here; the
//! beginning of one name alone, however its words are joined; a name that is a slip or two away.

/// Words in use elsewhere, with the names here.
const WORDS: [(&str, &[&str]); 24] = [
    ("ablate", &["zero", "mean", "resample"]),
    ("ablation", &["zero", "mean", "resample"]),
    ("zeroablate", &["zero"]),
    ("zeroablation", &["zero"]),
    ("meanablate", &["mean"]),
    ("meanablation", &["mean"]),
    ("resampleablate", &["resample"]),
    ("resampleablation", &["resample"]),
    ("patch", &["interchange", "sweep", "run"]),
    ("patching", &["interchange", "sweep", "run"]),
    ("activationpatching", &["interchange", "sweep"]),
    ("swap", &["interchange"]),
    ("replace", &["interchange"]),
    ("add", &["addition"]),
    ("subtract", &["subtraction"]),
    ("steer", &["steering", "addition"]),
    ("das", &["low_rank_rotated_space"]),
    ("boundlessdas", &["boundless_rotated_space"]),
    ("sae", &["latent_interchange", "feature_edit"]),
    ("residual", &["block_output", "block_input"]),
    ("residualstream", &["block_output", "block_input"]),
    ("mlp", &["mlp_output"]),
    ("attn", &["attention_output"]),
    ("logitlens", &["lens"]),
];

/// Fewer letters begin too many names.
const SHORTEST_BEGINNING: usize = 3;

/// The names of `known` that `name` probably stands for, the likeliest first; none where it is like none.
pub fn meant<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let known: Vec<&str> = known.into_iter().collect();
    let squeezed = squeezed_name(name);
    let words = WORDS.iter().filter(|(word, _)| *word == squeezed).flat_map(|(_, names)| *names);
    let by_word: Vec<&str> =
        words.filter_map(|name| known.iter().copied().find(|known| known == name)).collect();
    if !by_word.is_empty() {
        return by_word;
    }
    beginning(&squeezed, &known).or_else(|| distance(name, &known)).into_iter().collect()
}

/// The name that another one is most like, if it is like any.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    meant(name, known).first().copied()
}

/// The same as text in which each stands in backticks, but for the outermost two: `` zero`, `mean` or `resample ``.
pub fn meant_text<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    let names = meant(name, known);
    let (last, others) = names.split_last()?;
    Some(if others.is_empty() {
        (*last).to_owned()
    } else {
        format!("{}` or `{last}", others.join("`, `"))
    })
}

/// Longer names are nobody's slip.
const LONGEST: usize = 80;

fn squeezed_name(name: &str) -> String {
    let is_kept = |character: &char| !matches!(character, '_' | '-' | '.' | ' ');
    name.chars().filter(is_kept).flat_map(char::to_lowercase).collect()
}

/// The only name that begins so.
fn beginning<'n>(squeezed: &str, known: &[&'n str]) -> Option<&'n str> {
    if squeezed.len() < SHORTEST_BEGINNING {
        return None;
    }
    let mut begin =
        known.iter().copied().filter(|known| squeezed_name(known).starts_with(squeezed));
    let first = begin.next()?;
    begin.next().is_none().then_some(first)
}

/// The nearest name, by the letters that are wrong.
fn distance<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let near = known
        .iter()
        .filter(|other| other.len() <= LONGEST)
        .map(|other| (strsim::osa_distance(name, other), *other))
        .min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] =
        ["interchange", "zero", "mean", "resample", "logit_difference", "mlp_output"];

    #[test]
    fn words_beginnings_and_slips_are_understood() {
        assert_eq!(meant("ablate", NAMES), ["zero", "mean", "resample"]);
        assert_eq!(meant("zero-ablation", NAMES), ["zero"]);
        assert_eq!(meant("patch", NAMES), ["interchange"]);
        assert_eq!(meant("logitdiff", NAMES), ["logit_difference"]);
        assert_eq!(meant("mlp_out", ["mlp_up", "mlp_output"]), ["mlp_output"]);
        assert_eq!(meant("interchagne", NAMES), ["interchange"]);
        // Two begin so, and neither is near.
        assert!(meant("mlp", ["mlp_input", "mlp_output_x"]).is_empty());
        assert!(meant("photosynthesis", NAMES).is_empty());
        assert_eq!(nearest(&"x".repeat(100), ["x"]), None);
    }

    #[test]
    fn several_are_told_with_or() {
        assert_eq!(meant_text("ablate", NAMES).as_deref(), Some("zero`, `mean` or `resample"));
        assert_eq!(meant_text("zer", NAMES).as_deref(), Some("zero"));
        assert_eq!(meant_text("photosynthesis", NAMES), None);
    }
}
