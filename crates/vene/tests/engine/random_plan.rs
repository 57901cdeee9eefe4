//! Random plans over random examples, for property tests.

use proptest::prelude::*;
use vene::{Edit, Example, Plan, Positions, Run, Source, When};

use crate::subject::Subject;

/// Every random model has at least so many tokens.
pub const WORDS: u32 = 43;

/// A plan and its examples, in numbers that fit any model.
#[derive(Clone, Debug)]
pub struct RandomPlan {
    pub subject: usize,
    examples: Vec<(Vec<u32>, Vec<u32>)>,
    edits: Vec<RandomEdit>,
}

#[derive(Clone, Debug)]
struct RandomEdit {
    site: usize,
    /// One bit for each position.
    positions: u16,
    /// One bit for each head; 0 stands for all of them.
    heads: u8,
    /// One bit for each key; 0 stands for all of them.
    keys: u16,
    kind: usize,
    /// Whether it reads the second source, where its kind leaves a choice.
    second: bool,
    /// Whether it edits the second source's run.
    in_source: bool,
    /// Whether all positions are one vector, where the site has rows.
    concatenated: bool,
    /// One bit for each third of all examples: whether it is left unedited.
    skipped: u8,
    seed: u64,
}

/// The interventions of [`RandomEdit::kind`].
const KINDS: usize = 8;

prop_compose! {
    fn edit()(
        site in any::<prop::sample::Index>(),
        positions in 1u16..512,
        heads in 0u8..16,
        keys in 0u16..512,
        kind in 0..KINDS,
        second in any::<bool>(),
        in_source in prop::bool::weighted(0.2),
        concatenated in prop::bool::weighted(0.2),
        skipped in prop_oneof![3 => Just(0u8), 1 => 0u8..8],
        seed in any::<u64>(),
    ) -> RandomEdit {
        // Far more than there are sites; the rest of the division chooses.
        let site = site.index(1 << 16);
        RandomEdit {
            site, positions, heads, keys, kind, second, in_source, concatenated, skipped, seed,
        }
    }
}

prop_compose! {
    /// A base of 1 to 9 tokens, and a source of the same length that may share a prefix.
    fn example()(
        base in prop::collection::vec(0..WORDS, 1..=9),
        shared in 0usize..9,
        tail in prop::collection::vec(0..WORDS, 9),
    ) -> (Vec<u32>, Vec<u32>) {
        let shared = shared.min(base.len());
        let source = base[..shared].iter().chain(&tail[shared..base.len()]).copied().collect();
        (base, source)
    }
}

prop_compose! {
    pub fn random_plan(subjects: usize)(
        subject in 0..subjects,
        examples in prop::collection::vec(example(), 1..=3),
        edits in prop::collection::vec(edit(), 1..=4),
    ) -> RandomPlan {
        RandomPlan { subject, examples, edits }
    }
}

prop_compose! {
    /// The same with edits of one position each, which can be made at new tokens.
    pub fn random_plan_of_rows(subjects: usize)(
        plan in random_plan(subjects),
        bits in prop::collection::vec(0u32..9, 4),
    ) -> RandomPlan {
        let mut plan = plan;
        for (edit, bit) in plan.edits.iter_mut().zip(bits) {
            edit.positions = 1 << bit;
        }
        plan
    }
}

/// Several plans of the same examples, which may begin with the same edit.
#[derive(Clone, Debug)]
pub struct RandomPlans {
    pub subject: usize,
    examples: Vec<(Vec<u32>, Vec<u32>)>,
    shared: Option<RandomEdit>,
    plans: Vec<Vec<RandomEdit>>,
}

prop_compose! {
    pub fn random_plans(subjects: usize)(
        subject in 0..subjects,
        examples in prop::collection::vec(example(), 1..=3),
        shared in prop::option::of(edit()),
        plans in prop::collection::vec(prop::collection::vec(edit(), 0..=3), 1..=4),
    ) -> RandomPlans {
        RandomPlans { subject, examples, shared, plans }
    }
}

impl RandomPlans {
    /// The same with every example so many times: first all, then all again.
    pub fn repeated(&self, times: usize) -> Self {
        Self { examples: vec![self.examples.clone(); times].concat(), ..self.clone() }
    }

    pub fn examples(&self, subject: &Subject) -> Vec<Example> {
        examples(&self.examples, subject)
    }

    /// The plans; the first edits nothing.
    pub fn plans(&self, subject: &Subject) -> Vec<Plan> {
        self.plans_reading(subject, &Positions::All)
    }

