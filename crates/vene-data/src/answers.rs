//! Where a row's answers are read: behind the prompt, and for answers of several tokens behind the
//! prompt with some of their tokens.

use vene_model::ranking::Standing;
use vene_model::{InputError, Outline, Prompt};
use vene_named::named;

named! {
    /// How answers of several tokens are read.
    pub enum AnswerTokens as "way to read answers", default Whole {
        /// As a sequence, each token after those before it.
        Whole = "whole",
        /// Their first token stands for them.
        First = "first",
    }
}

/// The runs in which a row's answers are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// What each run has behind the prompt; the first has the least.
    pub runs: Vec<Continuation>,
    /// For each answer the places of its tokens.
    target: Vec<Vec<Place>>,
    foil: Vec<Vec<Place>>,
}

/// A prompt continued by tokens of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// The tokens behind the prompt.
    pub tokens: Vec<u32>,
    /// The tokens whose logits are read, at the prompt's last position and each behind it.
    pub read: Vec<u32>,
    /// How many of them belong to targets; these stand first.
    pub targets: usize,
}

impl Continuation {
    /// A prompt with these tokens behind it.
    ///
    /// # Errors
    /// What the model cannot take; an answer that was prepared behind the prompt fits there.
    pub fn behind(&self, prompt: &Prompt, outline: &Outline) -> Result<Prompt, InputError> {
        if self.tokens.is_empty() {
            return Ok(prompt.clone());
        }
        let tokens = [prompt.tokens(), &self.tokens].concat();
        outline.prompt_from_tokens(&tokens)
    }

    /// The positions at which it is read behind a prompt: the prompt's last, and all behind it.
    pub fn positions_behind(&self, prompt: &Prompt) -> Vec<i64> {
        let last = prompt.len() - 1;
        (last..=last + self.tokens.len()).map(|position| position as i64).collect()
    }
}

/// Where a token of an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    run: usize,
    /// Positions behind the prompt's last.
    offset: usize,
    /// Which of the tokens read.
    token: usize,
}

/// What is read at one position of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PositionNumbers {
    /// The logits of [`Continuation::read`].
    pub logits: Vec<f64>,
    /// log Σ exp(logit) over the vocabulary, where it is known.
    pub log_normaliser: Option<f64>,
    /// Where each token of a target stands among all; empty where that is not known.
    pub standings: Vec<Standing>,
}

/// What a run says about one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// The logit of its only token, where it has one; else its log-probability.
    pub score: f64,
    /// Its log-probability in nats: of a sequence the sum over its tokens.
    pub log_probability: Option<f64>,
    /// The mid-rank of its only token ([`vene_model::ranking`]); of a sequence, the largest of its tokens'.
    pub rank: Option<f64>,
    /// The accuracy of its only token, shared where tokens tie ([`vene_model::ranking`]); of a sequence the product
    /// over its tokens.
    pub accuracy: Option<f64>,
    /// How many tokens it has.
    pub tokens: usize,
}

impl Answers {
    /// For answers in tokens, none of which is empty; without any there is the prompt's own run. What begins with another answer of its set says
    /// nothing more ("any of them" is likely as the shorter one alone), and would be counted twice.
    pub fn new(target: &[Vec<u32>], foil: &[Vec<u32>]) -> Self {
        let (target, foil) = (&shortest(target), &shortest(foil));
        // All but an answer's last token must stand in front of it; what begins another one rides
        // along there.
        let mut fronts: Vec<&[u32]> =
            target.iter().chain(foil).map(|answer| &answer[..answer.len() - 1]).collect();
        if fronts.is_empty() {
            fronts.push(&[]);
        }
        fronts.sort_unstable();
        fronts.dedup();
        let begins_next = |index: usize| {
            fronts.get(index + 1).is_some_and(|next: &&[u32]| next.starts_with(fronts[index]))
        };
        let runs = (0..fronts.len()).filter(|&index| !begins_next(index));
        let runs = runs.map(|index| Continuation {
            tokens: fronts[index].to_vec(),
            read: Vec::new(),
            targets: 0,
        });
        let mut answers = Self { runs: runs.collect(), target: Vec::new(), foil: Vec::new() };
        answers.target = target.iter().map(|answer| answers.places(answer)).collect();
        for run in &mut answers.runs {
            run.targets = run.read.len();
        }
        answers.foil = foil.iter().map(|answer| answers.places(answer)).collect();
        answers
    }

    fn places(&mut self, answer: &[u32]) -> Vec<Place> {
        let front = &answer[..answer.len() - 1];
        let run = self.runs.iter().position(|run| run.tokens.starts_with(front)).unwrap_or(0);
        let read = &mut self.runs[run].read;
        let place = |(offset, &token): (usize, &u32)| {
            let known = read.iter().position(|&other| other == token);
            let token = known.unwrap_or_else(|| {
                read.push(token);
                read.len() - 1
            });
            Place { run, offset, token }
        };
        answer.iter().enumerate().map(place).collect()
    }

    /// The tokens of each answer: of targets, and of foils.
    pub fn tokens(&self) -> [Vec<Vec<u32>>; 2] {
        let tokens = |places: &Vec<Place>| {
            let token = |place: &Place| self.runs[place.run].read.get(place.token).copied();
            places.iter().map(token).collect::<Option<Vec<u32>>>()
        };
        [&self.target, &self.foil].map(|answers| answers.iter().filter_map(tokens).collect())
    }

