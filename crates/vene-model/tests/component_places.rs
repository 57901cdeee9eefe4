//! What is said of adding a component (`ARCHITECTURE.md`) is all that there is to do, and was done for each.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;

use vene_model::component::COMPONENTS;
use vene_test_support::{Fixture, model_names};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The components that a random model's fixture has values of.
fn recorded(name: &str) -> HashSet<String> {
    let by_prompt = Fixture::new(name).activations("activations.safetensors");
    let keys = by_prompt.iter().flat_map(|prompt| prompt.keys());
    keys.filter_map(|key| key.split('/').next()).map(str::to_owned).collect()
}

#[test]
fn every_component_is_at_each_place_that_the_architecture_names() {
    let architecture = read("ARCHITECTURE.md");
    let start = architecture.find("- **A component**:").unwrap();
    let told = architecture[start..].split("\n- **").next().unwrap();
    // Where a component stands by its name in files, or as a variant in code.
    let named = ["docs/components.md"];
    let oracles = ["fixtures/recorder.py", "fixtures/families.py", "fixtures/make_networks.py"];
    let variants =
        ["crates/vene-model/src/component.rs", "crates/vene-model/src/component/graph.rs"];
    // Announced by the decoder, by the pass that knows the pattern, or by a recurrent block.
    let announced = [
        "crates/vene-model/src/decoder.rs",
        "crates/vene-model/src/recurrence.rs",
        "crates/vene-engine/src/attend.rs",
    ];
    for path in named.iter().chain(&oracles).chain(&variants).chain(&announced) {
        let file = Path::new(path).file_name().unwrap().to_str().unwrap();
        assert!(told.contains(file), "{file} is not in what is said of adding a component");
    }
    let words = |paths: &[&str]| -> HashSet<String> {
        let text: String = paths.iter().map(|path| read(path)).collect();
        text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let each = |paths: &[&str]| -> Vec<_> { paths.iter().map(|path| words(&[path])).collect() };
    let announced = words(&announced);
    let oracles: HashSet<String> = model_names().iter().flat_map(|name| recorded(name)).collect();
    let (named, variants) = (each(&named), each(&variants));
    for info in &COMPONENTS {
        let (name, variant) = (info.name, format!("{:?}", info.component));
        assert!(named.iter().all(|words| words.contains(name)), "{name} has no documentation");
        assert!(oracles.contains(name), "{name} has no oracle");
        assert!(variants.iter().all(|words| words.contains(&variant)), "{variant} has no facts");
        assert!(announced.contains(&variant), "{variant} is announced nowhere");
    }
}
