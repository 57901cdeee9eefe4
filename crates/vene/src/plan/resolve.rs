//! From words to numbers: a plan is checked against a model and its examples.

use std::sync::Arc;

use vene_model::{Component, DecoderConfig, Outline, Prompt, Site};

use super::edit::{Edit, Source};
use super::when::When;
use super::{Example, Outputs, Plan, Positions, Run};
use crate::error::PlanError;
use crate::intervention::{Intervention, SourceCount, Subspace};

/// A plan in which every position is a number and every edit lands somewhere.
#[derive(Clone, Debug)]
pub struct ResolvedPlan {
    pub(crate) examples: Arc<[Example]>,
    pub(crate) edits: Vec<ResolvedEdit>,
    pub(crate) collects: Vec<ResolvedCollect>,
    pub(crate) read: Vec<Vec<usize>>,
    pub(crate) outputs: Outputs,
}

/// An edit with its units in each example.
#[derive(Clone, Debug)]
pub struct ResolvedEdit {
    /// Where it writes.
    pub site: Site,
    /// What it does.
    pub intervention: Arc<dyn Intervention>,
    /// What it writes, for each example.
    pub units: Vec<Unit>,
    /// What it reads.
    pub source: Option<ResolvedSource>,
    /// Whether it is run even where it is sure to change nothing.
    pub control: bool,
    /// The coordinates that it edits, for each example, where the plan says so.
    pub subspaces: Option<Vec<Vec<usize>>>,
    /// At which steps of a generation it is made.
    pub when: When,
}

/// What an edit reads.
#[derive(Clone, Debug)]
pub enum ResolvedSource {
    /// Unedited runs of the example.
    Runs {
        /// Where it reads.
        site: Site,
        /// For each example the runs, and what is read in each.
        units: Vec<Vec<(Run, Unit)>>,
    },
    /// The edited run itself, at a site before the written one.
    Current(Site),
    /// Given values: one row, or a row for each position.
    Given(Arc<Vec<f64>>),
}

/// Values within a component of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Token positions; of attention patterns, the queries.
    pub positions: Vec<usize>,
    /// Heads, where not all or where the component has none.
    pub heads: Option<Vec<usize>>,
    /// Keys, where the component is an attention pattern and not all are meant.
    pub keys: Option<Vec<usize>>,
}

/// Activations to be kept.
#[derive(Clone, Debug)]
pub struct ResolvedCollect {
    /// Where.
    pub site: Site,
    /// Which positions, for each example.
    pub positions: Vec<Vec<usize>>,
}

impl ResolvedPlan {
    /// The examples it is for.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// A prompt's run as it is, read at its last position.
    pub(crate) fn unedited(prompt: &Prompt) -> Self {
        Self {
            read: vec![vec![prompt.len() - 1]],
            examples: [Example::new(prompt.clone())].into(),
            edits: Vec::new(),
            collects: Vec::new(),
            outputs: Outputs::Distributions,
        }
    }

    /// The same, with the probabilities of these tokens as all that is read.
    pub(crate) fn probabilities_of(mut self, tokens: Vec<u32>) -> Self {
        self.outputs = Outputs::Probabilities(tokens.into());
        self
    }

    /// Its edits.
    pub fn edits(&self) -> &[ResolvedEdit] {
        &self.edits
    }

