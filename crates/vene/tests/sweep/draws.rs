//! What is drawn: other rows, noise. Draws depend on the seed and the row alone.

use std::sync::Arc;

use candle_core::Tensor;
use vene::data::Row;
use vene::intervention::{Intervention, Noise, RandomDirection, Traits, UnitContext};
use vene::{Component, Control, Edit, Method, Reference};

use crate::hand::{Done, at, check, close, of_base, written};
use crate::lines::{Line, lines};
use crate::subject::{Pair, Subject, mixed, rows};
use crate::total::{agree, metrics, roles, tables};

/// A draw that is told the row, as a data set's draws are.
#[derive(Debug)]
pub struct OfRow<I> {
    pub row: usize,
    pub inner: I,
}

impl<I: Intervention> Intervention for OfRow<I> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn traits(&self) -> Traits {
        Traits::of(self.inner.traits().sources)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        self.inner.apply(base, sources, UnitContext { row: self.row, ..context })
    }
}

/// The noise of a row's draw.
pub fn noise(row: usize, standard_deviation: f64, seed: u64, draw: u64) -> Arc<dyn Intervention> {
    let inner = Noise { standard_deviation, seed: seed ^ (draw << 32) };
    Arc::new(OfRow { row, inner })
}

/// A row's random direction.
pub fn direction(row: usize, seed: u64) -> Arc<dyn Intervention> {
    Arc::new(OfRow { row, inner: RandomDirection { seed } })
}

/// A row that no model can use, in front of the others.
fn with_a_bad_row(pairs: &[Pair]) -> Vec<Row> {
    let bad = Row { target: Vec::new(), ..pairs[0].row() };
    std::iter::once(bad).chain(rows(pairs)).collect()
}

#[test]
fn noise_is_drawn_by_row_whatever_is_in_front_of_it() {
    let subject = Subject::new("gpt2-plain");
    // Row 0 is left out.
    let pairs: Vec<Pair> = std::iter::once(mixed().remove(0)).chain(mixed()).collect();
    let rows = with_a_bad_row(&mixed());
    let treatments = [
        (Method::Noise { standard_deviation: 0.3, draws: 3 }, 3),
        (Method::Noise { standard_deviation: 0.3, draws: 1 }, 1),
    ];
    for (treatment, count) in treatments {
        let sweep = subject
            .sweep(&rows)
            .components([Component::MlpOutput, Component::Embedding])
            .layers([1])
            .roles(roles(&["subject", "last"]))
            .method(treatment)
            .seed(7)
            .metrics(metrics())
            .build()
            .unwrap();
        assert_eq!(sweep.left_out().len(), 1);
        let tables = tables(&subject, &sweep);
        agree(&tables);
        check(&subject, &tables[0], &pairs, |line, pair| {
            let mut hand = of_base(&subject, line, pair, Vec::new());
            let place = at(&written(&subject, line, pair));
            let draw = |draw: u64| {
                let noise = noise(line.example, 0.3, 7, draw);
                let edit = Edit::new(line.component, line.layer, noise).at(place.clone());
                Done::new(subject.prompt(&pair.base), Vec::new(), move |_| vec![edit.clone()])
            };
            hand.after = (0..count).map(draw).collect();
            hand
        });
    }
}

/// The subsets of so many of some values whose mean is the found one.
fn subsets(values: &[f64], count: usize, found: f64) -> Vec<u32> {
    (0_u32..1 << values.len())
        .filter(|bits| bits.count_ones() as usize == count)
        .filter(|bits| {
            let chosen = values.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
            let sum: f64 = chosen.map(|(_, value)| value).sum();
            close(found, sum / count as f64)
        })
        .collect()
}

/// For each example the rows that were drawn: those whose mean explains all of its lines.
fn drawn(
    subject: &Subject,
    lines: &[Line],
    pairs: &[Pair],
    (count, by): (usize, impl Fn(&Line, &Pair, &Pair) -> Option<Done>),
) -> Vec<Vec<usize>> {
    let of_example = |example: usize| {
        let (mut left, mut others) = (None::<Vec<u32>>, Vec::new());
        for line in lines.iter().filter(|line| line.example == example) {
            let unedited = Done::unedited(subject.prompt(&pairs[example].base));
            let each: Vec<(usize, f64)> = (0..pairs.len())
                .filter(|&other| other != example)
                .filter_map(|other| Some((other, by(line, &pairs[example], &pairs[other])?)))
                .map(|(other, done)| {
                    let pair = &pairs[example];
                    (other, done.metric(&subject.model, &line.metric, pair, &unedited))
                })
                .collect();
            others = each.iter().map(|(other, _)| *other).collect::<Vec<_>>();
            let values: Vec<f64> = each.iter().map(|(_, value)| *value).collect();
            let fits = subsets(&values, count, line.value);
            left = Some(match left {
                None => fits,
                Some(left) => left.into_iter().filter(|bits| fits.contains(bits)).collect(),
            });
        }
        let left = left.unwrap();
        assert_eq!(left.len(), 1, "example {example}: {left:?} of {others:?}");
        others
            .iter()
            .enumerate()
            .filter(|(index, _)| left[0] >> index & 1 == 1)
            .map(|(_, &row)| row)
            .collect()
    };
    (0..pairs.len()).map(of_example).collect()
}

