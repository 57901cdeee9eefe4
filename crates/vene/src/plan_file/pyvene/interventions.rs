//! pyvene's interventions, made of what it saved of them, to compute what it computes.
//!
//! pyvene hands some interventions each position's values by itself ("localist" ones, and those that
//! keep the last dimension), and others all positions of an example as one vector. Of heads the
//! former see one at a time, the latter those of a position side by side. And where no subspace is
//! asked for, an interchange covers the first `interchange_dim` coordinates, all of them unless
//! somebody has set it.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use vene_intervention::{
    Collect, InSubspace, Intervention, ParameterError, Rotation, SourceCount, Subspace,
};
use vene_named::listed;

use super::config::Representation;
use super::torch::is_float;
use super::units::Unit;
use crate::registry;

type State = BTreeMap<String, Tensor>;
type Result<T> = std::result::Result<T, String>;

/// What an edit reads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reads {
    /// Nothing.
    Nothing,
    /// A source.
    Source,
    /// What the module was given in this very run.
    OwnInput,
    /// These values, in every row.
    Given(Vec<f64>),
    /// For each example its values, or one list for all.
    GivenEach(Vec<Arc<Vec<f64>>>),
}

/// How pyvene hands an intervention its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// It is a function of each value: as one likes. Coordinates count within a head.
    Values,
    /// Each position by itself, of heads each by itself.
    Rows,
    /// All positions of an example as one vector, or the heads of a position.
    Together,
}

/// An intervention, and how it is handed its values.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(super) intervention: Arc<dyn Intervention>,
    pub(super) handed: Handed,
    pub(super) reads: Reads,
}

impl Made {
    /// An intervention of one's own: it is handed all positions at once, heads side by side.
    pub(super) fn own(intervention: Arc<dyn Intervention>) -> Self {
        let reads = match intervention.traits().sources {
            SourceCount::None => Reads::Nothing,
            SourceCount::One | SourceCount::Several => Reads::Source,
        };
        Self { intervention, handed: Handed::Values, reads }
    }
}

/// The values that are edited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub unit: Unit,
    /// Width of the component, or of one head where heads are edited.
    pub width: usize,
    /// How many heads stand side by side, where heads are edited and it is the same in all examples.
    pub heads: Option<usize>,
}

/// Makes an intervention of what pyvene saved of it.
pub(crate) type Import = fn(&mut Saved<'_>) -> Result<Made>;

/// What pyvene saved of an intervention, and what it is made for.
pub(crate) struct Saved<'a> {
    representation: &'a Representation,
    row: Row,
    /// Whether the call chooses a subspace.
    chosen: bool,
    /// `None` where there is no file.
    state: Option<State>,
}

/// Makes the intervention of a representation. `chosen` says that a subspace is chosen by the call.
pub(super) fn make(
    representation: &Representation,
    row: Row,
    mut state: Option<State>,
    chosen: bool,
) -> Result<Made> {
    let class = representation.class.as_str();
    // The dimension of pyvene's values is kept beside the parameters.
    for name in ["embed_dim", "interchange_dim", "intervention_population"] {
        state.as_mut().and_then(|state| state.remove(name));
    }
    let import = registry::import_of_class(class);
    let import =
        import.ok_or_else(|| format!("{class} computes nothing by itself, and is not known here"));
    let mut saved = Saved { representation, row, chosen, state };
    let made = import?(&mut saved)?;
    if let Some(name) = saved.state.unwrap_or_default().keys().next() {
        return Err(format!("{class} has no parameter `{name}`"));
    }
    let several_heads = row.unit != Unit::Position && row.heads != Some(1);
    if made.handed == Handed::Rows && several_heads {
        return Err(
            "it edits each head by itself, and is known here for one head at a time: give each \
                    head a representation of its own"
                .to_owned(),
        );
    }
    Ok(made)
}

/// The same dimensions in each of the heads that stand side by side.
pub(super) fn tiled(subspace: &Subspace, row: Row) -> Result<Subspace> {
    match (subspace, row.unit, row.heads) {
        (Subspace::All, _, _) | (_, Unit::Position, _) => Ok(subspace.clone()),
        (_, _, None) => {
            Err("dimensions are chosen of heads, and not as many heads in each example".to_owned())
        }
        (Subspace::Dimensions(dimensions), _, Some(heads)) => {
            let of_head = |head: usize| dimensions.iter().map(move |d| head * row.width + d);
            Ok(Subspace::dimensions((0..heads).flat_map(of_head)))
        }
    }
}

