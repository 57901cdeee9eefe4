//! Causal models are run, intervened on and exchanged as pyvene's are, on all inputs; and they say what
//! is wrong.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde::Deserialize;
use vene::causal::examples::{conjunction, hierarchical_equality, price_tagging};
use vene::causal::{CausalError, CausalModel, Sampler, Setting, Value};
use vene_test_support::json;

/// What pyvene makes of a model; `fixtures/make_causal.py` tells how it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    inputs: Vec<String>,
    computed: Vec<String>,
    output: Vec<String>,
    values: BTreeMap<String, Vec<Value>>,
    settings: String,
    live_paths: Vec<Vec<Vec<String>>>,
    interventions: Vec<Intervention>,
    interchanges: Vec<Interchange>,
}

#[derive(Deserialize)]
struct Intervention {
    held: BTreeMap<String, Value>,
    settings: String,
}

#[derive(Deserialize)]
struct Interchange {
    variables: Vec<Vec<String>>,
    step: usize,
    settings: String,
}

impl Wanted {
    fn read(name: &str) -> Self {
        json(&format!("causal/{name}.json"))
    }

    /// A setting as the fixture writes it.
    fn digits(&self, setting: &Setting) -> String {
        let digit = |name: &String| {
            let position = self.values[name].iter().position(|value| *value == setting[name]);
            position.unwrap().to_string()
        };
        self.computed.iter().map(digit).collect()
    }
}

/// All of a fixture, as vene computes it. Says how many settings were compared.
fn compare(name: &str, model: &CausalModel) -> usize {
    let wanted = Wanted::read(name);
    assert_eq!(model.inputs(), wanted.inputs);
    assert_eq!([model.output()], wanted.output.as_slice());
    for (name, values) in &wanted.values {
        let mut values = values.clone();
        values.sort();
        assert_eq!(model.values(name).unwrap().unwrap(), values, "{name}");
    }
    let digits = |settings: Vec<Setting>| -> String {
        settings.iter().map(|setting| wanted.digits(setting)).collect()
    };
    let every: Vec<Setting> = model.settings().unwrap().map(Result::unwrap).collect();
    let mut compared = every.len();
    assert_eq!(digits(every.clone()), wanted.settings);

    for intervention in &wanted.interventions {
        let held = |setting: &Setting| model.intervene(setting.inputs(), &intervention.held);
        let settings: Vec<_> = every.iter().map(|setting| held(setting).unwrap()).collect();
        compared += settings.len();
        assert_eq!(digits(settings), intervention.settings, "{:?}", intervention.held);
    }

    for Interchange { variables, step, settings } in &wanted.interchanges {
        let some: Vec<&Setting> = every.iter().step_by(*step).collect();
        let exchange = |runs: &[&Setting]| {
            let sources = runs[1..].iter().copied().zip(variables);
            model.interchange(runs[0], sources).unwrap()
        };
        let found = tuples(&some, 1 + variables.len()).iter().map(|runs| exchange(runs)).collect();
        compared += settings.len() / wanted.computed.len();
        assert_eq!(digits(found), *settings, "{variables:?}");
    }

    for (setting, paths) in every.iter().zip(&wanted.live_paths) {
        let mut found = model.live_paths(setting).unwrap();
        found.sort_by_key(|path| (path.len(), path.clone()));
        assert_eq!(found, *paths, "{setting}");
    }
    assert_eq!(every.len(), wanted.live_paths.len());
    compared
}

/// All tuples of so many, the last changing fastest.
fn tuples<'s>(of: &[&'s Setting], length: usize) -> Vec<Vec<&'s Setting>> {
    (0..length).fold(vec![Vec::new()], |shorter, _| {
        let longer = |tuple: &Vec<&'s Setting>| {
            let tuple = tuple.clone();
            of.iter().map(move |&one| [tuple.clone(), vec![one]].concat()).collect::<Vec<_>>()
        };
        shorter.iter().flat_map(longer).collect()
    })
}

/// Paths that meet, one that skips, and values of all kinds.
fn carrying() -> CausalModel {
    let integers = |a: &Value, b: &Value| a.integer().zip(b.integer());
    CausalModel::builder()
        .input("a", 0..3)
        .input("b", 0..3)
        .input("c", 0..3)
        .computed("sum", ["a", "b"], move |[a, b]| integers(a, b).map(|(a, b)| a + b))
        .computed("carry", ["sum"], |[sum]| sum.integer().map(|sum| sum > 2))
        .computed("digit", ["sum", "c"], move |[sum, c]| {
            integers(sum, c).map(|(sum, c)| (sum + c) % 3)
        })
        .computed("label", ["digit", "carry"], |[digit, carry]| {
            if carry.is_true() { format!("{digit} carried") } else { digit.to_string() }
        })
        .build()
        .unwrap()
}

#[test]
fn a_conjunction_is_that_of_pyvene() {
    assert!(compare("conjunction", &conjunction()) > 100);
}

