//! Numbers by hand: one plan for one run, one token read at its end.

use std::cell::RefCell;
use std::collections::HashMap;

use vene::plan::Outcome;
use vene::{
    Distribution, Edit, Example, Model, Plan, PlanOutcome, Positions, Prompt, Receipt, Reference,
    Table,
};

use crate::lines::{Line, lines};
use crate::subject::{Pair, Subject};

/// A run with its edits; they are told how many tokens of an answer stand behind the prompt.
pub struct Done {
    pub prompt: Prompt,
    pub sources: Vec<Prompt>,
    edits: Box<dyn Fn(usize) -> Vec<Edit>>,
    /// What was read behind the prompt and some tokens.
    read: RefCell<HashMap<Vec<u32>, Distribution>>,
}

/// What a line of the table says, by hand.
pub struct Hand {
    /// The run before the cell's edit, for each draw.
    pub before: Vec<Done>,
    /// The run that is edited, for each draw.
    pub after: Vec<Done>,
    /// The other run.
    pub other: Option<Done>,
}

impl Done {
    pub fn unedited(prompt: Prompt) -> Self {
        Self::new(prompt, Vec::new(), |_| Vec::new())
    }

    pub fn new(
        prompt: Prompt,
        sources: Vec<Prompt>,
        edits: impl Fn(usize) -> Vec<Edit> + 'static,
    ) -> Self {
        Self { prompt, sources, edits: Box::new(edits), read: RefCell::default() }
    }

