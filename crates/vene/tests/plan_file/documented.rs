//! Every example of `docs/plans.md` is a plan.

use std::path::Path;

use vene::data::Row;
use vene::plan_file::{Format, PlanFile};
use vene::{BeginningOfSequence, Example, Outline, PlanRows};

const PAGE: &str = include_str!("../../../../docs/plans.md");

/// The examples in a language: files, which stand behind "```toml NAME".
fn examples(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language} ");
    let files = PAGE.split(fence.as_str()).skip(1).map(|rest| rest.split_once("```").unwrap().0);
    files.map(|file| file.split_once('\n').unwrap().1).collect()
}

#[test]
fn every_example_is_a_plan_for_the_embedded_model() {
    let outline = Outline::open("embedded", &mut |_| ()).unwrap();
    let prompt = |text| outline.prompt(text).unwrap();
    let example = Example::new(prompt("The capital of Spain is"))
        .source(prompt("The capital of Italy is"))
        .source(prompt("The capital of Japan is"));
    let rows = [Row::new("The capital of Spain is", "The capital of Italy is")
        .target(" Madrid")
        .foil(" Rome")
        .span("subject", "Spain", "Italy")];
    let formats = [(Format::Toml, examples("toml")), (Format::Json, examples("json"))];
    let mut read = 0;
    for (format, examples) in formats {
        for text in examples {
            let file = PlanFile::parse(text, format, Path::new("")).unwrap();
            let grid = file.grid(&outline).unwrap_or_else(|error| panic!("{error}\n{text}"));
            for run in grid.runs {
                let resolved = if run.plan.roles().is_empty() {
                    run.plan.resolve(&outline, std::slice::from_ref(&example))
                } else {
                    run.plan
                        .over_rows(&outline, &rows, BeginningOfSequence::Model)
                        .map(|over| over.plan)
                };
                resolved.unwrap_or_else(|error| panic!("{error}\n{text}"));
            }
            read += 1;
        }
    }
    assert_eq!(read, 8);
}

#[test]
fn every_key_that_the_page_tells_is_known() {
    // The other way round is `every_intervention_is_told`.
    let outline = Outline::open("embedded", &mut |_| ()).unwrap();
    let file = PlanFile::parse("[[edit]]\nnothing = 1\n", Format::Toml, Path::new("")).unwrap();
    let error = file.plan(&outline).unwrap_err().to_string();
    let (_, known) = error.split_once("there are ").unwrap();
    for key in known.split(", ") {
        assert!(PAGE.contains(&format!("| `{key}` |")), "{key} is not told");
    }
}

#[test]
fn every_intervention_is_told() {
    let outline = Outline::open("embedded", &mut |_| ()).unwrap();
    let text = "[[edit]]\nintervention = 'nothing'\ncomponent = 'embedding'\n";
    let file = PlanFile::parse(text, Format::Toml, Path::new("")).unwrap();
    let error = file.plan(&outline).unwrap_err().to_string();
    let (_, known) = error.split_once("there are ").unwrap();
    let names: Vec<&str> = known.split(", ").collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        assert!(PAGE.contains(&format!("`{name}`")), "{name} is not told");
    }
}