    /// The first token of each answer: of targets, and of foils.
    pub fn first_tokens(&self) -> [Vec<u32>; 2] {
        let first = |places: &Vec<Place>| {
            let place = places.first()?;
            self.runs[place.run].read.get(place.token).copied()
        };
        [&self.target, &self.foil].map(|answers| answers.iter().filter_map(first).collect())
    }

    /// Whether each answer is a single token.
    pub fn are_single(&self) -> bool {
        self.target.iter().chain(&self.foil).all(|places| places.len() == 1)
    }

    /// What the runs say about each answer, of targets and of foils, from the numbers at an offset of a run.
    pub fn said<'n>(
        &self,
        numbers: impl Fn(usize, usize) -> Option<&'n PositionNumbers>,
    ) -> Option<[Vec<Said>; 2]> {
        let said = |places: &Vec<Place>| -> Option<Said> {
            let (mut score, mut log_probability) = (0.0, Some(0.0));
            let (mut rank, mut accuracy) = (Some(0.0), Some(1.0));
            for place in places {
                let numbers = numbers(place.run, place.offset)?;
                let logit = *numbers.logits.get(place.token)?;
                score = logit;
                log_probability = log_probability
                    .zip(numbers.log_normaliser)
                    .map(|(sum, normaliser)| sum + logit - normaliser);
                let standing = numbers.standings.get(place.token);
                rank = rank.zip(standing).map(|(rank, token)| token.rank().max(rank));
                accuracy = accuracy.zip(standing).map(|(share, token)| share * token.accuracy());
            }
            if places.len() > 1 {
                score = log_probability?;
            }
            Some(Said { score, log_probability, rank, accuracy, tokens: places.len() })
        };
        let said = |answers: &[Vec<Place>]| answers.iter().map(said).collect::<Option<Vec<_>>>();
        Some([said(&self.target)?, said(&self.foil)?])
    }
}

/// The answers of a set that begin with no other of it, each once.
fn shortest(set: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let says_more = |(index, answer): &(usize, &Vec<u32>)| {
        // Of equal ones the first stays.
        !set.iter().enumerate().any(|(other, begins)| {
            answer.starts_with(begins) && (begins.len() < answer.len() || other < *index)
        })
    };
    set.iter().enumerate().filter(says_more).map(|(_, answer)| answer.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tokens(runs: &[Continuation]) -> Vec<Vec<u32>> {
        runs.iter().map(|run| run.tokens.clone()).collect()
    }

    #[test]
    fn single_tokens_share_the_prompt_itself() {
        let answers = Answers::new(&[vec![5]], &[vec![7], vec![5]]);
        assert_eq!(answers.runs, [Continuation { tokens: vec![], read: vec![5, 7], targets: 1 }]);
        assert!(answers.are_single());
    }

    #[test]
    fn what_begins_another_answer_rides_along() {
        // 33, 34 and 4, 331 in digits.
        let answers = Answers::new(&[vec![3, 3], vec![4]], &[vec![3, 4], vec![3, 3, 1]]);
        assert_eq!(tokens(&answers.runs), [vec![3, 3]]);
        let all = [vec![vec![3, 3], vec![4]], vec![vec![3, 4], vec![3, 3, 1]]];
        assert_eq!(answers.tokens(), all);
        let two = Answers::new(&[vec![3, 3]], &[vec![4, 0]]);
        assert_eq!(tokens(&two.runs), [[3], [4]]);
        assert!(!two.are_single());
    }

    #[test]
    fn what_is_said_twice_is_counted_once() {
        let answers = Answers::new(&[vec![5], vec![5], vec![5, 6]], &[vec![7, 8], vec![7, 8]]);
        assert_eq!((answers.target.len(), answers.foil.len()), (1, 1));
        assert_eq!(shortest(&[vec![1, 2], vec![3], vec![1]]), [vec![3], vec![1]]);
    }

    #[test]
    fn a_sequence_is_as_likely_as_its_tokens_one_behind_the_other() {
        let answers = Answers::new(&[vec![3, 1]], &[vec![2]]);
        assert_eq!(
            answers.runs,
            [Continuation { tokens: vec![3], read: vec![3, 1, 2], targets: 2 }]
        );
        let numbers = [
            PositionNumbers {
                logits: vec![1.0, 9.0, 0.5],
                log_normaliser: Some(2.0),
                standings: [4, 0, 0].map(|larger| Standing { larger, equal: 1 }).to_vec(),
            },
            PositionNumbers {
                logits: vec![9.0, 2.5, 9.0],
                log_normaliser: Some(3.0),
                standings: [0, 6, 0].map(|larger| Standing { larger, equal: 0 }).to_vec(),
            },
        ];
        let [target, foil] = answers.said(|_, offset| numbers.get(offset)).unwrap();
        let (target, foil) = (target[0], foil[0]);
        assert_eq!(target.log_probability, Some((1.0 - 2.0) + (2.5 - 3.0)));
        assert_eq!((target.rank, target.accuracy, target.tokens), (Some(6.0), Some(0.0), 2));
        assert_eq!((foil.score, foil.log_probability), (0.5, Some(-1.5)));
        // Each token one of two likeliest ones: a quarter.
        let tied = PositionNumbers {
            logits: vec![1.0; 3],
            log_normaliser: Some(2.0),
            standings: vec![Standing { larger: 0, equal: 1 }; 3],
        };
        let [target, _] = answers.said(|_, _| Some(&tied)).unwrap();
        assert_eq!((target[0].rank, target[0].accuracy), (Some(0.5), Some(0.25)));
    }
}