    fn run(&self, model: &Model, front: &[u32]) -> PlanOutcome {
        let tokens = [self.prompt.tokens(), front].concat();
        let base = model.prompt_from_tokens(&tokens).unwrap();
        let example = Example { base, sources: self.sources.clone(), row: None };
        let plan = (self.edits)(front.len()).into_iter().fold(Plan::new(), Plan::edit);
        let plan = plan.resolve(model, &[example]).unwrap_or_else(|error| panic!("{error}"));
        Reference::new(model).run(&plan).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The next-token distribution behind the prompt and some tokens.
    pub fn distribution(&self, model: &Model, front: &[u32]) -> Distribution {
        let known = self.read.borrow().get(front).cloned();
        known.unwrap_or_else(|| {
            let read = self.run(model, front).examples.remove(0).distributions.remove(0);
            self.read.borrow_mut().insert(front.to_vec(), read.clone());
            read
        })
    }

    /// The root mean square of each edit's change.
    pub fn change(&self, model: &Model) -> Vec<f64> {
        let of_receipt = |receipt: Receipt| match receipt.outcome {
            Outcome::Changed(change) => change.root_mean_square,
            _ => 0.0,
        };
        self.run(model, &[]).receipts.into_iter().map(of_receipt).collect()
    }

    /// The log-probability of an answer: of its tokens, each behind those before it.
    pub fn log_probability(&self, model: &Model, answer: &[u32]) -> f64 {
        let of_token = |(index, &token): (usize, &u32)| {
            self.distribution(model, &answer[..index]).log_probability(token).unwrap()
        };
        answer.iter().enumerate().map(of_token).sum()
    }

    fn probability(&self, model: &Model, answers: &[Vec<u32>]) -> f64 {
        answers.iter().map(|answer| self.log_probability(model, answer).exp()).sum()
    }

    /// For each token of an answer, how many tokens are likelier, and how many others are equally likely.
    fn standings(&self, model: &Model, answer: &[u32]) -> Vec<(f64, f64)> {
        let of_token = |(index, &token): (usize, &u32)| {
            let read = self.distribution(model, &answer[..index]);
            let all = || (0..read.logits().len() as u32).filter(|&other| other != token);
            let likelier = all().filter(|&other| read.logit(other) > read.logit(token)).count();
            let equal = all().filter(|&other| read.logit(other) == read.logit(token)).count();
            (likelier as f64, equal as f64)
        };
        answer.iter().enumerate().map(of_token).collect()
    }

    /// The largest mid-rank of an answer's tokens.
    fn rank(&self, model: &Model, answer: &[u32]) -> f64 {
        let standings = self.standings(model, answer);
        standings.into_iter().map(|(likelier, equal)| likelier + equal / 2.0).fold(0.0, f64::max)
    }

    /// How often an answer is said by who takes one of the likeliest tokens at random.
    fn accuracy(&self, model: &Model, answer: &[u32]) -> f64 {
        let share = |(likelier, equal): (f64, f64)| {
            if likelier > 0.0 { 0.0 } else { 1.0 / (equal + 1.0) }
        };
        self.standings(model, answer).into_iter().map(share).product()
    }

    /// A metric; `unedited` is the run from which a divergence is taken.
    pub fn metric(&self, model: &Model, name: &str, pair: &Pair, unedited: &Done) -> f64 {
        let odds = || {
            let ratio = self.probability(model, &pair.target) / self.probability(model, &pair.foil);
            ratio.ln()
        };
        let ranks = || pair.target.iter().map(|answer| self.rank(model, answer));
        match name {
            "logit_difference" => odds(),
            "log_probability" => self.probability(model, &pair.target).ln(),
            "probability" => self.probability(model, &pair.target),
            "probability_difference" => {
                self.probability(model, &pair.target) - self.probability(model, &pair.foil)
            }
            "kl" => {
                let (p, q) = (unedited.distribution(model, &[]), self.distribution(model, &[]));
                (0..p.logits().len() as u32)
                    .map(|token| {
                        p.probability(token).unwrap()
                            * (p.log_probability(token).unwrap()
                                - q.log_probability(token).unwrap())
                    })
                    .sum()
            }
            "rank" => ranks().fold(f64::INFINITY, f64::min),
            "accuracy" => pair.target.iter().map(|answer| self.accuracy(model, answer)).sum(),
            "forced_choice" => match odds() {
                0.0 => 0.5,
                odds => f64::from(u8::from(odds > 0.0)),
            },
            other => panic!("{other}"),
        }
    }
}

pub fn at(positions: &[usize]) -> Positions {
    Positions::At(positions.iter().map(|&position| position as i64).collect())
}

/// The positions in a row's base where a cell is edited.
pub fn written(subject: &Subject, line: &Line, pair: &Pair) -> Vec<usize> {
    match &line.role {
        Some(role) => subject.positions(pair, role, false),
        None => (0..pair.base.len() + subject.shift()).collect(),
    }
}

/// One edit of the base's run by what is given, and the source's run beside it.
pub fn of_base(subject: &Subject, line: &Line, pair: &Pair, edits: Vec<Edit>) -> Hand {
    let base = subject.prompt(&pair.base);
    let edits: Vec<Edit> = edits
        .into_iter()
        .map(|edit| match line.head {
            Some(head) => edit.heads([head]),
            None => edit,
        })
        .collect();
    Hand {
        before: vec![Done::unedited(base.clone())],
        after: vec![Done::new(base, Vec::new(), move |_| edits.clone())],
        other: pair.source.as_ref().map(|source| Done::unedited(subject.prompt(source))),
    }
}

/// Whether two numbers are equal but for the rounding of sums in another order.
pub fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

/// Holds every line of a table to what the same costs by hand.
#[track_caller]
pub fn check(
    subject: &Subject,
    table: &Table,
    pairs: &[Pair],
    hand: impl Fn(&Line, &Pair) -> Hand,
) {
    let model = &subject.model;
    let all = lines(table);
    assert!(!all.is_empty());
    let of_cell = |line: &Line| {
        (
            line.example,
            line.direction.clone(),
            line.control.clone(),
            line.component,
            line.layer,
            line.role.clone(),
            line.head,
        )
    };
    // The runs before any edit are the same for all cells.
    let mut known: HashMap<(usize, String, String), f64> = HashMap::new();
    for cell in all.chunk_by(|a, b| of_cell(a) == of_cell(b)) {
        let pair = &pairs[cell[0].example];
        let Hand { before, after, other } = hand(&cell[0], pair);
        let unedited = Done::unedited(before[0].prompt.clone());
        for line in cell {
            let metric = |done: &Done| done.metric(model, &line.metric, pair, &unedited);
            let mean = |runs: &[Done]| runs.iter().map(metric).sum::<f64>() / runs.len() as f64;
            let key = (line.example, line.direction.clone(), line.metric.clone());
            let base = *known.entry(key.clone()).or_insert_with(|| mean(&before));
            assert!(close(line.base_value, base), "base {base} {line:#?}");
            let value = mean(&after);
            assert!(close(line.value, value), "value {value} {line:#?}");
            assert_eq!(line.source_value.is_some(), other.is_some(), "{line:#?}");
            if let (Some(found), Some(other)) = (line.source_value, &other) {
                let key = (key.0, format!("other of {}", key.1), key.2);
                let expected = *known.entry(key).or_insert_with(|| metric(other));
                assert!(close(found, expected), "source {expected} {line:#?}");
            }
            assert_eq!(line.effect, line.value - line.base_value, "{line:#?}");
        }
    }
}
