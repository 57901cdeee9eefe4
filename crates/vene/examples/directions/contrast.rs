//! A contrast: prompts in pairs that differ in one thing, where it stands, and what it is answered by.

use anyhow::{Context, Result};
use vene::data::{Phrase, Row};
use vene::task::Task;
use vene::{Example, Model, Part, Positions, Prompt};

/// What is looked for, and where.
#[derive(Clone, Copy, Debug)]
pub struct Contrast {
    /// Its name, in tables.
    pub name: &'static str,
    /// The task whose rows are the pairs.
    pub task: Task,
    /// The token that is edited: the last of this span, or `last` for that of the prompt.
    pub role: &'static str,
    /// The answers of one side; those of the other side are all others.
    pub positive: &'static [&'static str],
}

/// A base and a source, in tokens.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The row of the data set.
    pub index: usize,
    /// The prompt that is edited, and the one that is read.
    pub prompts: [Prompt; 2],
    /// The edited position, in each.
    pub at: [usize; 2],
    /// What each is answered by.
    pub answers: [u32; 2],
    /// Whether each is on the positive side.
    pub positive: [bool; 2],
    /// The sentence that the row was made from.
    pub cluster: String,
}

impl Contrast {
    /// The task's rows in tokens.
    pub fn pairs(&self, model: &Model, rows: &[Row]) -> Result<Vec<Pair>> {
        rows.iter().enumerate().map(|(index, row)| self.pair(model, index, row)).collect()
    }

    fn pair(&self, model: &Model, index: usize, row: &Row) -> Result<Pair> {
        let source = row.source.as_ref().context("a row has no source")?;
        let prompts = [model.prompt(&row.base)?, model.prompt(source)?];
        let [target, foil] = [&row.target, &row.foil].map(|answers| answers.first());
        let answers = [target.context("no target")?, foil.context("no foil")?];
        let at = match self.role {
            "last" => prompts.each_ref().map(|prompt| prompt.len() - 1),
            name => {
                let span = row.spans.get(name).context("a row lacks the contrast's span")?;
                let in_source = span.source.as_ref().unwrap_or(&span.base);
                [last_token(&prompts[0], &span.base)?, last_token(&prompts[1], in_source)?]
            }
        };
        let group = row.group.clone().unwrap_or_else(|| format!("row {index}"));
        Ok(Pair {
            index,
            at,
            positive: answers.map(|answer| self.positive.contains(&answer.as_str())),
            answers: [
                model.tokenizer().single_token(answers[0])?,
                model.tokenizer().single_token(answers[1])?,
            ],
            prompts,
            cluster: sentence(&group).to_owned(),
        })
    }
}

/// A row's group without what is said of its other words: `agreement-3-other` is sentence 3.
fn sentence(group: &str) -> &str {
    let bare = |ending| group.strip_suffix(ending);
    bare("-same").or_else(|| bare("-other")).unwrap_or(group)
}

fn last_token(prompt: &Prompt, phrase: &Phrase) -> Result<usize> {
    let part = Part::Last;
    let positions = match phrase.clone() {
        Phrase::Text { text, occurrence } => Positions::Phrase { text, part, occurrence },
        Phrase::Characters(range) => Positions::Characters { range, part },
    };
    positions.resolve(prompt, 0)?.first().copied().context("a span without a token")
}

/// Pairs as the engine's examples.
pub fn examples(pairs: &[&Pair]) -> Vec<Example> {
    let example = |pair: &&Pair| {
        let [base, source] = pair.prompts.clone();
        Example::new(base).source(source)
    };
    pairs.iter().map(example).collect()
}

/// The edited position of each pair, in bases (0) or in sources (1).
pub fn positions(pairs: &[&Pair], side: usize) -> Positions {
    Positions::Each(pairs.iter().map(|pair| vec![pair.at[side] as i64]).collect())
}

/// The pairs in two halves that share no sentence: every other sentence in either.
///
/// What is learned on one half is shown on the other, and the other way round, so that every
/// row is held out once.
pub fn halves(pairs: &[Pair]) -> [Vec<&Pair>; 2] {
    let mut sentences: Vec<&str> = pairs.iter().map(|pair| pair.cluster.as_str()).collect();
    sentences.sort_unstable();
    sentences.dedup();
    [0, 1].map(|half| {
        let of_half = |pair: &&Pair| {
            sentences.binary_search(&pair.cluster.as_str()).is_ok_and(|at| at % 2 == half)
        };
        pairs.iter().filter(of_half).collect()
    })
}

/// A contrast that the embedded model knows: on which continent a country is.
#[cfg(test)]
pub const EUROPE: Contrast =
    Contrast { name: "europe", task: Task::Continent, role: "subject", positive: &[" Europe"] };

/// The first so many rows between Europe and Asia, of `drawn` ones.
#[cfg(test)]
pub fn europe_and_asia(model: &Model, drawn: usize, seed: u64, count: usize) -> Result<Vec<Row>> {
    let rows = EUROPE.task.rows(model, drawn, seed)?.rows.into_iter();
    let is_between = |row: &Row| {
        let answers = [row.target[0].as_str(), row.foil[0].as_str()];
        answers.contains(&" Europe") && answers.contains(&" Asia")
    };
    Ok(rows.filter(is_between).take(count).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sentence_is_on_one_side_and_every_row_on_one() {
        let model = Model::load("embedded").unwrap();
        let rows = Task::Continent.rows(&model, 40, 1).unwrap().rows;
        let pairs = EUROPE.pairs(&model, &rows).unwrap();
        let [one, other] = halves(&pairs);
        assert_eq!(one.len() + other.len(), 40);
        assert!(one.len() > 10 && other.len() > 10);
        assert!(one.iter().all(|pair| other.iter().all(|twin| twin.cluster != pair.cluster)));
        for (row, pair) in rows.iter().zip(&pairs) {
            let text = pair.prompts[0].text().unwrap();
            let country = &text[pair.prompts[0].spans()[pair.at[0]].clone()];
            assert!(row.base.contains(country.trim()), "{country} in {}", row.base);
            assert_eq!(pair.positive[0], row.target[0] == " Europe");
            assert_ne!(pair.answers[0], pair.answers[1]);
        }
        assert_eq!(sentence("agreement-3-other"), "agreement-3");
        assert_eq!(sentence("gendered_pronoun-1"), "gendered_pronoun-1");
    }
}
