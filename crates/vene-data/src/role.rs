//! Where a role is in a row: its words name phrases, which stand in the row's spans.

use vene_engine::PositionError;
use vene_engine::plan::{Ends, Positions, Role};
use vene_model::Prompt;

use super::row::{Phrase, Row};

impl Row {
    /// The positions that a role has in the row's base.
    ///
    /// # Errors
    /// The row has no such span, or it is nowhere in the prompt.
    pub fn role_in_base(&self, role: &Role, prompt: &Prompt) -> Result<Vec<usize>, PositionError> {
        resolve(role, prompt, |name| Some(&self.spans.get(name)?.base))
    }

    /// The positions that a role has in the row's source.
    ///
    /// # Errors
    /// As [`Row::role_in_base`].
    pub fn role_in_source(
        &self,
        role: &Role,
        prompt: &Prompt,
    ) -> Result<Vec<usize>, PositionError> {
        resolve(role, prompt, |name| {
            let span = self.spans.get(name)?;
            Some(span.source.as_ref().unwrap_or(&span.base))
        })
    }
}

fn resolve<'a>(
    role: &Role,
    prompt: &Prompt,
    phrase: impl Fn(&str) -> Option<&'a Phrase>,
) -> Result<Vec<usize>, PositionError> {
    let positions = match role {
        Role::Last => Positions::Last,
        Role::Index(index) => Positions::index(*index),
        Role::Ends { first, last } => Positions::Ends(Ends::both(*first, *last)),
        Role::Span { name, part } => {
            let missing = || PositionError::NoSpan { name: name.clone() };
            match phrase(name).ok_or_else(missing)? {
                Phrase::Text { text, occurrence } => {
                    Positions::Phrase { text: text.clone(), part: *part, occurrence: *occurrence }
                }
                Phrase::Characters(range) => {
                    Positions::Characters { range: range.clone(), part: *part }
                }
            }
        }
    };
    positions.resolve(prompt, 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use vene_model::Model;

    use super::*;

    #[test]
    fn base_and_source_are_found_each_by_its_own_phrase() {
        let model = Model::load("embedded").unwrap();
        let row = Row::new("The capital of Spain is", "The name of the capital of Italy is")
            .span("subject", "Spain", "Italy");
        let (base, source) = (
            model.prompt(&row.base).unwrap(),
            model.prompt("The name of the capital of Italy is").unwrap(),
        );
        let at = |role: &str| {
            let role: Role = role.parse().unwrap();
            (row.role_in_base(&role, &base).unwrap(), row.role_in_source(&role, &source).unwrap())
        };
        assert_eq!(at("subject_last"), (vec![3], vec![6]));
        assert_eq!(at("after_subject"), (vec![4], vec![7]));
        assert_eq!(at("last"), (vec![4], vec![7]));
        let missing = row.role_in_base(&"city_last".parse().unwrap(), &base).unwrap_err();
        assert!(missing.to_string().contains("`city`"), "{missing}");
    }
}
