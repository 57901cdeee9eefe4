//! When an edit is made, in a file: `"prompt"`, `"every_step"`, `"generated"`, or `[0, 2]`.

use vene_engine::plan::When;

use super::document::Node;
use super::error::PlanFileError;
use super::table::Item;

const NAMES: [&str; 3] = ["prompt", "every_step", "generated"];

pub(super) fn read(item: &Item<'_>) -> Result<When, PlanFileError> {
    const EXPECTED: &str =
        "\"prompt\", \"every_step\", \"generated\", or a list of steps, 0 being the prompt";
    match item.text("") {
        Ok("prompt") => Ok(When::Prompt),
        Ok("every_step") => Ok(When::EveryStep),
        Ok("generated") => Ok(When::Generated),
        Ok(name) => Err(item.unknown("time", name, &NAMES)),
        Err(_) => {
            item.list(EXPECTED)?;
            item.counts().map(When::Steps)
        }
    }
}

pub(super) fn write(when: &When) -> Node {
    match when {
        When::Prompt => "prompt".into(),
        When::EveryStep => "every_step".into(),
        When::Generated => "generated".into(),
        When::Steps(steps) => steps.clone().into(),
    }
}
