//! The registry says of each intervention what it does.

use std::collections::BTreeSet;

use vene::intervention::Setting;
use vene::registry;

use crate::every;

#[test]
fn every_row_has_cases_and_says_what_they_do() {
    let cases = every::interventions(20);
    for row in registry::all() {
        let own: Vec<_> = cases.iter().filter(|case| case.name() == row.name).collect();
        assert!(!own.is_empty(), "{} has no case in every.rs", row.name);
        let learns = own.iter().any(|case| !case.parameters().is_empty());
        assert_eq!(learns, row.learns, "{}", row.name);
        for case in own {
            let reads = case.traits().sources;
            assert_eq!(row.reads.unwrap_or(reads), reads, "{}", row.name);
            let settings = case.settings().unwrap();
            for (key, value) in &settings.values {
                let known = row.settings.iter().any(|(known, _)| known == key);
                assert!(known, "{} has a setting `{key}`", row.name);
                let is_inner = *key == "of" && matches!(value, Setting::Inner(_));
                assert_eq!(is_inner, *key == "of", "{}", row.name);
            }
        }
    }
    for case in &cases {
        assert!(registry::find(case.name()).is_some(), "{} has no row", case.name());
    }
}

#[test]
fn a_name_means_one_thing() {
    let mut names = BTreeSet::new();
    let rows = registry::all().map(|row| row.name);
    for name in rows.chain(registry::ALIASES.iter().map(|alias| alias.name)) {
        assert!(names.insert(name), "{name} twice");
    }
    for alias in &registry::ALIASES {
        assert!(registry::find(alias.of).is_some(), "{}", alias.of);
        assert!(registry::alias(alias.name).is_some());
    }
    let mut classes = BTreeSet::new();
    let of_rows = registry::all().flat_map(|row| row.pyvene());
    for class in of_rows.chain(registry::ALIASES.iter().flat_map(|alias| alias.pyvene())) {
        assert!(classes.insert(class), "{class} twice");
    }
    assert_eq!(classes.len(), 22);
}

/// Whatever is chosen by a word parses from it, and names the nearest word where there is none such.
#[test]
fn choices_parse_from_words() {
    fn said<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> String {
        text.parse::<T>().err().map(|error| error.to_string()).unwrap_or_default()
    }
    assert!("zero".parse::<vene::Method>().is_ok());
    for (error, nearest) in [
        (said::<vene::Component>("mlp_outptu"), "mlp_output"),
        (said::<vene::Method>("interchnge"), "interchange"),
        (said::<vene::SweepUnit>("h.poss"), "h.pos"),
        (said::<vene::Module>("atention"), "attention"),
        (said::<vene::Direction>("nosing"), "noising"),
        (said::<vene::task::Task>("capitol"), "capital"),
        (said::<vene::data::FoilIs>("wrong_anser"), "wrong_answer"),
        (registry::named("scalling").unwrap_err().to_string(), "scaling"),
    ] {
        assert!(error.contains(&format!("did you mean `{nearest}`")), "{error}");
    }
}