    /// The same, of which other positions are read.
    pub fn plans_reading(&self, subject: &Subject, read: &Positions) -> Vec<Plan> {
        let plan = |edits: &Vec<RandomEdit>| {
            let edits = that_change_something(self.shared.iter().chain(edits), subject);
            let edits = edits.into_iter().map(|edit| edit.edit(subject, &self.examples));
            edits.fold(Plan::new(), Plan::edit).read(read.clone())
        };
        let unedited = Plan::new().read(read.clone());
        std::iter::once(unedited).chain(self.plans.iter().map(plan)).collect()
    }
}

/// The edits without those of a source of which nothing is read there or after it: they are refused.
fn that_change_something<'a>(
    edits: impl IntoIterator<Item = &'a RandomEdit>,
    subject: &Subject,
) -> Vec<&'a RandomEdit> {
    let edits: Vec<&RandomEdit> = edits.into_iter().collect();
    let sites = subject.sites();
    let depth = |edit: &RandomEdit| sites[edit.site % sites.len()].depth();
    let is_read = |edited: &RandomEdit| {
        edits.iter().any(|edit| edit.reads_second() && depth(edit) >= depth(edited))
    };
    edits.iter().copied().filter(|edit| !edit.in_source || is_read(edit)).collect()
}

fn examples(examples: &[(Vec<u32>, Vec<u32>)], subject: &Subject) -> Vec<Example> {
    let example = |(base, source): &(Vec<u32>, Vec<u32>)| {
        let other: Vec<u32> = base.iter().map(|token| (token + 17) % WORDS).collect();
        Example::new(subject.prompt(base))
            .source(subject.prompt(source))
            .source(subject.prompt(&other))
    };
    examples.iter().map(example).collect()
}

impl RandomPlan {
    pub fn examples(&self, subject: &Subject) -> Vec<Example> {
        examples(&self.examples, subject)
    }

    pub fn plan(&self, subject: &Subject) -> Plan {
        let edits = that_change_something(&self.edits, subject).into_iter();
        let edits = edits.map(|edit| edit.edit(subject, &self.examples));
        edits.fold(Plan::new(), Plan::edit).read(Positions::All)
    }

    /// The examples with more tokens behind each base, and as many others behind its sources.
    pub fn continued(&self, subject: &Subject, more: &[Vec<u32>]) -> Vec<Example> {
        let behind =
            |prompt: &vene::Prompt, more: &[u32]| subject.prompt(&[prompt.tokens(), more].concat());
        let continued = |(example, more): (Example, &Vec<u32>)| {
            let others: Vec<u32> = more.iter().map(|token| (token + 29) % WORDS).collect();
            let base = Example::new(behind(&example.base, more));
            let sources = example.sources.iter();
            sources.fold(base, |example, source| example.source(behind(source, &others)))
        };
        self.examples(subject).into_iter().zip(more).map(continued).collect()
    }

    /// The edits, each with the steps at which it is made. Sources are prompts: their edits are made there.
    /// Only those that are made up to some step.
    fn timed(&self, subject: &Subject, when: &[When], last: usize) -> Vec<(&RandomEdit, When)> {
        let timed =
            self.edits.iter().zip(when.iter().cycle()).map(|(edit, when)| {
                (edit, if edit.in_source { When::Prompt } else { when.clone() })
            });
        let mut timed: Vec<_> =
            timed.filter(|(_, when)| (0..=last).any(|step| when.covers(step))).collect();
        let kept = that_change_something(timed.iter().map(|(edit, _)| *edit), subject);
        timed.retain(|(edit, _)| kept.iter().any(|kept| std::ptr::eq(*kept, *edit)));
        timed
    }

    /// The plan with each edit made at some steps.
    pub fn plan_at(&self, subject: &Subject, when: &[When]) -> Plan {
        let edits = self.timed(subject, when, usize::from(u8::MAX));
        edits
            .into_iter()
            .map(|(edit, when)| edit.edit(subject, &self.examples).when(when))
            .fold(Plan::new(), Plan::edit)
    }

