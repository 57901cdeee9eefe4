//! From words to numbers: a plan is checked against a model and its examples.

use std::collections::BTreeSet;
use std::sync::Arc;

use vene_intervention::Subspace;
use vene_model::{Component, DecoderConfig, Outline, Prompt, Site};

use super::conflicts::refuse_conflicts;
use super::edit::{Edit, Source};
use super::heads::Heads;
use super::runs::in_order;
use super::{
    Example, Plan, Positions, ResolvedCollect, ResolvedEdit, ResolvedPlan, Run, SourcePositions,
    Unit,
};
use crate::error::{PlanError, PositionError, Whose};

pub(super) fn resolve(
    plan: &Plan,
    outline: &Outline,
    examples: Arc<[Example]>,
) -> Result<ResolvedPlan, PlanError> {
    if examples.is_empty() {
        return Err(PlanError::NoExamples);
    }
    for prompts in examples.iter() {
        for prompt in std::iter::once(&prompts.base).chain(&prompts.sources) {
            outline.expect("the prompt", prompt.model())?;
        }
    }
    let config = outline.config();
    plan.outputs.check(examples.len(), config.vocabulary)?;
    let edited: BTreeSet<Run> = plan.edits.iter().map(|edit| edit.run).collect();
    let edits = plan
        .edits
        .iter()
        .enumerate()
        .map(|(index, edit)| {
            Resolver { index, edit, config, examples: &examples, edited: &edited }.resolve()
        })
        .collect::<Result<Vec<_>, _>>()?;
    refuse_conflicts(&edits, config)?;
    let (edits, edited_sources) = in_order(edits)?;
    Ok(ResolvedPlan {
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
        original: plan.original,
        examples,
        edits,
        edited_sources,
    })
}

/// Refuses lists for examples that are not there: whoever gave them meant others.
fn refuse_surplus(
    positions: Option<&Positions>,
    whose: Whose,
    examples: usize,
) -> Result<(), PlanError> {
    match positions {
        Some(Positions::Each(lists)) if lists.len() > examples => Err(PlanError::Position {
            whose,
            example: examples,
            error: PositionError::NoExample { given: lists.len(), examples },
        }),
        _ => Ok(()),
    }
}

fn base_positions(
    positions: &Positions,
    examples: &[Example],
) -> Result<Vec<Vec<usize>>, PlanError> {
    refuse_surplus(Some(positions), Whose::Base, examples.len())?;
    let resolve = |(example, prompts): (usize, &Example)| {
        named(positions, &prompts.base, Whose::Base, example)
    };
    examples.iter().enumerate().map(resolve).collect()
}

fn named(
    positions: &Positions,
    prompt: &Prompt,
    whose: Whose,
    example: usize,
) -> Result<Vec<usize>, PlanError> {
    positions.resolve(prompt, example).map_err(|error| PlanError::Position {
        whose,
        example,
        error,
    })
}

/// One edit on its way from words to numbers.
pub(super) struct Resolver<'a> {
    pub(super) index: usize,
    pub(super) edit: &'a Edit,
    pub(super) config: &'a DecoderConfig,
    pub(super) examples: &'a [Example],
    /// The runs that the plan edits.
    pub(super) edited: &'a BTreeSet<Run>,
}

