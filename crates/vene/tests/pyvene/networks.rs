//! Interventions on pyvene's own networks that are no transformers: its MLP by position, its GRU by time step.

use serde::Deserialize;
use vene::{Model, Precision};
use vene_test_support::{Agreement, Fixture, json, tensors, values};

use crate::case::Case;
use crate::{TOLERANCE, largest_difference, results_of};

#[derive(Deserialize)]
struct NetworkCase {
    model: String,
    /// What pyvene gives, where that is something else than plain hooks do.
    pyvene: Option<String>,
    pyvene_is_wrong: Option<String>,
    #[serde(flatten)]
    case: Case,
}

#[test]
fn every_case_agrees_and_where_pyvene_is_wrong_vene_is_right() {
    let cases: Vec<NetworkCase> = json("pyvene/networks.json");
    let results = tensors("pyvene/networks.safetensors");
    for (precision, title) in [(Precision::Single, "f32"), (Precision::Double, "f64")] {
        let mut agreement = Agreement::default();
        let models: Vec<(&str, Model)> = ["mlp-plain", "gru-plain"]
            .map(|name| (name, Fixture::new(name).load(precision)))
            .into();
        let mut wrong = 0;
        for NetworkCase { model: name, pyvene, pyvene_is_wrong, case } in &cases {
            let (_, model) = models.iter().find(|(known, _)| known == name).unwrap();
            let expected = values(&results[case.tensor.as_deref().unwrap()]);
            for (actual, _) in results_of(model, case, &results) {
                agreement.note(name, largest_difference(&actual, &expected), case.describe());
                if let (Some(pyvene), Some(reason)) = (pyvene, pyvene_is_wrong) {
                    let pyvene = values(&results[pyvene]);
                    // pyvene's difference is at least 2e-6, and may be small.
                    let difference = largest_difference(&actual, &pyvene);
                    assert!(difference > 1e-6, "{reason}: {}", case.describe());
                    wrong += 1;
                }
            }
        }
        // Each by both executors.
        assert_eq!((agreement.compared(), wrong), (2 * 342, 2 * 66));
        agreement.check(&format!("pyvene's networks, {title} (absolute)"), TOLERANCE);
    }
}