/// Rows that fit each other: a subject of two tokens.
fn alike() -> Vec<Pair> {
    vec![
        Pair::new(&[10, 11, 12, 13], &[10, 21, 22, 13])
            .target(&[30, 32])
            .foil(&[31])
            .subject(1..3, 1..3),
        Pair::new(&[14, 15, 16], &[17, 18, 19, 16]).target(&[33]).foil(&[34]).subject(0..2, 1..3),
        Pair::new(&[20, 23, 24, 25, 26], &[20, 10, 11, 12, 13])
            .target(&[30])
            .foil(&[35])
            .subject(2..4, 3..5),
        Pair::new(&[40, 41, 42, 43], &[10, 21, 23, 13])
            .target(&[36])
            .foil(&[37])
            .subject(1..3, 1..3),
        Pair::new(&[10, 21, 22, 13], &[44, 45, 46, 47])
            .target(&[36])
            .foil(&[37])
            .subject(1..3, 1..3),
    ]
}

#[test]
fn resampled_values_are_the_means_over_other_rows() {
    let subject = Subject::new("llama-gqa");
    let pairs = alike();
    let rows = rows(&pairs);
    let sweep = |seed| {
        subject
            .sweep(&rows)
            .components([Component::BlockOutput, Component::MlpOutput])
            .layers([0, 1])
            .roles(roles(&["subject", "last"]))
            .method(Method::Resample { draws: 2 })
            .seed(seed)
            .build()
            .unwrap()
    };
    let by = |line: &Line, pair: &Pair, other: &Pair| {
        let role = line.role.as_ref().unwrap();
        let edit = Edit::interchange(line.component, line.layer)
            .at(at(&subject.positions(pair, role, false)))
            .from(at(&subject.positions(other, role, false)));
        let source = subject.prompt(&other.base);
        Some(Done::new(subject.prompt(&pair.base), vec![source], move |_| vec![edit.clone()]))
    };
    let mut all = Vec::new();
    for seed in 0..3 {
        let sweep = sweep(seed);
        let tables = tables(&subject, &sweep);
        agree(&tables);
        let drawn = drawn(&subject, &lines(&tables[0]), &pairs, (2, by));
        println!("{drawn:?}");
        // A batch of its own for each row draws the same.
        let (model, executor) = (&subject.model, Reference::new(&subject.model));
        let means = sweep.means(model, &executor).unwrap();
        for row in 0..pairs.len() {
            let mut go_on = |_| std::ops::ControlFlow::Continue(());
            let part = sweep.run_batch(model, &executor, &means, row..row + 1, &mut go_on);
            let whole = lines(&tables[0]);
            let whole = whole.iter().filter(|line| line.example == row);
            for (part, whole) in lines(part.unwrap().examples()).iter().zip(whole) {
                assert!(close(part.value, whole.value), "{part:?} {whole:?}");
            }
        }
        all.push(drawn);
    }
    assert!(all[0] != all[1] || all[1] != all[2], "seeds draw the same");
}

#[test]
fn shuffled_sources_are_those_of_another_row_and_neither_prompt_of_this_one() {
    let subject = Subject::new("gpt2-plain");
    let pairs = alike();
    let rows = rows(&pairs);
    for seed in 0..6 {
        let sweep = subject
            .sweep(&rows)
            .components([Component::BlockOutput])
            .roles(roles(&["subject", "last"]))
            .controls([Control::ShuffledSource])
            .seed(seed)
            .build()
            .unwrap();
        let tables = tables(&subject, &sweep);
        agree(&tables);
        let shuffled: Vec<Line> =
            lines(&tables[0]).into_iter().filter(|line| line.control == "shuffled").collect();
        assert_eq!(shuffled.len(), pairs.len() * 2 * subject.layers());
        let by = |line: &Line, pair: &Pair, other: &Pair| {
            let fits = other.source != pair.source && other.source.as_ref() != Some(&pair.base);
            let role = line.role.as_ref().unwrap();
            let edit = Edit::interchange(line.component, line.layer)
                .at(at(&subject.positions(pair, role, false)))
                .from(at(&subject.positions(other, role, true)));
            let source = subject.prompt(other.source.as_ref().unwrap());
            let done =
                Done::new(subject.prompt(&pair.base), vec![source], move |_| vec![edit.clone()]);
            fits.then_some(done)
        };
        drawn(&subject, &shuffled, &pairs, (1, by));
    }
}

#[test]
fn rows_that_cannot_draw_are_left_out() {
    let subject = Subject::new("gpt2-plain");
    let rows = rows(&mixed());
    let sweep = subject
        .sweep(&rows)
        .components([Component::BlockOutput])
        .roles(roles(&["subject"]))
        .method(Method::Resample { draws: 2 })
        .build()
        .unwrap();
    // The subject of row 0 is one token, as row 3's alone is; the others' are two.
    let left_out = sweep.left_out().iter().map(|row| format!("{}: {}", row.index, row.reason));
    assert_eq!(
        left_out.collect::<Vec<_>>(),
        [0, 3].map(|row| format!(
            "{row}: it needs 2 other rows to draw from that fit it in length, and there are 1"
        ))
    );
    assert_eq!(sweep.rows().iter().map(|row| row.index).collect::<Vec<_>>(), [1, 2, 4]);
    let only = [rows[0].clone()];
    let error = subject
        .sweep(&only)
        .components([Component::BlockOutput])
        .controls([Control::ShuffledSource])
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of the 1 rows can be used; row 0 (counted from 0): it needs 1 other rows to draw from that \
         fit it in length, and there are 0"
    );
}