impl Saved<'_> {
    /// An intervention that is handed all positions of an example as one vector.
    pub fn together(intervention: impl Intervention + 'static) -> Made {
        let intervention = Arc::new(intervention);
        Made { intervention, handed: Handed::Together, reads: Reads::Source }
    }

    /// One that is handed each position by itself.
    pub fn rows(intervention: impl Intervention + 'static) -> Made {
        Made { handed: Handed::Rows, ..Self::together(intervention) }
    }

    /// One that is a function of each value; it reads a source, or what was saved in place of one, unless something else is
    /// said.
    pub fn by_value(&mut self, plain: Arc<dyn Intervention>, reads: Option<Reads>) -> Result<Made> {
        let (subspace, reads) = self.values(reads)?;
        let intervention = match (&subspace, self.chosen) {
            (Subspace::All, false) => plain,
            _ => Arc::new(InSubspace::new(plain, subspace)),
        };
        Ok(Made { intervention, handed: Handed::Values, reads })
    }

    /// A module's output becomes its input.
    pub fn skip(&mut self) -> Result<Made> {
        self.by_value(Arc::new(vene_intervention::Interchange), Some(Reads::OwnInput))
    }

    /// The values are kept.
    pub fn collect(&mut self) -> Result<Made> {
        let (subspace, reads) = self.values(Some(Reads::Nothing))?;
        let intervention = Arc::new(Collect::new(subspace));
        Ok(Made { intervention, handed: Handed::Values, reads })
    }

    /// The dimensions that a function of each value edits, and what it reads.
    fn values(&mut self, reads: Option<Reads>) -> Result<(Subspace, Reads)> {
        let (row, constant) = (self.row, self.representation.constant);
        let given = match self.take_optional("source_representation") {
            None => None,
            Some(vector) => {
                let vector = floats(&vector)?;
                if vector.len() != row.width {
                    return Err(format!(
                        "`source_representation` has {} values; the edited ones have {}",
                        vector.len(),
                        row.width
                    ));
                }
                Some(vector.repeat(row.heads.unwrap_or(1)))
            }
        };
        if constant && given.is_none() && reads != Some(Reads::Nothing) {
            return Err("its source is constant, and was not saved".to_owned());
        }
        let source = given.map_or(Reads::Source, Reads::Given);
        Ok((tiled(&self.first(row.width)?, row)?, reads.unwrap_or(source)))
    }

    /// The first `interchange_dim` of these coordinates.
    pub fn first(&self, coordinates: usize) -> Result<Subspace> {
        if self.representation.listed {
            return Err(
                "its `interchange_dim` is a list, which pyvene takes for the end of a range; \
                          expected one number"
                    .to_owned(),
            );
        }
        Ok(match self.representation.dimensions.as_deref() {
            Some(&[count]) if count < coordinates => Subspace::first(count),
            _ => Subspace::All,
        })
    }

    /// What `interchange_dim` was set to.
    pub fn dimensions(&self) -> Option<Vec<usize>> {
        self.representation.dimensions.clone()
    }

    fn take_optional(&mut self, name: &str) -> Option<Tensor> {
        self.state.as_mut()?.remove(name)
    }

    /// Whether there is a parameter of this name.
    pub fn has(&self, name: &str) -> bool {
        self.state.as_ref().is_some_and(|state| state.contains_key(name))
    }

    /// A parameter.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        let class = &self.representation.class;
        let Some(state) = &mut self.state else {
            return Err(format!("there is no file of its parameters, and {class} has some"));
        };
        let tensor = state.remove(name).ok_or_else(|| {
            let found = listed(state.keys().map(String::as_str));
            format!("there is no `{name}`, which {class} needs, beside {found}")
        })?;
        if !is_float(&tensor) {
            return Err(format!("`{name}` holds whole numbers; expected floats"));
        }
        Ok(tensor)
    }

    /// A parameter, as a list of numbers.
    pub fn numbers(&mut self, name: &str) -> Result<Vec<f64>> {
        floats(&self.take(name)?)
    }

    /// A parameter that is one number.
    pub fn number(&mut self, name: &str) -> Result<f64> {
        match self.numbers(name)?.as_slice() {
            &[number] => Ok(number),
            numbers => Err(format!("`{name}` holds {} numbers; expected one", numbers.len())),
        }
    }

    /// The rotation.
    pub fn rotation(&mut self) -> Result<Rotation> {
        Rotation::new(&self.take("rotate_layer.weight")?).map_err(words)
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f64>> {
    let floats = tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1());
    floats.map_err(|error| error.to_string())
}

/// An error of a parameter, in words.
pub(crate) fn words(error: ParameterError) -> String {
    error.to_string()
}