#[test]
fn hierarchical_equality_is_that_of_pyvene() {
    assert!(compare("hierarchical_equality", &hierarchical_equality(3)) > 20_000);
}

#[test]
fn price_tagging_is_that_of_pyvene() {
    assert!(compare("price_tagging", &price_tagging(3)) > 12_000);
}

#[test]
fn a_model_whose_paths_meet_is_that_of_pyvene() {
    assert!(compare("carrying", &carrying()) > 4_000);
}

/// pyvene's own sampler misses the label that it is asked for in 63 % of this model's draws, since the
/// paths of `carry` and `digit` want different things of `sum`.
#[test]
fn balanced_labels_come_about_where_paths_meet() {
    let model = carrying();
    let settings = Sampler::of(&model).balanced("label").settings(600).unwrap();
    for label in model.values("label").unwrap().unwrap() {
        let count = settings.iter().filter(|setting| setting["label"] == *label).count();
        assert_eq!(count, 100, "{label}");
    }
}

fn message<T: std::fmt::Debug>(result: Result<T, CausalError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn inputs_are_checked() {
    let model = conjunction();
    assert_eq!(
        message(model.run([("a", true)])),
        "input `b` has no value: give one for each input"
    );
    assert_eq!(
        message(model.run([("a", true), ("a", false)])),
        "variable `a` is given twice: give it once"
    );
    assert_eq!(
        message(model.run([("both", true)])),
        "variable `both` is no input: to fix its value, use `intervene`"
    );
    assert_eq!(
        message(model.run([("a", 1)])),
        "variable `a` cannot be 1; its values are false, true"
    );
    assert_eq!(
        message(price_tagging(99).run([("amount", -1)])),
        "variable `amount` cannot be -1; its values are 0, 1, 2, 3, 4, 5, 6, 7, ... (100 in all)"
    );
}

#[test]
fn interventions_are_checked() {
    let model = conjunction();
    let inputs = [("a", true), ("b", true)];
    let held = |held: &[(&str, Value)]| message(model.intervene(inputs, held.to_vec()));
    assert_eq!(held(&[("c", true.into())]), "there is no variable `c`; there are a, b, both");
    assert_eq!(
        held(&[("both", "yes".into())]),
        "variable `both` cannot be yes; its values are false, true"
    );
    let twice = ("both", Value::from(true));
    assert_eq!(held(&[twice.clone(), twice]), "variable `both` is given twice: give it once");
    // Inputs may be held too, over what was given.
    let setting = model.intervene(inputs, [("a", false)]).unwrap();
    assert_eq!(setting, model.run([("a", false), ("b", true)]).unwrap());
}

#[test]
fn interchanges_are_checked() {
    let model = conjunction();
    let base = model.run([("a", true), ("b", true)]).unwrap();
    let other = price_tagging(1).run([("lower", 0), ("upper", 0), ("amount", 0)]).unwrap();
    assert_eq!(
        message(model.interchange(&base, [(&base, ["a"]), (&base, ["a"])])),
        "variable `a` is given twice: give it once"
    );
    assert_eq!(
        message(model.interchange(&base, [(&base, [""; 0])])),
        "source 0 of an interchange has no variables: name those that are exchanged"
    );
    assert_eq!(
        message(model.interchange(&base, [(&other, ["a"])])),
        "this setting is of another model: its variables are lower, upper, amount, not_below, \
         not_above, within, here they are a, b, both"
    );
}

/// A source may itself be the result of an intervention; of the base only the inputs count.
#[test]
fn interchanges_can_be_nested() {
    let model = hierarchical_equality(3);
    let base = model.run([("w", 1), ("x", 1), ("y", 2), ("z", 2)]).unwrap();
    let held = model.intervene(base.inputs(), [("left", false)]).unwrap();
    let counterfactual = model.interchange(&base, [(&held, ["output"])]).unwrap();
    assert_eq!((&counterfactual["left"], &counterfactual["output"]), (&true.into(), &false.into()));
    let of_held = model.interchange(&held, [(&base, ["right"])]).unwrap();
    assert_eq!(of_held, base);
}

/// What could not be tried when the model was built is checked when it runs.
#[test]
fn functions_of_too_many_values_are_checked_in_runs() {
    let model = CausalModel::builder()
        .generated_input("n", |random| (random % 10) as i64)
        .computed("root", ["n"], |[n]| n.integer().filter(|&n| n >= 0).map(i64::isqrt))
        .values("root", 0..3)
        .build()
        .unwrap();
    assert_eq!(model.run([("n", 8)]).unwrap()["root"], 2.into());
    assert_eq!(
        message(model.run([("n", 9)])),
        "the function of variable `root` gives 3 where n = 9; its values are 0, 1, 2"
    );
    assert!(message(model.run([("n", -1)])).starts_with(
        "the function of variable `root` gives no value where n = -1: an intervention may"
    ));
    assert_eq!(
        model.settings().err().unwrap().to_string(),
        "the values of `n` are not known one by one: give them as a list"
    );
}