    /// The positions of an example whose logits are needed: those read, edited and collected.
    pub(crate) fn logit_positions(&self, example: usize) -> Vec<usize> {
        let is_logits = |site: Site| site.component() == Component::Logits;
        let edited = self.edits.iter().filter(|edit| is_logits(edit.site));
        let collected = self.collects.iter().filter(|collect| is_logits(collect.site));
        let mut positions = self.read[example].clone();
        positions.extend(edited.flat_map(|edit| &edit.units[example].positions));
        positions.extend(collected.flat_map(|collect| &collect.positions[example]));
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// The positions whose distributions are read, for each example.
    pub fn read(&self) -> &[Vec<usize>] {
        &self.read
    }
}

impl ResolvedEdit {
    /// Whether the edit is sure to change nothing in an example: it is an interchange whose every
    /// read row is its write row, since base and source are the same up to there.
    pub fn is_shared_prefix(&self, example: usize, prompts: &Example) -> bool {
        let Some(ResolvedSource::Runs { site, units }) = &self.source else { return false };
        let unit = &self.units[example];
        !self.control
            && self.intervention.name() == "interchange"
            && *site == self.site
            && units[example].iter().all(|(run, read)| {
                let shared = prompts.base.shared_prefix(prompts.prompt(*run));
                read == unit && unit.positions.iter().all(|&position| position < shared)
            })
    }
}

pub(super) fn resolve(
    plan: &Plan,
    outline: &Outline,
    examples: Arc<[Example]>,
) -> Result<ResolvedPlan, PlanError> {
    if examples.is_empty() {
        return Err(PlanError::NoExamples);
    }
    let config = outline.config();
    plan.outputs.check(examples.len(), config.vocabulary)?;
    let edits = plan
        .edits
        .iter()
        .enumerate()
        .map(|(index, edit)| Resolver { index, edit, config, examples: &examples }.resolve())
        .collect::<Result<Vec<_>, _>>()?;
    let resolved = ResolvedPlan {
        collects: plan
            .collects
            .iter()
            .map(|collect| {
                let site = Site::new(collect.component, collect.layer, config)?;
                if collect.component.is_pattern() && collect.positions != Positions::All {
                    return Err(PlanError::PartOfPattern { component: collect.component });
                }
                Ok(ResolvedCollect {
                    site,
                    positions: base_positions(&collect.positions, &examples)?,
                })
            })
            .collect::<Result<_, _>>()?,
        read: base_positions(&plan.read, &examples)?,
        outputs: plan.outputs.clone(),
        examples,
        edits,
    };
    refuse_conflicts(&resolved, config)?;
    Ok(resolved)
}

fn base_positions(
    positions: &Positions,
    examples: &[Example],
) -> Result<Vec<Vec<usize>>, PlanError> {
    let resolve = |(example, prompts): (usize, &Example)| {
        named(positions, &prompts.base, "the base", example)
    };
    examples.iter().enumerate().map(resolve).collect()
}

fn named(
    positions: &Positions,
    prompt: &Prompt,
    whose: &'static str,
    example: usize,
) -> Result<Vec<usize>, PlanError> {
    positions.resolve(prompt, example).map_err(|error| PlanError::Position {
        whose,
        example,
        error,
    })
}

/// One edit on its way from words to numbers.
struct Resolver<'a> {
    index: usize,
    edit: &'a Edit,
    config: &'a DecoderConfig,
    examples: &'a [Example],
}

