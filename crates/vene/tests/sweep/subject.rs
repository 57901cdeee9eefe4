//! Models and rows: small random models of each family, in whose tokenizers token 17 is the word
//! `t17`, so that a row can be written in tokens.

use std::ops::Range;

use vene::data::{Phrase, Row};
use vene::{BeginningOfSequence, Model, Precision, Prompt, Sweep, SweepBuilder};
use vene_test_support::Fixture;

/// A model and how its prompts begin.
pub struct Subject {
    pub model: Model,
    pub bos: BeginningOfSequence,
}

/// A row in tokens, with what stands where counted by hand. Tokens have two digits, so that no
/// word is part of another one.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    pub base: Vec<u32>,
    pub source: Option<Vec<u32>>,
    pub target: Vec<Vec<u32>>,
    pub foil: Vec<Vec<u32>>,
    /// Where the subject stands in base and source.
    pub subject: (Range<usize>, Range<usize>),
    pub group: Option<&'static str>,
}

/// A model of each family.
pub const MODELS: [&str; 6] =
    ["gpt2-plain", "llama-gqa", "gemma3-plain", "gpt2-untied", "llama-mqa", "gemma3-score-cap"];

fn words(tokens: &[u32]) -> String {
    assert!(tokens.iter().all(|token| (10..67).contains(token)), "{tokens:?}");
    tokens.iter().map(|token| format!("t{token}")).collect::<Vec<_>>().join(" ")
}

impl Subject {
    /// In f64: what differs there, differs.
    pub fn new(name: &str) -> Self {
        let model = Fixture::new(name).load(Precision::Double);
        Self { model, bos: BeginningOfSequence::Model }
    }

    /// The same with a beginning-of-sequence token in front of each prompt.
    pub fn with_bos(name: &str) -> Self {
        Self { bos: BeginningOfSequence::Always, ..Self::new(name) }
    }

    pub fn layers(&self) -> usize {
        self.model.config().layers.len()
    }

    /// How far positions are shifted by a beginning-of-sequence token.
    pub fn shift(&self) -> usize {
        usize::from(self.bos == BeginningOfSequence::Always)
    }

    pub fn prompt(&self, tokens: &[u32]) -> Prompt {
        let prompt = self.model.prompt_with(&words(tokens), self.bos).unwrap();
        assert_eq!(&prompt.tokens()[self.shift()..], tokens);
        prompt
    }

    pub fn sweep<'a>(&'a self, rows: &'a [Row]) -> SweepBuilder<'a> {
        Sweep::builder(&self.model).rows(rows).prompt_form(self.bos)
    }

    /// The positions of a role in a pair's base, or in its source.
    pub fn positions(&self, pair: &Pair, role: &str, in_source: bool) -> Vec<usize> {
        let (prompt, subject) = match in_source {
            true => (pair.source.as_ref().unwrap(), pair.subject.1.clone()),
            false => (&pair.base, pair.subject.0.clone()),
        };
        let shift = self.shift();
        match role {
            "last" => vec![prompt.len() - 1 + shift],
            "subject" => subject.map(|position| position + shift).collect(),
            "subject_first" => vec![subject.start + shift],
            "subject_last" => vec![subject.end - 1 + shift],
            "after_subject" => vec![subject.end + shift],
            number => vec![number.parse().unwrap()],
        }
    }
}

impl Pair {
    pub fn new(base: &[u32], source: &[u32]) -> Self {
        Self { base: base.to_vec(), source: Some(source.to_vec()), ..Self::default() }
    }

    pub fn target(mut self, answer: &[u32]) -> Self {
        self.target.push(answer.to_vec());
        self
    }

    pub fn foil(mut self, answer: &[u32]) -> Self {
        self.foil.push(answer.to_vec());
        self
    }

    pub fn subject(mut self, base: Range<usize>, source: Range<usize>) -> Self {
        self.subject = (base, source);
        self
    }

    pub fn group(mut self, name: &'static str) -> Self {
        self.group = Some(name);
        self
    }

    /// The pair with base and source exchanged; the answers stay what they are.
    pub fn swapped(&self) -> Self {
        let source = self.source.clone().unwrap();
        let subject = (self.subject.1.clone(), self.subject.0.clone());
        Self { base: source, source: Some(self.base.clone()), subject, ..self.clone() }
    }

    pub fn without_source(&self) -> Self {
        Self { source: None, ..self.clone() }
    }

    pub fn row(&self) -> Row {
        let answer = |tokens: &Vec<u32>| format!(" {}", words(tokens));
        let phrase = |prompt: &[u32], range: &Range<usize>| Phrase::Text {
            text: words(&prompt[range.clone()]),
            occurrence: None,
        };
        let mut row = Row::of_base(words(&self.base));
        row.source = self.source.as_ref().map(|source| words(source));
        row.target = self.target.iter().map(answer).collect();
        row.foil = self.foil.iter().map(answer).collect();
        row.group = self.group.map(str::to_owned);
        if !self.subject.0.is_empty() {
            let base = phrase(&self.base, &self.subject.0);
            let source = self.source.as_ref().map(|source| phrase(source, &self.subject.1));
            std::sync::Arc::make_mut(&mut row.spans)
                .insert("subject".to_owned(), vene::data::Span { base, source });
        }
        row
    }
}

pub fn rows(pairs: &[Pair]) -> Vec<Row> {
    pairs.iter().map(Pair::row).collect()
}

/// Pairs of all kinds: equal and unequal lengths, shared prefixes, a subject at the very start and
/// at the very end, answers that are tokens, sequences, and sets of both.
pub fn mixed() -> Vec<Pair> {
    vec![
        Pair::new(&[10, 11, 12, 13, 14], &[10, 11, 22, 13, 14])
            .target(&[30])
            .foil(&[31])
            .subject(2..3, 2..3)
            .group("one"),
        Pair::new(&[15, 16, 17, 18], &[19, 20, 21, 26, 27, 25])
            .target(&[32, 33])
            .foil(&[34])
            .subject(1..3, 3..5),
        Pair::new(&[40, 41, 42, 43, 44, 45, 46], &[40, 41, 42, 47, 48, 45, 46])
            .target(&[35])
            .target(&[36, 37, 38])
            .foil(&[39])
            .foil(&[50, 51])
            .foil(&[36, 37, 59])
            .subject(3..5, 3..5)
            .group("one"),
        Pair::new(&[52, 53], &[54, 53])
            .target(&[55, 56])
            .foil(&[55, 57])
            .subject(0..1, 0..1)
            .group("two"),
        Pair::new(&[10, 11, 12], &[60, 61, 62, 63])
            .target(&[30])
            .target(&[29])
            .foil(&[31])
            .subject(0..2, 1..3),
    ]
}
