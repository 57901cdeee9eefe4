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

use super::config::Representation;
use super::torch::is_float;
use super::units::Unit;
use crate::intervention::{
    Addition, BoundlessRotatedSpace, Collect, ErrorTerm, InSubspace, Interchange, Intervention,
    LatentInterchange, LinearAutoencoder, LowRankRotatedSpace, ParameterError, RotatedSpace,
    Rotation, SigmoidMask, SigmoidMaskRotatedSpace, SparseAutoencoder, Subspace, Subtraction, Zero,
};
use crate::plan_file::error::listed;

type State = BTreeMap<String, Tensor>;
type Result<T> = std::result::Result<T, String>;

/// What an edit reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reads {
    /// Nothing.
    Nothing,
    /// A source.
    Source,
    /// What the module was given in this very run.
    OwnInput,
    /// These values, in every row.
    Given(Vec<f64>),
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
pub(super) struct Made {
    pub intervention: Arc<dyn Intervention>,
    pub handed: Handed,
    pub reads: Reads,
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

/// Makes the intervention of a representation. `chosen` says that a subspace is chosen by the call.
pub(super) fn make(
    representation: &Representation,
    row: Row,
    state: Option<State>,
    chosen: bool,
) -> Result<Made> {
    let class = representation.class.as_str();
    let mut state = Parameters { class, state };
    // The dimension of pyvene's values is kept beside the parameters.
    for name in ["embed_dim", "interchange_dim", "intervention_population"] {
        state.drop(name);
    }
    let made = match class {
        "VanillaIntervention"
        | "AdditionIntervention"
        | "SubtractionIntervention"
        | "ZeroIntervention"
        | "SkipIntervention"
        | "CollectIntervention" => localist(representation, row, &mut state, chosen)?,
        "SigmoidMaskIntervention" => {
            let (mask, temperature) = (state.take("mask")?, state.number("temperature")?);
            let made = SigmoidMask::with_mask(&mask, temperature).map_err(words)?;
            Made { handed: Handed::Rows, ..together(Arc::new(made)) }
        }
        "RotatedSpaceIntervention" => {
            let rotation = state.rotation()?;
            let subspace = first(representation, rotation.rank())?;
            together(Arc::new(RotatedSpace::new(rotation, subspace).map_err(words)?))
        }
        // Without a subspace all directions are exchanged, whatever `interchange_dim` says.
        "LowRankRotatedSpaceIntervention" => {
            together(Arc::new(LowRankRotatedSpace::new(state.rotation()?, Subspace::All)))
        }
        "BoundlessRotatedSpaceIntervention" => {
            let rotation = state.rotation()?;
            let boundaries = state.numbers("intervention_boundaries")?;
            let temperature = state.number("temperature")?;
            let made = BoundlessRotatedSpace::with_boundaries(rotation, &boundaries, temperature);
            together(Arc::new(made.map_err(words)?))
        }
        "SigmoidMaskRotatedSpaceIntervention" => {
            let rotation = state.rotation()?;
            let (masks, temperature) = (state.take("masks")?, state.number("temperature")?);
            let made = SigmoidMaskRotatedSpace::with_masks(rotation, &masks, temperature);
            together(Arc::new(made.map_err(words)?))
        }
        "AutoencoderIntervention" => {
            let encoder = state.take("autoencoder.encoder.0.weight")?;
            let encoder_bias = state.take("autoencoder.encoder.0.bias")?;
            let decoder = state.take("autoencoder.decoder.0.weight")?;
            let decoder_bias = state.take("autoencoder.decoder.0.bias")?;
            let made = LinearAutoencoder::new(&encoder, &encoder_bias, &decoder, &decoder_bias);
            // pyvene writes `latent[..., interchange_dim]`: the latents of these numbers, not the
            // first so many.
            let latents = representation.dimensions.clone().unwrap_or_default();
            let subspace = Subspace::Dimensions(latents);
            let made = Arc::new(made.map_err(words)?);
            together(Arc::new(LatentInterchange::new(made, subspace, ErrorTerm::Dropped)))
        }
        "JumpReLUAutoencoderIntervention" => {
            let (encoder, encoder_bias) = (state.take("W_enc")?, state.take("b_enc")?);
            let (decoder, decoder_bias) = (state.take("W_dec")?, state.take("b_dec")?);
            let threshold = state.take("threshold")?;
            let made = SparseAutoencoder::new(&encoder, &encoder_bias, &decoder, &decoder_bias);
            let made = made.and_then(|made| made.jump_relu(&threshold)).map_err(words)?.trained();
            let subspace = first(representation, encoder.dims().last().copied().unwrap_or(0))?;
            let made = LatentInterchange::new(Arc::new(made), subspace, ErrorTerm::Dropped);
            // It keeps the last dimension.
            Made { handed: Handed::Rows, ..together(Arc::new(made)) }
        }
        "NoiseIntervention" => {
            return Err(
                "pyvene does not save its noise, nor load such a folder: use noise with a seed"
                    .to_owned(),
            );
        }
        "PCARotatedSpaceIntervention" => {
            return Err(
                "pyvene does not save its principal components, nor load such a folder: give \
                        them to pca_rotated_space by `parameters`"
                    .to_owned(),
            );
        }
        other => return Err(format!("{other} computes nothing by itself, and is not known here")),
    };
    state.finish()?;
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

fn together(intervention: Arc<dyn Intervention>) -> Made {
    Made { intervention, handed: Handed::Together, reads: Reads::Source }
}

/// One that is a function of each value.
fn localist(
    representation: &Representation,
    row: Row,
    state: &mut Parameters<'_>,
    chosen: bool,
) -> Result<Made> {
    let given = match state.take_optional("source_representation") {
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
    let source = given.map_or(Reads::Source, Reads::Given);
    if representation.constant && source == Reads::Source {
        let sourceless = ["ZeroIntervention", "CollectIntervention"];
        if !sourceless.contains(&representation.class.as_str()) {
            return Err("its source is constant, and was not saved".to_owned());
        }
    }
    let subspace = tiled(&first(representation, row.width)?, row)?;
    let (plain, reads): (Arc<dyn Intervention>, _) = match representation.class.as_str() {
        "VanillaIntervention" => (Arc::new(Interchange), source),
        "AdditionIntervention" => (Arc::new(Addition), source),
        "SubtractionIntervention" => (Arc::new(Subtraction), source),
        "ZeroIntervention" => (Arc::new(Zero), Reads::Nothing),
        "SkipIntervention" => (Arc::new(Interchange), Reads::OwnInput),
        _ => {
            let intervention = Arc::new(Collect::new(subspace));
            let reads = Reads::Nothing;
            return Ok(Made { intervention, handed: Handed::Values, reads });
        }
    };
    let intervention = match (&subspace, chosen) {
        (Subspace::All, false) => plain,
        _ => Arc::new(InSubspace::new(plain, subspace)),
    };
    Ok(Made { intervention, handed: Handed::Values, reads })
}

/// The first `interchange_dim` of these coordinates.
fn first(representation: &Representation, coordinates: usize) -> Result<Subspace> {
    match (&representation.dimensions, representation.listed) {
        (_, true) => {
            Err("its `interchange_dim` is a list, which pyvene takes for the end of a range; \
                          expected one number"
                .to_owned())
        }
        (Some(dimensions), _) => match dimensions.as_slice() {
            &[count] if count < coordinates => Ok(Subspace::first(count)),
            _ => Ok(Subspace::All),
        },
        (None, _) => Ok(Subspace::All),
    }
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

/// What was saved of an intervention.
struct Parameters<'a> {
    class: &'a str,
    /// `None` where there is no file.
    state: Option<State>,
}

impl Parameters<'_> {
    fn take_optional(&mut self, name: &str) -> Option<Tensor> {
        self.state.as_mut()?.remove(name)
    }

    fn drop(&mut self, name: &str) {
        self.take_optional(name);
    }

    fn take(&mut self, name: &str) -> Result<Tensor> {
        let Some(state) = &mut self.state else {
            return Err(format!("there is no file of its parameters, and {} has some", self.class));
        };
        let tensor = state.remove(name).ok_or_else(|| {
            let found = listed(state.keys().map(String::as_str));
            format!("there is no `{name}`, which {} needs, beside {found}", self.class)
        })?;
        match is_float(&tensor) {
            true => Ok(tensor),
            false => Err(format!("`{name}` holds whole numbers; expected floats")),
        }
    }

    fn numbers(&mut self, name: &str) -> Result<Vec<f64>> {
        floats(&self.take(name)?)
    }

    fn number(&mut self, name: &str) -> Result<f64> {
        match self.numbers(name)?.as_slice() {
            &[number] => Ok(number),
            numbers => Err(format!("`{name}` holds {} numbers; expected one", numbers.len())),
        }
    }

    fn rotation(&mut self) -> Result<Rotation> {
        Rotation::new(&self.take("rotate_layer.weight")?).map_err(words)
    }

    /// Refuses what is not understood.
    fn finish(self) -> Result<()> {
        match self.state.unwrap_or_default().keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("{} has no parameter `{name}`", self.class)),
        }
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f64>> {
    let floats = tensor.to_dtype(DType::F64).and_then(|tensor| tensor.flatten_all()?.to_vec1());
    floats.map_err(|error| error.to_string())
}

fn words(error: ParameterError) -> String {
    error.to_string()
}