impl Resolver<'_> {
    fn resolve(&self) -> Result<ResolvedEdit, PlanError> {
        let edit = self.edit;
        let site = Site::new(edit.component, edit.layer, self.config)?;
        if let Some(problem) = edit.intervention.problem() {
            return Err(self.parameter(problem));
        }
        if edit.keys.is_some() && !edit.component.is_pattern() {
            return Err(PlanError::NoKeys { component: edit.component });
        }
        let heads = self.heads(edit.component, edit.heads.as_deref())?;
        let units = self
            .examples
            .iter()
            .enumerate()
            .map(|(example, prompts)| {
                let unit =
                    self.unit(&edit.positions, heads.clone(), &prompts.base, "the base", example)?;
                self.lands(site, example, prompts, &unit)?;
                Ok(unit)
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        let width = self.width(heads.as_deref());
        edit.intervention.check(width).map_err(|problem| self.parameter(problem))?;
        let subspaces = self.subspaces(width)?;
        let source = self.source(site, heads, &units)?;
        let (intervention, control) = (edit.intervention.clone(), edit.control);
        let when = edit.when.clone();
        let edit = ResolvedEdit { site, intervention, units, source, control, subspaces, when };
        edit.check_steps(self.config, self.examples).map_err(|problem| PlanError::OnSteps {
            edit: self.index,
            site,
            problem,
        })?;
        Ok(edit)
    }

    /// How many values of a row are edited; `None` of attention patterns.
    fn width(&self, heads: Option<&[usize]>) -> Option<usize> {
        let width = self.edit.component.width(self.config)?;
        let all = self.edit.component.heads(self.config);
        Some(match (heads, all) {
            (Some(heads), Some(all)) => width / all * heads.len(),
            _ => width,
        })
    }

    fn parameter(&self, problem: String) -> PlanError {
        let intervention = self.edit.intervention.name();
        PlanError::Parameter { edit: self.index, intervention, problem }
    }

    /// The subspace of each example as coordinates.
    fn subspaces(&self, width: Option<usize>) -> Result<Option<Vec<Vec<usize>>>, PlanError> {
        let Some(given) = &self.edit.subspaces else { return Ok(None) };
        let coordinates = self.edit.intervention.coordinates(width).ok_or_else(|| {
            self.parameter("no coordinates of which a subspace could be chosen here".to_owned())
        })?;
        if given.len() != 1 && given.len() != self.examples.len() {
            return Err(self.parameter(format!(
                "subspaces for {} examples; there are {}, give one for each or one for all",
                given.len(),
                self.examples.len()
            )));
        }
        let resolve = |subspace: &Subspace| {
            subspace
                .check(coordinates)
                .map_err(|error| self.parameter(format!("a subspace that cannot be: {error}")))?;
            Ok(match subspace {
                Subspace::All => (0..coordinates).collect(),
                Subspace::Dimensions(dimensions) => dimensions.clone(),
            })
        };
        let each = given.iter().map(resolve).collect::<Result<Vec<_>, PlanError>>()?;
        Ok(Some(match each.as_slice() {
            [one] => vec![one.clone(); self.examples.len()],
            _ => each,
        }))
    }

    fn unit(
        &self,
        positions: &Positions,
        heads: Option<Vec<usize>>,
        prompt: &Prompt,
        whose: &'static str,
        example: usize,
    ) -> Result<Unit, PlanError> {
        let keys =
            self.edit.keys.as_ref().map(|keys| named(keys, prompt, whose, example)).transpose()?;
        Ok(Unit { positions: named(positions, prompt, whose, example)?, heads, keys })
    }

    /// Heads in range, none twice; `None` stands for all.
    fn heads(
        &self,
        component: Component,
        heads: Option<&[usize]>,
    ) -> Result<Option<Vec<usize>>, PlanError> {
        let Some(chosen) = heads else { return Ok(None) };
        let Some(count) = component.heads(self.config) else {
            let with_heads: Vec<_> = Component::all(self.config)
                .filter(|component| component.heads(self.config).is_some())
                .map(Component::name)
                .collect();
            return Err(PlanError::NoHeads { component, with_heads: with_heads.join(", ") });
        };
        for (index, &head) in chosen.iter().enumerate() {
            if head >= count {
                let query_heads = self.config.heads;
                return Err(PlanError::HeadPastEnd { component, head, heads: count, query_heads });
            }
            if chosen[..index].contains(&head) {
                return Err(PlanError::HeadTwice { component, head });
            }
        }
        Ok(Some(chosen.to_vec()))
    }

    /// Refuses an edit that would write nothing.
    fn lands(
        &self,
        site: Site,
        example: usize,
        prompts: &Example,
        unit: &Unit,
    ) -> Result<(), PlanError> {
        let nowhere =
            |reason: String| PlanError::LandsNowhere { edit: self.index, site, example, reason };
        if unit.positions.is_empty() {
            return Err(nowhere("it names no position".to_owned()));
        }
        if unit.heads.as_ref().is_some_and(Vec::is_empty) {
            return Err(nowhere("it names no head".to_owned()));
        }
        if let (Some(layer), true) = (site.layer(), site.component().is_pattern()) {
            let all: Vec<usize> = (0..prompts.base.len()).collect();
            let keys = unit.keys.as_ref().unwrap_or(&all);
            let sees = unit
                .positions
                .iter()
                .any(|&query| keys.iter().any(|&key| self.config.visible(layer, query, key)));
            if !sees {
                return Err(nowhere(format!(
                    "no query at {:?} sees a key at {keys:?}, since attention looks back only{}",
                    unit.positions,
                    self.config.layers[layer].window.map_or(String::new(), |window| {
                        format!(", in this layer over {window} positions, the query's included")
                    })
                )));
            }
        }
        Ok(())
    }

    fn source(
        &self,
        site: Site,
        heads: Option<Vec<usize>>,
        units: &[Unit],
    ) -> Result<Option<ResolvedSource>, PlanError> {
        let edit = self.edit;
        let wrong = |wanted, given| PlanError::SourceCount {
            edit: self.index,
            intervention: edit.intervention.name(),
            wanted,
            given,
        };
        match (edit.intervention.source_count(), &edit.source) {
            (SourceCount::None, None) => return Ok(None),
            (SourceCount::None, Some(_)) => return Err(wrong("no source", "one")),
            (_, None) => return Err(wrong("a source", "none")),
            (SourceCount::One, Some(Source::AllRuns)) => {
                return Err(wrong("one source", "all of them"));
            }
            _ => {}
        }
        match &edit.source {
            None => Ok(None),
            Some(Source::Given(values)) => self.given(site, values, units).map(Some),
            Some(Source::Current(component)) => self.current(site, *component).map(Some),
            Some(Source::Run(run)) => {
                self.runs(heads, units, |_| vec![Run::Source(*run)]).map(Some)
            }
            Some(Source::Base) => self.runs(heads, units, |_| vec![Run::Base]).map(Some),
            Some(Source::AllRuns) => {
                let all = |example: &Example| (0..example.sources.len()).map(Run::Source).collect();
                self.runs(heads, units, all).map(Some)
            }
        }
    }

    fn runs(
        &self,
        heads: Option<Vec<usize>>,
        units: &[Unit],
        which: impl Fn(&Example) -> Vec<Run>,
    ) -> Result<ResolvedSource, PlanError> {
        let edit = self.edit;
        let read_site = Site::new(edit.component, edit.source_layer.or(edit.layer), self.config)?;
        let heads = match &edit.source_heads {
            Some(chosen) => self.heads(edit.component, Some(chosen))?,
            None => heads,
        };
        let positions = edit.source_positions.as_ref().unwrap_or(&edit.positions);
        let read = |example: usize, prompts: &Example, run: Run| {
            let (prompt, whose) = match run {
                Run::Base => (&prompts.base, "the base"),
                Run::Source(index) => match prompts.sources.get(index) {
                    Some(prompt) => (prompt, "the source"),
                    None => {
                        return Err(PlanError::NoSource {
                            edit: self.index,
                            example,
                            source_index: index,
                            sources: prompts.sources.len(),
                        });
                    }
                },
            };
            let unit = self.unit(positions, heads.clone(), prompt, whose, example)?;
            self.refuse_unequal(example, &prompts.base, prompt, &units[example], &unit)?;
            Ok((run, unit))
        };
        let units = self
            .examples
            .iter()
            .enumerate()
            .map(|(example, prompts)| {
                let runs = which(prompts);
                // An intervention that takes several sources still needs one.
                let runs = if runs.is_empty() { vec![Run::Source(0)] } else { runs };
                runs.into_iter().map(|run| read(example, prompts, run)).collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(ResolvedSource::Runs { site: read_site, units })
    }

    fn refuse_unequal(
        &self,
        example: usize,
        base_prompt: &Prompt,
        source_prompt: &Prompt,
        base: &Unit,
        source: &Unit,
    ) -> Result<(), PlanError> {
        let heads = |unit: &Unit| {
            let all = self.edit.component.heads(self.config).unwrap_or(1);
            unit.heads.as_ref().map_or(all, Vec::len)
        };
        let keys = |unit: &Unit, prompt: &Prompt| match self.edit.component.is_pattern() {
            true => unit.keys.as_ref().map_or(prompt.len(), Vec::len),
            false => 1,
        };
        let counts = [
            ("positions", base.positions.len(), source.positions.len()),
            ("heads", heads(base), heads(source)),
            ("keys", keys(base, base_prompt), keys(source, source_prompt)),
        ];
        match counts.into_iter().find(|(_, base, source)| base != source) {
            None => Ok(()),
            Some((what, base, read)) => Err(PlanError::Unequal {
                edit: self.index,
                example,
                what,
                base,
                read,
                base_tokens: base_prompt.len(),
                source_tokens: source_prompt.len(),
            }),
        }
    }

    fn given(
        &self,
        site: Site,
        values: &Arc<Vec<f64>>,
        units: &[Unit],
    ) -> Result<ResolvedSource, PlanError> {
        if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
            return Err(PlanError::NotFinite { edit: self.index, site, value });
        }
        for (unit, prompts) in units.iter().zip(self.examples) {
            let width = unit_width(unit, site, self.config, prompts.base.len());
            let all = width * unit.positions.len();
            if values.len() != width && values.len() != all {
                return Err(PlanError::GivenLength {
                    edit: self.index,
                    site,
                    given: values.len(),
                    width,
                    all,
                });
            }
        }
        Ok(ResolvedSource::Given(values.clone()))
    }

    fn current(&self, site: Site, component: Component) -> Result<ResolvedSource, PlanError> {
        let read = Site::new(component, site.layer(), self.config)?;
        let width = |site: Site| site.component().width(self.config);
        if read.depth() >= site.depth() || width(read) != width(site) || component.is_pattern() {
            return Err(PlanError::ReadBehindWrite { edit: self.index, site, read: component });
        }
        Ok(ResolvedSource::Current(read))
    }
}

/// How many values a unit has for each position; of attention patterns, for each query of all heads.
pub(super) fn unit_width(unit: &Unit, site: Site, config: &DecoderConfig, tokens: usize) -> usize {
    let component = site.component();
    let heads = component.heads(config).unwrap_or(1);
    let chosen = unit.heads.as_ref().map_or(heads, Vec::len);
    match component.width(config) {
        Some(width) => width / heads * chosen,
        None => chosen * unit.keys.as_ref().map_or(tokens, Vec::len),
    }
}

/// Refuses two absolute edits of the same values.
fn refuse_conflicts(plan: &ResolvedPlan, config: &DecoderConfig) -> Result<(), PlanError> {
    let absolute: Vec<_> =
        plan.edits.iter().enumerate().filter(|(_, edit)| edit.intervention.is_absolute()).collect();
    for (index, &(second, later)) in absolute.iter().enumerate() {
        for &(first, earlier) in &absolute[..index] {
            if earlier.site.place(config) != later.site.place(config) {
                continue;
            }
            let on_prompt = earlier.when.covers(0) && later.when.covers(0);
            for (example, (a, b)) in earlier.units.iter().zip(&later.units).enumerate() {
                let position = common(Some(&a.positions), Some(&b.positions));
                let head = common(a.heads.as_deref(), b.heads.as_deref());
                let key = common(a.keys.as_deref(), b.keys.as_deref());
                if let (Some(step), Some(_), Some(_)) = (earlier.when.meets(&later.when), head, key)
                {
                    let problem = format!("edit {first} replaces the same values at step {step}");
                    return Err(PlanError::OnSteps { edit: second, site: later.site, problem });
                }
                let position = position.filter(|_| on_prompt);
                if let (Some(position), Some(head), Some(_)) = (position, head, key) {
                    return Err(PlanError::Conflict {
                        first,
                        second,
                        site: later.site,
                        example,
                        position: position.unwrap_or(0),
                        head,
                    });
                }
            }
        }
    }
    Ok(())
}

/// Something that both lists hold, where `None` stands for everything: `Some(None)` if that is
/// everything, `None` if they have nothing in common.
#[allow(clippy::option_option)]
fn common(a: Option<&[usize]>, b: Option<&[usize]>) -> Option<Option<usize>> {
    match (a, b) {
        (None, None) => Some(None),
        (Some(list), None) | (None, Some(list)) => list.first().copied().map(Some),
        (Some(a), Some(b)) => a.iter().find(|item| b.contains(item)).copied().map(Some),
    }
}