    /// The same up to a step as a plan of the whole text so far: an edit of a new token is one at its
    /// position, which reads what it reads for the prompt.
    pub fn plan_of_whole(&self, subject: &Subject, when: &[When], step: usize) -> Plan {
        let mut plan = Plan::new();
        for (edit, when) in self.timed(subject, when, step) {
            let read = edit.positions(&self.examples);
            for step in (0..=step).filter(|&step| when.covers(step)) {
                // An example that is not edited is not edited at a new token.
                let new = |((base, _), read): (&(Vec<u32>, Vec<u32>), &Vec<i64>)| {
                    vec![(base.len() + step) as i64 - 1; read.len()]
                };
                let new = self.examples.iter().zip(&read).map(new).collect();
                let edit = edit.edit(subject, &self.examples);
                plan = plan.edit(match step {
                    0 => edit,
                    _ => edit.at(Positions::Each(new)).from(Positions::Each(read.clone())),
                });
            }
        }
        plan
    }

    /// The first position that is edited in each example.
    pub fn first_positions(&self) -> Vec<usize> {
        let first = |(base, _): &(Vec<u32>, Vec<u32>)| {
            let of_edit = |edit: &RandomEdit| chosen(edit.positions.into(), base.len())[0] as usize;
            self.edits.iter().map(of_edit).min().unwrap()
        };
        self.examples.iter().map(first).collect()
    }
}

/// The positions below `length` whose bits are set; the first one if there is none.
fn chosen(bits: u32, length: usize) -> Vec<i64> {
    let set: Vec<i64> = (0..length as i64).filter(|position| bits >> position & 1 == 1).collect();
    if set.is_empty() { vec![0] } else { set }
}

impl RandomEdit {
    /// Whether it reads the second source.
    fn reads_second(&self) -> bool {
        !self.in_source && (matches!(self.kind, 3 | 5) || self.kind == 0 && self.second)
    }

    /// The positions that it edits in each example.
    fn positions(&self, examples: &[(Vec<u32>, Vec<u32>)]) -> Vec<Vec<i64>> {
        let of_example = |example: &(Vec<u32>, Vec<u32>)| {
            // Equal examples alike, wherever they stand; the first always: an edit of none is refused.
            let bit = example.0.iter().sum::<u32>() % 3;
            match *example != examples[0] && self.skipped >> bit & 1 == 1 {
                true => Vec::new(),
                false => chosen(self.positions.into(), example.0.len()),
            }
        };
        examples.iter().map(of_example).collect()
    }

    fn edit(&self, subject: &Subject, examples: &[(Vec<u32>, Vec<u32>)]) -> Edit {
        let sites = subject.sites();
        let site = sites[self.site % sites.len()];
        let (component, layer) = (site.component(), site.layer());
        let config = subject.model.config();
        let row = component.width(config);
        // A second source that is given the first one's values may become the base: what is subtracted
        // then would cancel but for its rounding (below).
        let kind = match (self.in_source, self.kind) {
            (true, 0 | 5) => 2,
            (_, kind) => kind,
        };
        let edit = match (kind, row) {
            (0, _) => Edit::interchange(component, layer),
            (1, _) => Edit::zero(component, layer),
            (2, _) => Edit::addition(component, layer),
            // A source that differs from the base everywhere: values that cancel but for their rounding
            // would be blown up by the next norm, and no two ways of computing them agree.
            (3, _) => Edit::subtraction(component, layer).source(Source::Run(1)),
            (4, _) => Edit::scaling(component, layer, 1.5),
            (5, _) => Edit::mean(component, layer),
            (6, Some(width)) if self.heads == 0 || component.heads(config).is_none() => {
                Edit::steering(
                    component,
                    layer,
                    (0..width).map(|column| (column as f64).cos()).collect(),
                )
            }
            _ => Edit::noise(component, layer, 0.2, self.seed),
        };
        let mut edit = edit.at(Positions::Each(self.positions(examples)));
        if self.in_source {
            edit = edit.within(Run::Source(1));
        } else if self.kind == 0 && self.second {
            edit = edit.source(Source::Run(1));
        }
        if self.concatenated && !component.is_pattern() && !site.is_by_step(config) {
            edit = edit.concatenated();
        }
        if let (Some(heads), 1..) = (component.heads(config), self.heads) {
            let heads = chosen(self.heads.into(), heads).into_iter().map(|head| head as usize);
            edit = edit.heads(heads.collect::<Vec<_>>());
        }
        // A key that every query sees keeps the edit from landing nowhere, without windows.
        if component.is_pattern()
            && self.keys > 0
            && layer.is_some_and(|layer| config.layers[layer].window.is_none())
        {
            let keys = examples.iter().map(|(base, _)| chosen((self.keys | 1).into(), base.len()));
            edit = edit.keys(Positions::Each(keys.collect()));
        }
        edit
    }
}
