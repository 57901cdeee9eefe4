//! A plan, written and read again, is the same plan: the same places, and the same bits of numbers.

use std::path::Path;

use vene::plan_file::{Format, PlanFile};
use vene::{Component, Edit, Outline, Part, Plan, Positions, Run, Source};
use vene_test_support::Fixture;

fn outline() -> Outline {
    Fixture::new("gpt2-plain").outline().unwrap()
}

#[test]
fn a_plan_without_parameters_is_the_same_in_both_formats() {
    let outline = outline();
    let values: Vec<f64> = (0..20).map(|column| 0.1 + f64::from(column).sqrt() * 1e-17).collect();
    let plan = Plan::new()
        .edit(Edit::interchange(Component::BlockOutput, 1).at(Positions::At(vec![0, -1])))
        .edit(Edit::noise(Component::MlpOutput, 0, 0.1 + 0.2, u64::MAX >> 1).at(Positions::All))
        .edit(
            Edit::steering(Component::BlockOutput, 0, values).at(Positions::phrase(
                "a \"quoted\" phrase\n",
                Part::After,
            )
            .occurrence(2)),
        )
        .edit(
            Edit::interchange(Component::QueryOutput, 0)
                .heads([1, 3])
                .source(Source::Run(1))
                .within(Run::Source(0))
                .from_heads([0, 2])
                .from(Positions::Characters { range: 2..5, part: Part::First })
                .from_layer(1)
                .control(),
        )
        .edit(Edit::knockout(1).keys(Positions::Each(vec![vec![0], vec![]])))
        .collect(Component::FinalNorm, None, Positions::All)
        .read(Positions::All)
        .probabilities_of(vec![vec![3u32], vec![]]);
    let file = PlanFile::of(&plan).unwrap();
    for format in [Format::Toml, Format::Json] {
        let text = file.text(format);
        let read = PlanFile::parse(&text, format, Path::new("")).unwrap().plan(&outline);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(format!("{read:?}"), format!("{plan:?}"), "{text}");
    }
}