impl Resolver<'_> {
    fn resolve(&self) -> Result<ResolvedEdit, PlanError> {
        let (edit, site) = (self.edit, self.site()?);
        self.refuse_surplus_lists()?;
        let units = self
            .examples
            .iter()
            .enumerate()
            .map(|(example, prompts)| {
                let (heads, whose) = (edit.heads.as_ref(), prompts.whose(edit.run));
                let prompt = self.prompt_of(edit.run, example, prompts)?;
                let keys = edit.keys.as_ref();
                let unit = self.unit(&edit.positions, heads, keys, (prompt, whose), example)?;
                self.lands(site, example, prompt, &unit)?;
                Ok(unit)
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        if units.iter().all(Unit::is_empty) {
            return Err(self.nowhere(site, 0, "it edits no example at all".to_owned()));
        }
        let several = |unit: &Unit| unit.positions.len() > 1;
        if edit.concatenated && site.is_by_step(self.config) && units.iter().any(several) {
            return Err(PlanError::StepsConcatenated { site });
        }
        let widths = self.widths(&units);
        for &width in widths.iter().collect::<BTreeSet<_>>() {
            edit.intervention.check(width).map_err(|problem| self.parameter(problem))?;
        }
        let edit = ResolvedEdit {
            index: self.index,
            when: edit.when.clone(),
            run: edit.run,
            site,
            by_step: site.is_by_step(self.config),
            intervention: edit.intervention.clone(),
            concatenated: edit.concatenated,
            source: self.source(site, &units)?,
            reads_edited: self.reads_edited(),
            units,
            control: edit.control,
            subspaces: self.subspaces(&widths)?,
        };
        match edit.refuse_at_steps(self.config, self.examples) {
            Some(problem) => Err(PlanError::OnSteps { edit: self.index, site, problem }),
            None => Ok(edit),
        }
    }

    /// As [`refuse_surplus`], of everything that may be given for each example.
    fn refuse_surplus_lists(&self) -> Result<(), PlanError> {
        let (edit, examples) = (self.edit, self.examples.len());
        // There is an example, or nothing would be resolved.
        let written = self.examples[0].whose(edit.run);
        refuse_surplus(Some(&edit.positions), written, examples)?;
        refuse_surplus(edit.keys.as_ref(), written, examples)?;
        let read = edit.source_positions.as_ref().map_or(&[][..], SourcePositions::all);
        for (index, positions) in read.iter().enumerate() {
            let whose = Whose::Source { index, sources: read.len() };
            refuse_surplus(Some(positions), whose, examples)?;
        }
        for heads in [&edit.heads, &edit.source_heads] {
            if let Some(Heads::Each(lists)) = heads
                && lists.len() > examples
            {
                let (component, lists) = (edit.component, lists.len());
                return Err(PlanError::HeadLists { component, lists, examples });
            }
        }
        Ok(())
    }

    /// Where it writes, if the site has what the edit names of it.
    pub(super) fn site(&self) -> Result<Site, PlanError> {
        let edit = self.edit;
        let site = Site::new(edit.component, edit.layer, self.config)?;
        if let Some(problem) = edit.intervention.problem() {
            return Err(self.parameter(problem));
        }
        if edit.keys.is_some() && !edit.component.is_pattern() {
            return Err(PlanError::NoKeys { component: edit.component });
        }
        if edit.concatenated && edit.component.is_pattern() {
            return Err(PlanError::PatternConcatenated { component: edit.component });
        }
        Ok(site)
    }

    /// The prompt of one of an example's runs.
    pub(super) fn prompt_of<'e>(
        &self,
        run: Run,
        example: usize,
        prompts: &'e Example,
    ) -> Result<&'e Prompt, PlanError> {
        match run {
            Run::Base => Ok(&prompts.base),
            Run::Source(source_index) => {
                if let Some(prompt) = prompts.sources.get(source_index) {
                    return Ok(prompt);
                }
                Err(PlanError::NoSource {
                    edit: self.index,
                    intervention: self.edit.intervention.name(),
                    site: Site::new(self.edit.component, self.edit.layer, self.config)?,
                    example,
                    source_index,
                    sources: prompts.sources.len(),
                })
            }
        }
    }

    /// Whether a run that the edit reads is edited by the plan.
    fn reads_edited(&self) -> bool {
        let reads = |run: Run| match self.edit.source {
            Some(Source::Run(source)) => run == Run::Source(source),
            Some(Source::AllRuns) => matches!(run, Run::Source(_)),
            _ => false,
        };
        // A run that reads itself reads itself unedited.
        self.edited.iter().any(|run| *run != self.edit.run && reads(*run))
    }

    /// How many values the intervention is handed at once in each example that is edited: of the edited
    /// heads, or of the component; of all edited positions where they are one vector. `None` of
    /// attention patterns.
    pub(super) fn widths(&self, units: &[Unit]) -> Vec<Option<usize>> {
        let component = self.edit.component;
        let all = component.width(self.config);
        let heads = component.heads(self.config).unwrap_or(1);
        let width = |unit: &Unit| {
            let rows = if self.edit.concatenated { unit.positions.len() } else { 1 };
            Some(rows * all? / heads * unit.heads.as_ref().map_or(heads, Vec::len))
        };
        units.iter().filter(|unit| !unit.is_empty()).map(width).collect()
    }

    fn nowhere(&self, site: Site, example: usize, reason: String) -> PlanError {
        PlanError::LandsNowhere { edit: self.index, site, example, reason }
    }

    pub(super) fn parameter(&self, problem: String) -> PlanError {
        let intervention = self.edit.intervention.name();
        PlanError::Parameter { edit: self.index, intervention, problem }
    }

    /// The subspace of each example as coordinates; `widths` are those of the edited examples.
    pub(super) fn subspaces(
        &self,
        widths: &[Option<usize>],
    ) -> Result<Option<Vec<Vec<usize>>>, PlanError> {
        let Some(given) = &self.edit.subspaces else { return Ok(None) };
        // Coordinates that all examples have.
        let coordinates =
            widths.iter().map(|&width| self.edit.intervention.coordinates(width)).min().flatten();
        let coordinates = coordinates.ok_or_else(|| {
            self.parameter("no coordinates of which a subspace could be chosen here".to_owned())
        })?;
        let expected = [1, self.examples.len()];
        if !self.examples.is_empty() && !expected.contains(&given.len()) {
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

    pub(super) fn unit(
        &self,
        positions: &Positions,
        heads: Option<&Heads>,
        keys: Option<&Positions>,
        (prompt, whose): (&Prompt, Whose),
        example: usize,
    ) -> Result<Unit, PlanError> {
        let chosen = self.heads(heads, example)?;
        // An empty list of its own: the example is not edited.
        if let (Some(Heads::Each(_)), Some([])) = (heads, chosen.as_deref()) {
            return Ok(Unit::default());
        }
        let keys = keys.map(|keys| named(keys, prompt, whose, example)).transpose()?;
        Ok(Unit { positions: named(positions, prompt, whose, example)?, heads: chosen, keys })
    }

    /// Heads in range, none twice; `None` stands for all.
    pub(super) fn heads(
        &self,
        heads: Option<&Heads>,
        example: usize,
    ) -> Result<Option<Vec<usize>>, PlanError> {
        let component = self.edit.component;
        let chosen = match heads {
            None => return Ok(None),
            Some(Heads::Same(chosen)) => chosen,
            Some(Heads::Each(lists)) => match lists.get(example) {
                Some(chosen) => chosen,
                None => {
                    return Err(PlanError::HeadLists {
                        component,
                        lists: lists.len(),
                        examples: self.examples.len(),
                    });
                }
            },
        };
        let Some(count) = component.heads(self.config) else {
            let with_heads: Vec<_> = Component::all(self.config)
                .filter(|component| component.heads(self.config).is_some())
                .map(Component::name)
                .collect();
            let with_heads = match with_heads.is_empty() {
                true => "not in this network".to_owned(),
                false => with_heads.join(", "),
            };
            return Err(PlanError::NoHeads { component, with_heads });
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
        Ok(Some(chosen.clone()))
    }

    /// Refuses an edit that would write nothing.
    fn lands(
        &self,
        site: Site,
        example: usize,
        prompt: &Prompt,
        unit: &Unit,
    ) -> Result<(), PlanError> {
        let nowhere = |reason: String| self.nowhere(site, example, reason);
        if unit.is_empty() {
            let chosen_so = matches!(self.edit.positions, Positions::Each(_))
                || matches!(self.edit.heads, Some(Heads::Each(_)));
            return match chosen_so {
                true => Ok(()),
                false => Err(nowhere("it names no position".to_owned())),
            };
        }
        if unit.heads.as_ref().is_some_and(Vec::is_empty) {
            return Err(nowhere("it names no head".to_owned()));
        }
        if let (Some(layer), true) = (site.layer(), site.component().is_pattern()) {
            let all: Vec<usize> = (0..prompt.len()).collect();
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
