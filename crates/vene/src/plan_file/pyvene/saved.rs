//! A folder that pyvene saved, and the plan that it makes together with a call.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Tensor;
use vene_engine::plan::{Edit, Plan, Run, Source};
use vene_intervention::{Intervention, Subspace};
use vene_model::{BlockKind, Component, Outline, alias};
use vene_named::listed;
use vene_named::shown;

use super::call::{Nested, PyveneCall};
use super::config::{Config, Representation};
use super::interventions::{Handed, Made, Reads, Row, make, tiled};
use super::units::{Located, Unit, located};
use super::{parametrised, torch};
use crate::plan_file::error::{At, FilePlace, PlanFileError};

type Result<T> = std::result::Result<T, PlanFileError>;

/// A folder that pyvene 0.1.8 wrote by `IntervenableModel.save`, or a `config.json` with the files of
/// `save_intervention` beside it.
///
/// ```no_run
/// use std::path::Path;
/// use vene::Model;
/// use vene::plan_file::{PyveneCall, PyveneSaved};
///
/// let model = Model::load("gpt2")?;
/// let saved = PyveneSaved::open(Path::new("my-intervention"))?;
/// let plan = saved.plan(&model, &PyveneCall::new().locations("sources->base", 4, 4))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct PyveneSaved {
    /// Where parameters are; `None` where nothing was saved.
    folder: Option<PathBuf>,
    config: Config,
    /// For each representation what is in memory; empty, or as long as they are.
    states: Vec<PyveneState>,
}

/// What stands in memory for one representation of a configuration, in place of files.
#[derive(Clone, Debug, Default)]
pub struct PyveneState {
    /// Parameters by pyvene's names of them, as its files have them. `None`: those that an intervention begins with.
    pub parameters: Option<BTreeMap<String, Tensor>>,
    /// An intervention of one's own, in place of the class that the configuration names. It is handed all positions of an
    /// example at once, heads side by side, and knows by itself what a subspace is.
    pub intervention: Option<Arc<dyn Intervention>>,
    /// Given values in place of a source's, for each example row-major, or one list for all.
    pub given: Option<Vec<Arc<Vec<f64>>>>,
}

/// The parameters in a file that pyvene saved (`intkey_*.bin`), by name; a rotation is the matrix that PyTorch makes of what
/// stands there. Nothing of the file is run.
///
/// # Errors
/// A file that is no such state dict.
pub fn pyvene_parameters(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let place = || FilePlace { file: Some(path.into()), at: At::default(), entry: "".into() };
    let failed = |error| PlanFileError::Parameters { place: place(), error: Box::new(error) };
    let mut state = torch::state_dict(path).map_err(failed)?;
    parametrised::resolve(&mut state)
        .map_err(|problem| PlanFileError::Contradiction { place: place(), problem })?;
    Ok(state)
}

/// What is made of one representation.
struct Step {
    edit: Edit,
    reads: Reads,
}

impl PyveneSaved {
    /// Reads a folder's `config.json`; parameters are read with the plan.
    ///
    /// # Errors
    /// A file that is missing or no such configuration.
    pub fn open(folder: &Path) -> Result<Self> {
        Ok(Self {
            folder: Some(folder.to_owned()),
            config: Config::read(folder)?,
            states: Vec::new(),
        })
    }

    /// That of a configuration which was not saved, as pyvene would write it into `config.json`: parameters are those that
    /// an intervention begins with.
    ///
    /// # Errors
    /// A text that is no such configuration.
    pub fn parse(config: &str) -> Result<Self> {
        let config = Config::parse(config, PathBuf::from("the configuration"))?;
        Ok(Self { folder: None, config, states: Vec::new() })
    }

    /// The same with what is in memory, for each representation in order.
    ///
    /// # Errors
    /// Another number of them than representations.
    pub fn with_states(mut self, states: Vec<PyveneState>) -> Result<Self> {
        let (given, count) = (states.len(), self.config.representations.len());
        if given != count {
            let problem = format!("{given} states for {count} representations");
            return Err(self.config.wrong(given.min(count), "state", problem));
        }
        self.states = states;
        Ok(self)
    }

