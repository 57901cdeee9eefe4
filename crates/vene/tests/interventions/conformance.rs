//! Every type: its values, and the gradients of `sum(cotangent * output)` with respect to base,
//! source and parameters.

use std::collections::BTreeSet;

use candle_core::{Tensor, Var};
use vene::intervention::{
    ErrorTerm, Intervention, PcaRotatedSpace, PrincipalComponents, Subspace, orthogonal,
};
use vene::registry;
use vene_test_support::{Agreement, json, relative_error, tensors, values};

use crate::case::{Case, Tensors};

/// pyvene multiplies by `R` and by `Rᵀ` where vene leaves out what cancels for an orthogonal `R`.
/// So the two agree along the rotations, which is where a trainer goes, and not across.
const ALONG_ROTATIONS: [&str; 3] =
    ["rotated_space", "boundless_rotated_space", "sigmoid_mask_rotated_space"];

#[test]
fn values_and_gradients_agree() {
    let cases: Vec<Case> = json("interventions/cases.json");
    let all = tensors("interventions/interventions.safetensors");
    let (mut agreement, mut kinds, mut gradients_compared) =
        (Agreement::default(), BTreeSet::new(), 0);
    let mut compared: BTreeSet<&str> = BTreeSet::new();
    for case in &cases {
        let tensors = Tensors { all: &all, case: &case.name };
        let leaf = |name: &str| tensors.find(name).map(|tensor| Var::from_tensor(tensor).unwrap());
        let base = leaf("base").unwrap();
        // Noise is an addition of what pyvene draws.
        let source = leaf("source").or_else(|| leaf("parameter/noise"));
        let (output, parameters) = match case.kind.as_str() {
            "collect" => (case.collected(&base), Vec::new()),
            _ => {
                let intervention = case.intervention(&tensors);
                assert_eq!(intervention.check(Some(base.dims()[1])), Ok(()), "{}", case.name);
                assert_eq!(intervention.problem(), None, "{}", case.name);
                compared.insert(intervention.name());
                let sources: Vec<Var> = source.iter().cloned().collect();
                (case.apply(&*intervention, &base, &sources), intervention.parameters())
            }
        };
        assert_eq!(output.dtype(), base.dtype());
        let mut note = |what: &str, actual: &[f64], expected: &[f64]| {
            let error = relative_error(actual, expected);
            agreement.note(&case.name, error / case.tolerance(), what);
        };
        note("output", &values(&output), &values(tensors.get("output")));

        let loss = (output * tensors.get("cotangent")).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        for name in &case.gradients {
            let expected = tensors.get(&format!("gradient/{name}"));
            let parameter = parameters.iter().find(|parameter| parameter.name == *name);
            let variable = match name.as_str() {
                "base" => &base,
                "source" => source.as_ref().unwrap(),
                _ => &parameter.unwrap_or_else(|| panic!("{}: no {name}", case.name)).variable,
            };
            // Nothing depends on what has no gradient.
            let actual = gradients.get(variable).cloned();
            let actual = actual.unwrap_or_else(|| variable.zeros_like().unwrap());
            let precise = |tensor: &Tensor| tensor.to_dtype(candle_core::DType::F64).unwrap();
            let (actual, expected) = (precise(&actual), precise(expected));
            let (actual, expected) = match parameter {
                Some(_)
                    if name == "rotate_layer.weight"
                        && ALONG_ROTATIONS.contains(&case.kind.as_str()) =>
                {
                    let rotation = precise(variable);
                    let along = |gradient| orthogonal::tangent(&rotation, &gradient).unwrap();
                    (along(actual), along(expected))
                }
                _ => (actual, expected),
            };
            note(name, &values(&actual), &values(&expected));
            gradients_compared += 1;
        }
        kinds.insert(&case.kind);
        compared.insert(&case.kind);
    }
    // In units of each case's own tolerance.
    agreement.check("interventions", 1.0);
    assert_eq!((cases.len(), kinds.len()), (82, 25));
    assert!(gradients_compared > 250, "{gradients_compared}");
    for row in registry::all().filter(|row| row.pyvene().count() > 0) {
        assert!(compared.contains(row.name), "{} is not held to pyvene's", row.name);
    }
}

#[test]
fn principal_components_are_those_of_a_singular_value_decomposition() {
    let all = tensors("interventions/interventions.safetensors");
    let get = |name: &str| values(&all[&format!("fit/{name}")]);
    let rows = &all["fit/rows"];
    let fitted = PrincipalComponents::fit(rows, rows.dims()[1], true).unwrap();
    assert!(relative_error(&values(&fitted.components), &get("components")) < 1e-12);
    assert!(relative_error(&values(&fitted.mean), &get("mean")) < 1e-14);
    assert!(relative_error(&values(&fitted.deviation), &get("deviation")) < 1e-14);
    assert!(relative_error(&fitted.variances, &get("variances")) < 1e-12);
    let edit = PcaRotatedSpace::new(&fitted, Subspace::All, ErrorTerm::Kept).unwrap();
    assert_eq!(edit.coordinates(None), Some(rows.dims()[1]));
}
