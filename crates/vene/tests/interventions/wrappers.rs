//! A wrapper says what it changes; what it does not say is what the intervention inside says.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};
use vene::intervention::{
    ConstantSource, Dropout, InSubspace, Intervention, Parameter, SourceCount, Subspace, Traits,
    UnitContext,
};

/// One that has something to say to each question.
#[derive(Debug)]
struct Inside(Var);

impl Intervention for Inside {
    fn name(&self) -> &'static str {
        "inside"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::One).observing()
    }

    fn problem(&self) -> Option<String> {
        Some("a problem of its own".to_owned())
    }

    fn check(&self, _: Option<usize>) -> Result<(), String> {
        Err("a width that is not its own".to_owned())
    }

    fn coordinates(&self, _: Option<usize>) -> Option<usize> {
        Some(5)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::trained("learned", &self.0)]
    }

    fn apply(
        &self,
        base: &Tensor,
        _: &[Tensor],
        _: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        Ok(base.clone())
    }
}

/// A user's own wrapper, which changes nothing.
#[derive(Debug)]
struct Around(Arc<dyn Intervention>);

impl Intervention for Around {
    fn name(&self) -> &'static str {
        "around"
    }

    fn traits(&self) -> Traits {
        self.0.traits()
    }

    fn inner(&self) -> Option<&dyn Intervention> {
        Some(&*self.0)
    }

    fn apply(
        &self,
        base: &Tensor,
        sources: &[Tensor],
        context: UnitContext<'_>,
    ) -> candle_core::Result<Tensor> {
        self.0.apply(base, sources, context)
    }
}

#[test]
fn what_a_wrapper_does_not_say_is_what_the_one_inside_says() {
    let variable = Var::zeros(1, DType::F64, &Device::Cpu).unwrap();
    let inside = || -> Arc<dyn Intervention> { Arc::new(Inside(variable.clone())) };
    let constant = ConstantSource::zeros(inside(), 4).unwrap();
    let wrappers: [Arc<dyn Intervention>; 5] = [
        Arc::new(Around(inside())),
        Arc::new(Dropout::new(inside(), 0.1, 1)),
        Arc::new(InSubspace::new(inside(), Subspace::first(2))),
        Arc::new(constant),
        // One around the other.
        Arc::new(Dropout::new(Arc::new(Around(inside())), 0.1, 1)),
    ];
    for wrapper in wrappers {
        let name = wrapper.name();
        assert_eq!(wrapper.problem(), inside().problem(), "{name}");
        assert_eq!(wrapper.check(Some(4)), inside().check(Some(4)), "{name}");
        let coordinates = if name == "in_subspace" { 4 } else { 5 };
        assert_eq!(wrapper.coordinates(Some(4)), Some(coordinates), "{name}");
        let parameters = wrapper.parameters();
        assert_eq!(parameters.last().unwrap().variable.id(), variable.id(), "{name}");
        assert!(wrapper.traits().observes, "{name}");
        assert!(wrapper.settings().is_none(), "no file describes what is inside {name}");
    }
}
