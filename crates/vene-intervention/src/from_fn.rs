//! A user's own intervention from a closure. The closure's form says what it reads.

use std::fmt;
use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::{
    Dependence, Granularity, Intervention, Parameter, SourceCount, Traits, UnitContext, only_source,
};

/// An intervention from a function of the base's values alone, `[positions, width]`, that gives values of the same
/// shape.
///
/// ```
/// use std::sync::Arc;
/// use vene::intervention::from_fn;
/// use vene::{Component, Edit};
///
/// let clipped = from_fn("clipped", |base| base.clamp(-1.0, 1.0));
/// let edit = Edit::new(Component::MlpOutput, 2, Arc::new(clipped));
/// ```
///
/// Variables that the closure uses are told by [`FromFn::parameters`], so that they are trained,
/// saved and loaded; what else is known of it by [`FromFn::with`].
pub fn from_fn<F>(name: &'static str, function: F) -> FromFn
where
    F: Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
{
    made(name, SourceCount::None, move |base, _| function(base))
}

/// The same from a function of the base's values and one source's, both `[positions, width]`.
///
/// ```
/// use std::sync::Arc;
/// use vene::intervention::from_fn_with_source;
/// use vene::{Component, Edit};
///
/// // Half the way from the base to the source.
/// let halfway = from_fn_with_source("halfway", |base, source| (base + source)? * 0.5);
/// let edit = Edit::new(Component::MlpOutput, 2, Arc::new(halfway));
/// ```
pub fn from_fn_with_source<F>(name: &'static str, function: F) -> FromFn
where
    F: Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
{
    made(name, SourceCount::One, move |base, sources| function(base, only_source(sources)?))
}

/// The same from a function of the base's values and those of all sources, of which there is at least one.
pub fn from_fn_with_sources<F>(name: &'static str, function: F) -> FromFn
where
    F: Fn(&Tensor, &[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    made(name, SourceCount::Several, function)
}

fn made<F>(name: &'static str, sources: SourceCount, function: F) -> FromFn
where
    F: Fn(&Tensor, &[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
{
    let traits = Traits::of(sources);
    FromFn { name, traits, parameters: Vec::new(), function: Arc::new(function) }
}

/// What [`from_fn`], [`from_fn_with_source`] and [`from_fn_with_sources`] make.
#[derive(Clone)]
pub struct FromFn {
    name: &'static str,
    traits: Traits,
    parameters: Vec<Parameter>,
    function: Arc<Function>,
}

type Function = dyn Fn(&Tensor, &[Tensor]) -> Result<Tensor> + Send + Sync;

impl FromFn {
    /// Says more of the closure than how many sources it reads: that its result does not depend on the base, that rows
    /// may be handed over together. What is said is believed.
    #[must_use]
    pub fn with(mut self, result: Dependence, granularity: Granularity) -> Self {
        // A closure has no form for values in place.
        let granularity = granularity.max(Granularity::Row);
        self.traits = self.traits.result(result).granularity(granularity);
        self
    }

    /// Tells the variables that the closure uses.
    #[must_use]
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters = parameters.into_iter().collect();
        self
    }
}

impl fmt::Debug for FromFn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("FromFn");
        shown.field("name", &self.name).field("traits", &self.traits);
        shown.field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

impl Intervention for FromFn {
    fn name(&self) -> &'static str {
        self.name
    }

    fn traits(&self) -> Traits {
        self.traits
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }

    fn apply(&self, base: &Tensor, sources: &[Tensor], _: UnitContext<'_>) -> Result<Tensor> {
        (self.function)(base, sources)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn a_closure_edits_and_its_variables_are_parameters() {
        let factor = Var::new(3.0, &Device::Cpu).unwrap();
        let used = factor.clone();
        let own =
            from_fn_with_source("own", move |base, source| base + source.broadcast_mul(&used)?)
                .parameters([Parameter::trained("factor", &factor)]);
        let tensor = |value: f64| Tensor::new(&[[value]], &Device::Cpu).unwrap();
        let context = UnitContext::at(&[0]);
        let edited = own.apply(&tensor(1.0), &[tensor(2.0)], context).unwrap();
        assert_eq!(edited.to_vec2::<f64>().unwrap(), [[7.0]]);
        let parameter = &Intervention::parameters(&own)[0];
        let gradients = edited.sum_all().unwrap().backward().unwrap();
        assert_eq!(gradients.get(&parameter.variable).unwrap().to_scalar::<f64>().unwrap(), 2.0);
    }
}