    /// The names under which pyvene knows the interventions, in the order of a call's lists.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.config.representations.iter().map(|representation| representation.key.as_str())
    }

    /// The plan that computes what pyvene computes at this call; sources as the call says are the
    /// examples'.
    ///
    /// Each intervention is an edit; linked ones share their parameters; in serial mode an edit
    /// writes the source that the next one reads.
    ///
    /// # Errors
    /// What this model or vene does not have, by the representation; parameters that are missing, of
    /// another shape, or no numbers; locations and subspaces that do not fit.
    pub fn plan(&self, outline: &Outline, call: &PyveneCall) -> Result<Plan> {
        Ok(self.plan_with_places(outline, call)?.0)
    }

    /// [`PyveneSaved::plan`], and for each of its edits the representation that it is of, counted from 0: edits are in the
    /// order of groups, and those of a group that is switched off are not there.
    ///
    /// # Errors
    /// As [`PyveneSaved::plan`].
    pub fn plan_with_places(
        &self,
        outline: &Outline,
        call: &PyveneCall,
    ) -> Result<(Plan, Vec<usize>)> {
        let groups = self.groups()?;
        let last = groups.iter().max().copied().unwrap_or(0);
        self.check_names(call, last)?;
        let mut linked: BTreeMap<&str, Made> = BTreeMap::new();
        // Within a group in order, as pyvene sets its hooks.
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|&index| groups[index]);
        let (mut plan, mut places) = (Plan::new(), Vec::new());
        for index in order {
            let group = groups[index];
            let Step { mut edit, reads } =
                self.step(index, group, outline, call, last, &mut linked)?;
            match reads {
                Reads::Nothing => {}
                Reads::Given(values) => edit = edit.source(Source::Given(Arc::new(values))),
                Reads::GivenEach(values) => {
                    edit = edit.source(match values.as_slice() {
                        [all] => Source::Given(Arc::clone(all)),
                        _ => Source::GivenEach(values),
                    });
                }
                Reads::OwnInput => {
                    let input = self.own_input(index, &edit, call)?;
                    edit = edit.source(Source::Current(input));
                }
                // Switched off.
                Reads::Source if call.source(group).is_none() => continue,
                Reads::Source => {
                    edit = edit.source(Source::Run(call.source(group).unwrap_or(group)));
                }
            }
            if let (true, Some(next)) =
                (self.config.serial && group != last, call.source(group + 1))
            {
                edit = edit.within(Run::Source(next));
            }
            // A source's own run is a prompt, of which nothing is generated.
            if edit.run == Run::Base {
                edit = edit.when(call.steps().clone());
            }
            plan = plan.edit(edit);
            places.push(index);
        }
        Ok((plan, places))
    }

    /// The group of each representation, counted from 0.
    fn groups(&self) -> Result<Vec<usize>> {
        let representations = &self.config.representations;
        let keys: Vec<Option<&str>> =
            representations.iter().map(|one| one.group.as_deref()).collect();
        if keys.iter().all(Option::is_none) {
            return Ok((0..keys.len()).collect());
        }
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let group = |(index, key): (usize, &Option<&str>)| match key {
            None => {
                Err(self.config.wrong(index, "group_key", "others have one: give all of them one"))
            }
            Some(_) => Ok(sorted.binary_search(key).unwrap_or_default()),
        };
        let groups: Vec<usize> = keys.iter().enumerate().map(group).collect::<Result<_>>()?;
        let mut counted = groups.clone();
        counted.sort_unstable();
        if self.config.serial && counted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.config.wrong(
                0,
                "group_key",
                "in serial mode a group of two interventions fails in pyvene too: give each its own",
            ));
        }
        Ok(groups)
    }

    /// The name under which a call has the locations of a group.
    fn pair_name(&self, group: usize, last: usize) -> String {
        match (self.config.serial, group == last) {
            (false, _) => "sources->base".to_owned(),
            (true, true) => format!("source_{group}->base"),
            (true, false) => format!("source_{group}->source_{}", group + 1),
        }
    }

    /// Refuses locations under a name that means nothing here.
    fn check_names(&self, call: &PyveneCall, last: usize) -> Result<()> {
        let known: Vec<String> = (0..=last).map(|group| self.pair_name(group, last)).collect();
        let is_known: HashSet<&str> = known.iter().map(String::as_str).collect();
        match call.names().find(|name| !is_known.contains(name)) {
            None => Ok(()),
            Some(name) => Err(PlanFileError::UnknownName {
                place: self.config.place(0),
                what: "pair of locations",
                name: shown(name),
                nearest: None,
                known: listed(known.iter().map(String::as_str)).into(),
            }),
        }
    }

    fn step<'a>(
        &'a self,
        index: usize,
        group: usize,
        outline: &Outline,
        call: &PyveneCall,
        last: usize,
        linked: &mut BTreeMap<&'a str, Made>,
    ) -> Result<Step> {
        let wrong = |field: &str, problem: String| self.config.wrong(index, field, problem);
        let (component, layer, unit) = self.site(index, outline)?;

        // In serial mode each pair's lists are of its own group alone.
        let place = if self.config.serial { 0 } else { index };
        let name = self.pair_name(group, last);
        let sides = match call.pair(&name) {
            None => (None, None),
            Some((sources, base)) => {
                let side = |side: &Nested| {
                    located(side, place, unit).map_err(|problem| wrong("unit_locations", problem))
                };
                (side(sources)?, side(base)?)
            }
        };
        let written = match sides.1 {
            Some(written) => written,
            // No locations at all: pyvene does not gather, and edits the whole component.
            None if call.pair(&name).is_none() => {
                Located { positions: crate::Positions::All, heads: None }
            }
            None => return Err(wrong("unit_locations", "there are none of the base".to_owned())),
        };
        let all_heads = component.heads(outline.config());
        let width = component.width(outline.config()).unwrap_or(0);
        let row = match unit {
            Unit::Position => Row { unit, width, heads: None },
            _ => Row {
                unit,
                width: width / all_heads.unwrap_or(1).max(1),
                heads: written.heads().or(written.heads.is_none().then_some(all_heads).flatten()),
            },
        };
        let chosen = self.chosen(index, call)?;
        let made = self.made(index, row, chosen.is_some(), linked)?;
        let chosen = chosen.filter(|_| self.own(index).is_none());

        let mut edit = Edit::new(component, layer, made.intervention.clone()).at(written.positions);
        if let Some(heads) = written.heads {
            edit = edit.heads(heads);
        }
        if made.handed == Handed::Together && unit == Unit::Position {
            edit = edit.concatenated();
        }
        if let Some(chosen) = chosen {
            let tile = |subspace: &Subspace| match made.handed == Handed::Values {
                true => tiled(subspace, row).map_err(|problem| wrong("subspaces", problem)),
                false => Ok(subspace.clone()),
            };
            edit = edit.subspaces(chosen.iter().map(tile).collect::<Result<Vec<_>>>()?);
        }
        if made.reads == Reads::Source && call.source(group).is_some() {
            let read = match sides.0 {
                Some(read) => read,
                None if call.pair(&name).is_none() => {
                    Located { positions: crate::Positions::All, heads: None }
                }
                None => {
                    let problem = "there are none of the source, which it reads".to_owned();
                    return Err(wrong("unit_locations", problem));
                }
            };
            edit = edit.from(read.positions);
            if let Some(heads) = read.heads {
                edit = edit.from_heads(heads);
            }
        }
        edit.check(index, outline.config()).map_err(|error| PlanFileError::Plan {
            place: self.config.place(index),
            error: Box::new(error),
        })?;
        Ok(Step { edit, reads: made.reads })
    }

    /// Where a representation is, and what its units count.
    fn site(&self, index: usize, outline: &Outline) -> Result<(Component, Option<usize>, Unit)> {
        let Representation { component: name, layer, unit, .. } =
            &self.config.representations[index];
        let config = outline.config();
        let named = alias::resolve(name, config).map_err(|error| PlanFileError::Plan {
            place: self.config.place(index),
            error: Box::new(error.into()),
        })?;
        if alias::pyvene(named.component, config).is_none()
            && named.component != Component::AttentionWeight
        {
            return Err(self.config.wrong(
                index,
                "component",
                format!("pyvene has no component of the name {name}"),
            ));
        }
        let recurrent = config.layers.iter().any(|layer| layer.kind == BlockKind::GatedRecurrent);
        let unit = match (unit.as_str(), named.component, named.per_head) {
            // There pyvene's positions count heads.
            ("pos", Component::AttentionWeight, _) => Unit::Head,
            ("pos", _, false) => Unit::Position,
            ("t", _, false) if recurrent => Unit::Position,
            ("h", _, true) => Unit::Head,
            ("h.pos", _, true) => Unit::HeadPosition,
            (unit, _, _) => {
                return Err(self.config.wrong(
                    index,
                    "unit",
                    format!(
                        "pyvene does not edit {name} by unit {unit} as it says: pos goes with whole \
                         components, h and h.pos with head_ ones, t with recurrent networks"
                    ),
                ));
            }
        };
        let layers = config.layers.len() as i64;
        let layer = if *layer < 0 { layer + layers } else { *layer };
        let layer = usize::try_from(layer).map_err(|_| {
            self.config.wrong(index, "layer", format!("{layer} lies before the first of {layers}"))
        })?;
        Ok((named.component, Some(layer), unit))
    }

    /// The intervention of a representation, or that of its link.
    fn made<'a>(
        &'a self,
        index: usize,
        row: Row,
        chosen: bool,
        linked: &mut BTreeMap<&'a str, Made>,
    ) -> Result<Made> {
        let representation = &self.config.representations[index];
        let link = representation.link.as_deref();
        if let Some(made) = link.and_then(|link| linked.get(link)) {
            return Ok(made.clone());
        }
        let failed = |problem: String| self.config.wrong(index, &representation.class, problem);
        if let Some(own) = self.own(index) {
            return Ok(self.given(index, Made::own(Arc::clone(own))));
        }
        let path = self
            .folder
            .as_ref()
            .map(|folder| folder.join(format!("intkey_{}.bin", representation.key)));
        let state = match path {
            Some(path) if path.symlink_metadata().is_ok() => {
                let state = torch::state_dict(&path).map_err(|error| PlanFileError::Parameters {
                    place: self.config.place(index),
                    error: Box::new(error),
                });
                let mut state = state?;
                parametrised::resolve(&mut state).map_err(failed)?;
                Some(state)
            }
            _ => self.states.get(index).and_then(|state| state.parameters.clone()),
        };
        let made = self.given(index, make(representation, row, state, chosen).map_err(failed)?);
        if let Some(link) = link {
            linked.insert(link, made.clone());
        }
        Ok(made)
    }

    /// The intervention of one's own in a representation's place.
    fn own(&self, index: usize) -> Option<&Arc<dyn Intervention>> {
        self.states.get(index)?.intervention.as_ref()
    }

    /// The same, reading given values where there are such.
    fn given(&self, index: usize, made: Made) -> Made {
        match self.states.get(index).and_then(|state| state.given.clone()) {
            Some(given) if made.reads == Reads::Source => {
                Made { reads: Reads::GivenEach(given), ..made }
            }
            _ => made,
        }
    }

    /// The subspaces that the call chooses of a representation: one for all examples, or for each.
    fn chosen(&self, index: usize, call: &PyveneCall) -> Result<Option<Vec<Subspace>>> {
        let representation = &self.config.representations[index];
        let wrong = |problem: &str| self.config.wrong(index, "subspaces", problem);
        let all = call.all_subspaces();
        let lists = match all {
            Nested::None => return Ok(None),
            Nested::Number(number) => vec![vec![*number]],
            Nested::List(items) => match all.numbers().filter(|numbers| !numbers.is_empty()) {
                Some(numbers) => vec![numbers],
                None => match items.get(index) {
                    None | Some(Nested::None) => return Ok(None),
                    Some(Nested::List(examples)) => examples
                        .iter()
                        .map(|example| {
                            let expected =
                                "expected a list of parts, or of dimensions, for each example";
                            example.numbers().ok_or_else(|| wrong(expected))
                        })
                        .collect::<Result<_>>()?,
                    Some(Nested::Number(_)) => {
                        return Err(wrong("expected a list for each example of the intervention"));
                    }
                },
            },
        };
        let subspace = |numbers: &Vec<i64>| {
            let mut dimensions = Vec::new();
            let mut parts = HashSet::new();
            // Parts of pyvene's may overlap or be named twice; what is in two of them is exchanged once.
            for number in numbers.iter().filter(|number| parts.insert(**number)) {
                let number = usize::try_from(*number).map_err(|_| wrong("a part below 0"))?;
                match &representation.partition {
                    None => dimensions.push(number),
                    Some(partition) => {
                        dimensions.extend(partition.get(number).ok_or_else(|| {
                            wrong(&format!("part {number}: there are {}", partition.len()))
                        })?)
                    }
                }
            }
            let mut seen = HashSet::new();
            dimensions.retain(|dimension| seen.insert(*dimension));
            Ok(Subspace::Dimensions(dimensions))
        };
        lists.iter().map(subspace).collect::<Result<_>>().map(Some)
    }

    /// What a skipped module was given.
    fn own_input(&self, index: usize, edit: &Edit, call: &PyveneCall) -> Result<Component> {
        let wrong = |problem: &str| self.config.wrong(index, "SkipIntervention", problem);
        if !call.is_own_input_skipped() {
            return Err(wrong(
                "pyvene writes what the module was given in the source's run; where that is the base \
                 itself, so that the module is skipped, say so (PyveneCall::skips_own_input)",
            ));
        }
        match edit.component {
            Component::MlpOutput => Ok(Component::MlpInput),
            Component::BlockOutput => Ok(Component::BlockInput),
            _ => Err(wrong("pyvene skips another module there than the component's, or fails")),
        }
    }
}
