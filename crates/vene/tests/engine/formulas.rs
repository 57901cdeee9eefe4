//! Each intervention does what its formula says, computed here by hand from what is collected.

use vene::plan::Source;
use vene::{Component, Edit, Example, Module, Plan, Positions, Precision, Site};
use vene_test_support::{relative_error, values};

use crate::subject::{PLAIN, Subject, distance};

const CLOSE: f64 = 1e-12;

/// Rows of a site as plain numbers.
struct Rows {
    values: Vec<f64>,
    width: usize,
}

impl Rows {
    fn of(
        subject: &Subject,
        site: Site,
        edits: impl IntoIterator<Item = Edit>,
        example: &Example,
    ) -> Self {
        let collected = subject.collect(site, edits, example);
        Self { values: values(&collected), width: collected.dim(1).unwrap() }
    }

    fn row(&self, position: usize) -> &[f64] {
        &self.values[position * self.width..(position + 1) * self.width]
    }
}

/// Sites with and without heads, in and between the modules, and behind the last layer.
fn row_sites(subject: &Subject) -> Vec<Site> {
    subject.sites().into_iter().filter(|site| !site.component().is_pattern()).collect()
}

/// Checks an edit of positions 1 and 3 against its formula (base row, source row, position).
fn follows(build: &dyn Fn(Site, usize) -> Edit, formula: &dyn Fn(f64, f64, [usize; 2]) -> f64) {
    for subject in Subject::each() {
        let example = subject.example();
        for site in row_sites(&subject) {
            let base = Rows::of(&subject, site, [], &example);
            let source = Rows::of(&subject, site, [], &Example::new(subject.source.clone()));
            let edit = build(site, base.width).at(Positions::At(vec![1, 3]));
            let edited = Rows::of(&subject, site, [edit.clone()], &example);
            let mut expected = base.values.clone();
            for (index, value) in expected.iter_mut().enumerate() {
                let (position, column) = (index / base.width, index % base.width);
                if [1, 3].contains(&position) {
                    *value = formula(*value, source.row(position)[column], [position, column]);
                }
            }
            let what = format!("{}: {site}", subject.name);
            let error = relative_error(&edited.values, &expected);
            assert!(error < CLOSE, "{what}: {error:e}");

            // What follows from it is what follows from the same values given as they are.
            let given =
                [&expected[base.width..2 * base.width], &expected[3 * base.width..4 * base.width]];
            let constant = Edit::constant(site.component(), site.layer(), given.concat());
            let constant = constant.at(Positions::At(vec![1, 3]));
            let logits = |edit| subject.logits([edit], &example);
            assert!(distance(&logits(edit), &logits(constant)) < CLOSE, "{what}");
        }
    }
}

#[test]
fn interchange() {
    follows(&|site, _| Edit::interchange(site.component(), site.layer()), &|_, source, _| source);
}

#[test]
fn zero() {
    follows(&|site, _| Edit::zero(site.component(), site.layer()), &|_, _, _| 0.0);
}

#[test]
fn constant() {
    let value = |column: usize| 0.25 + column as f64 / 8.0;
    follows(
        &|site, width| {
            Edit::constant(site.component(), site.layer(), (0..width).map(value).collect())
        },
        &|_, _, [_, column]| value(column),
    );
}

#[test]
fn addition_and_subtraction() {
    follows(&|site, _| Edit::addition(site.component(), site.layer()), &|base, source, _| {
        base + source
    });
    follows(&|site, _| Edit::subtraction(site.component(), site.layer()), &|base, source, _| {
        base - source
    });
}

#[test]
fn steering() {
    let value = |column: usize| (column as f64).sin();
    follows(
        &|site, width| {
            Edit::steering(site.component(), site.layer(), (0..width).map(value).collect())
        },
        &|base, _, [_, column]| base + value(column),
    );
}

#[test]
fn scaling() {
    follows(&|site, _| Edit::scaling(site.component(), site.layer(), -1.5), &|base, _, _| {
        -1.5 * base
    });
}

/// The noise as its module describes it, written a second time.
fn documented_noise(seed: u64, example: u64, position: u64, column: u64) -> f64 {
    let mut state = 0u64;
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    for part in [seed, example, position, column] {
        state = mix((state ^ part).wrapping_add(STEP));
    }
    let uniform = |number: u64| {
        ((mix(state.wrapping_add(STEP.wrapping_mul(number))) >> 11) as f64 + 0.5) / 2f64.powi(53)
    };
    (-2.0 * uniform(1).ln()).sqrt() * (2.0 * std::f64::consts::PI * uniform(2)).cos()
}

#[test]
fn noise() {
    follows(&|site, _| Edit::noise(site.component(), site.layer(), 0.3, 11), &|base,
                                                                               _,
                                                                               [
        position,
        column,
    ]| {
        base + 0.3 * documented_noise(11, 0, position as u64, column as u64)
    });
}

