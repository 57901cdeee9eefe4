//! What an edit reads, from words to numbers.

use std::sync::Arc;

use vene_intervention::SourceCount;
use vene_model::{Component, Prompt, Site};

use super::edit::Source;
use super::resolve::{Resolver, unit_width};
use super::{Example, Positions, ResolvedSource, Run, SourcePositions, Unit};
use crate::error::{PlanError, Whose};

/// What an edit names in a run, where that is compared with what it names in another.
struct Counted<'a> {
    whose: Whose,
    prompt: &'a Prompt,
    unit: &'a Unit,
}

impl Resolver<'_> {
    pub(super) fn source(
        &self,
        site: Site,
        units: &[Unit],
    ) -> Result<Option<ResolvedSource>, PlanError> {
        let edit = self.edit;
        let wrong = |wanted, given| PlanError::SourceCount {
            edit: self.index,
            intervention: edit.intervention.name(),
            wanted,
            given,
        };
        match (edit.intervention.traits().sources, &edit.source) {
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
            Some(Source::Given(values)) => {
                let same = vec![values.clone(); self.examples.len()];
                self.given(site, &same, units).map(Some)
            }
            Some(Source::GivenEach(values)) => self.given(site, values, units).map(Some),
            Some(Source::Current(component)) => self.current(site, *component).map(Some),
            Some(Source::Run(run)) => self.runs(units, |_| vec![Run::Source(*run)]).map(Some),
            Some(Source::Base) => self.runs(units, |_| vec![Run::Base]).map(Some),
            Some(Source::AllRuns) => {
                let all = |example: &Example| {
                    let sources = (0..example.sources.len()).map(Run::Source);
                    sources.filter(|run| *run != edit.run).collect()
                };
                self.runs(units, all).map(Some)
            }
        }
    }

    fn runs(
        &self,
        units: &[Unit],
        which: impl Fn(&Example) -> Vec<Run>,
    ) -> Result<ResolvedSource, PlanError> {
        let edit = self.edit;
        let read_site = Site::new(edit.component, edit.source_layer.or(edit.layer), self.config)?;
        let heads = edit.source_heads.as_ref().or(edit.heads.as_ref());
        let keys = edit.source_keys.as_ref().or(edit.keys.as_ref());
        let read = |example: usize, prompts: &Example, run: Run| {
            let prompt = self.prompt_of(run, example, prompts)?;
            let written = self.prompt_of(edit.run, example, prompts)?;
            let positions = self.positions_read(run, example, prompts)?;
            let unit = self.unit(positions, heads, keys, (prompt, prompts.whose(run)), example)?;
            let [written_in, read_in] = [edit.run, run].map(|run| prompts.whose(run));
            let written = Counted { whose: written_in, prompt: written, unit: &units[example] };
            let read = Counted { whose: read_in, prompt, unit: &unit };
            self.refuse_unequal(example, written, read)?;
            Ok::<_, PlanError>((run, unit))
        };
        let units = self
            .examples
            .iter()
            .enumerate()
            .map(|(example, prompts)| {
                if units[example].is_empty() {
                    return Ok(Vec::new());
                }
                let runs = which(prompts);
                // An intervention that takes several sources still needs one.
                let runs = if runs.is_empty() { vec![Run::Source(0)] } else { runs };
                runs.into_iter().map(|run| read(example, prompts, run)).collect()
            })
            .collect::<Result<_, _>>()?;
        Ok(ResolvedSource::Runs { site: read_site, units })
    }

    /// The positions that are read in a run, in words.
    fn positions_read(
        &self,
        run: Run,
        example: usize,
        prompts: &Example,
    ) -> Result<&Positions, PlanError> {
        let edit = self.edit;
        let Some(given) = &edit.source_positions else { return Ok(&edit.positions) };
        if let SourcePositions::BySource(each) = given
            && each.len() != prompts.sources.len()
        {
            let (lists, sources) = (each.len(), prompts.sources.len());
            return Err(PlanError::SourceLists { edit: self.index, example, lists, sources });
        }
        given.of(run).ok_or(PlanError::BaseBySource { edit: self.index })
    }

    fn refuse_unequal(
        &self,
        example: usize,
        written: Counted<'_>,
        read: Counted<'_>,
    ) -> Result<(), PlanError> {
        let heads = |unit: &Unit| {
            let all = self.edit.component.heads(self.config).unwrap_or(1);
            unit.heads.as_ref().map_or(all, Vec::len)
        };
        let keys = |side: &Counted<'_>| match self.edit.component.is_pattern() {
            true => side.unit.keys.as_ref().map_or(side.prompt.len(), Vec::len),
            false => 1,
        };
        let counts = [
            ("positions", written.unit.positions.len(), read.unit.positions.len()),
            ("heads", heads(written.unit), heads(read.unit)),
            ("keys", keys(&written), keys(&read)),
        ];
        match counts.into_iter().find(|(_, written, read)| written != read) {
            None => Ok(()),
            Some((what, in_written, in_read)) => Err(PlanError::Unequal {
                edit: self.index,
                example,
                what,
                written_in: written.whose,
                read_in: read.whose,
                base: in_written,
                read: in_read,
                base_tokens: written.prompt.len(),
                source_tokens: read.prompt.len(),
            }),
        }
    }

    /// Given values, those of each example.
    fn given(
        &self,
        site: Site,
        values: &[Arc<Vec<f64>>],
        units: &[Unit],
    ) -> Result<ResolvedSource, PlanError> {
        if values.len() != units.len() {
            let (lists, examples) = (values.len(), units.len());
            return Err(PlanError::GivenLists { edit: self.index, site, lists, examples });
        }
        for (example, (unit, values)) in units.iter().zip(values).enumerate() {
            if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                return Err(PlanError::NotFinite { edit: self.index, site, value });
            }
            if unit.is_empty() {
                continue;
            }
            let prompt = self.prompt_of(self.edit.run, example, &self.examples[example])?;
            let width = unit_width(unit, site, self.config, prompt.len());
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
        Ok(ResolvedSource::Given(values.iter().map(|values| vec![values.clone()]).collect()))
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
