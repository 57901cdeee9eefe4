//! The pages, run as a reader runs them: every command, plan, row and file that README and `docs/` show, in order, in an
//! empty folder, with what they print.
//!
//! A page is read as a script ([`page`]), checked against the repository ([`check`]), run by one shell ([`shell`]), and
//! what its commands print is compared with what it shows ([`printed`]).
//!
//! | on a page | what it is |
//! | --- | --- |
//! | ```` ```sh ```` | commands, run by bash; variables last to the end of the page |
//! | ```` ```console ```` | commands behind `$ `, each with what it prints; a line `...` stands for any lines |
//! | ```` ```bash ```` | what a reader does once to have models and programs: checked and not run |
//! | ```` ```toml das.toml ```` | a file, in any language; the text above names it too |
//! | ```` ```rust ```` | tested by rustdoc, which includes the page |
//! | `<!-- slow: why -->` | the next block takes minutes or a real model: run where `VENE_SLOW_PAGES=1` |
//! | `<!-- slow-page: why -->` | so does the whole page |
//! | `<!-- not-run: why -->` | the next block is nothing that a reader runs |
//!
//! Anything else fails. `VENE_WRITE_PAGES=1` writes into the page what its commands print now, to be looked at.
//! `HuggingFaceTB/SmolLM2-135M` stands for a model of the reader's own: it is the embedded model here.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(unix)]

mod check;
mod page;
mod printed;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use page::Page;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Whether pages that take minutes are run.
fn slow_ones_too() -> bool {
    std::env::var("VENE_SLOW_PAGES").is_ok_and(|value| value == "1")
}

fn run(name: &str) {
    let page = Page::read(&root(), name).unwrap_or_else(|error| panic!("{name}: {error}"));
    check::page(&page).unwrap_or_else(|error| panic!("{name}: {error}"));
    shell::run(&page, slow_ones_too()).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// A test for each page, and a list of them.
macro_rules! pages {
    ($($test:ident = $name:literal,)*) => {
        const PAGES: &[&str] = &[$($name),*];
        $(#[test] fn $test() { run($name) })*
    };
}

pages! {
    readme = "README.md",
    api = "docs/api.md",
    chat = "docs/chat.md",
    circuits = "docs/circuits.md",
    clusters = "docs/clusters.md",
    coming_from_nnsight = "docs/coming-from/nnsight.md",
    coming_from_pyvene = "docs/coming-from/pyvene.md",
    coming_from_transformer_lens = "docs/coming-from/transformer-lens.md",
    components = "docs/components.md",
    data_sets = "docs/data-sets.md",
    differences = "docs/differences.md",
    directions_of_activations = "docs/directions.md",
    experiments = "docs/experiments.md",
    extending = "docs/extending.md",
    families = "docs/families.md",
    first_hour = "docs/first-hour.md",
    fuzzing = "docs/fuzzing.md",
    glossary = "docs/glossary.md",
    hub = "docs/hub.md",
    index = "docs/README.md",
    inside = "docs/inside.md",
    models = "docs/models.md",
    peers = "docs/peers.md",
    plans = "docs/plans.md",
    python = "docs/python.md",
    pyvene_tests = "docs/pyvene-tests.md",
    scrubbing = "docs/scrubbing.md",
    tokenizers = "docs/tokenizers.md",
    training = "docs/training.md",
    examples = "docs/examples/README.md",
    causal_tracing = "docs/examples/causal-tracing.md",
    country_capital = "docs/examples/country-capital.md",
    directions = "docs/examples/directions.md",
    hierarchical_equality = "docs/examples/hierarchical-equality.md",
    indirect_object = "docs/examples/indirect-object.md",
    induction = "docs/examples/induction.md",
    price_tagging = "docs/examples/price-tagging.md",
    running_sum = "docs/examples/running-sum.md",
    sentiment = "docs/examples/sentiment.md",
    steering = "docs/examples/steering.md",
}

#[test]
fn every_page_is_in_the_list() {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                let name = path.strip_prefix(root()).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    let listed: BTreeSet<String> = PAGES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, found);
}