#[test]
fn noise_on_attention_patterns() {
    for subject in Subject::each() {
        let site = Site::new(Component::AttentionScore, Some(1), subject.model.config()).unwrap();
        let edit = Edit::noise(site.component(), site.layer(), 0.3, 11)
            .heads([2, 0])
            .at(Positions::At(vec![4, 1]))
            .keys(Positions::At(vec![1, 0]));
        let before = subject.values(site, [], &subject.example());
        let after = subject.values(site, [edit], &subject.example());
        let (tokens, window) = (subject.base.len(), subject.model.config().layers[1].window);
        for (index, (before, after)) in before.iter().zip(&after).enumerate() {
            let (head, query, key) =
                (index / tokens / tokens, index / tokens % tokens, index % tokens);
            let is_edited = [0, 2].contains(&head) && [1, 4].contains(&query) && key < 2;
            let is_visible = key <= query && window.is_none_or(|window| query - key < window);
            let expected = match is_edited && is_visible {
                true => {
                    before
                        + 0.3
                            * documented_noise(
                                11,
                                0,
                                query as u64,
                                ((head as u64) << 32) + key as u64,
                            )
                }
                false => *before,
            };
            assert!(*after == expected || (after - expected).abs() < CLOSE, "{head} {query} {key}");
        }
    }
}

#[test]
fn mean_of_sources_of_different_lengths() {
    for subject in Subject::each() {
        let example = subject.example().source(subject.long.clone()).source(subject.base.clone());
        for site in row_sites(&subject) {
            let last = |prompt: &vene::Prompt| {
                let rows = Rows::of(&subject, site, [], &Example::new(prompt.clone()));
                rows.row(prompt.len() - 1).to_vec()
            };
            let rows = [last(&subject.source), last(&subject.long), last(&subject.base)];
            let mean: Vec<f64> = (0..rows[0].len())
                .map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / 3.0)
                .collect();
            let edited =
                Rows::of(&subject, site, [Edit::mean(site.component(), site.layer())], &example);
            assert!(relative_error(edited.row(subject.base.len() - 1), &mean) < CLOSE, "{site}");
        }
    }
}

#[test]
fn a_skipped_module_gives_its_own_input() {
    let modules = [
        (Module::Attention, Component::AttentionOutput, Component::AttentionInput),
        (Module::Mlp, Component::MlpOutput, Component::MlpInput),
        (Module::Block, Component::BlockOutput, Component::BlockInput),
    ];
    for subject in Subject::each() {
        let at = |component| Site::new(component, Some(1), subject.model.config()).unwrap();
        for (module, output, input) in modules {
            // The input is that of the edited run: another edit comes before it.
            let before = Edit::scaling(Component::BlockOutput, 0, 1.5).at(Positions::All);
            let edits = || [before.clone(), Edit::skip(module, 1).at(Positions::At(vec![1, 4]))];
            let output = Rows::of(&subject, at(output), edits(), &subject.example());
            let input = Rows::of(&subject, at(input), edits(), &subject.example());
            let untouched = Rows::of(&subject, at(Component::BlockInput), [], &subject.example());
            for position in [1, 4] {
                assert_eq!(output.row(position), input.row(position));
                assert_ne!(input.row(position), untouched.row(position));
            }
            assert_ne!(output.row(2), input.row(2));
        }
    }
}

#[test]
fn values_of_this_run_are_read_by_head() {
    for subject in Subject::each() {
        // Values in place of keys, of the first head alone.
        let edit = Edit::interchange(Component::ValueOutput, 1)
            .source(Source::Current(Component::KeyOutput))
            .heads([0])
            .at(Positions::At(vec![0, 3]));
        let at = |component| Site::new(component, Some(1), subject.model.config()).unwrap();
        let rows = |component, edits| Rows::of(&subject, at(component), edits, &subject.example());
        let keys = rows(Component::KeyOutput, vec![]);
        let (before, after) =
            (rows(Component::ValueOutput, vec![]), rows(Component::ValueOutput, vec![edit]));
        let width = subject.model.config().head_dim;
        for position in 0..subject.base.len() {
            let first = if [0, 3].contains(&position) { &keys } else { &before };
            assert_eq!(after.row(position)[..width], first.row(position)[..width]);
            assert_eq!(after.row(position)[width..], before.row(position)[width..]);
        }
    }
}

#[test]
fn edits_of_one_site_follow_each_other_in_their_order() {
    let subject = Subject::new(PLAIN[0], Precision::Double);
    let site = Site::new(Component::BlockOutput, Some(0), subject.model.config()).unwrap();
    let width = subject.model.config().d_model;
    let (add, scale) = (
        Edit::steering(Component::BlockOutput, 0, vec![1.0; width]),
        Edit::scaling(Component::BlockOutput, 0, 2.0),
    );
    let rows = |edits| Rows::of(&subject, site, edits, &subject.example());
    let before = rows(vec![]);
    let (first, second) = (rows(vec![add.clone(), scale.clone()]), rows(vec![scale, add]));
    for column in 0..width {
        let value = before.row(4)[column];
        assert!((first.row(4)[column] - 2.0 * (value + 1.0)).abs() < CLOSE);
        assert!((second.row(4)[column] - (2.0 * value + 1.0)).abs() < CLOSE);
    }
    let plan = Plan::new().edit(Edit::zero(Component::BlockOutput, 0)).collect(
        Component::BlockOutput,
        0,
        Positions::Last,
    );
    let collected = subject.run(&plan, &[subject.example()]).examples[0].collected[0].clone();
    assert_eq!(values(&collected), vec![0.0; width], "a collect sees what was edited");
}
