//! A plan over the rows of a data set: positions by role, found in each row.

use vene_engine::plan::{Example, ResolvedPlan, Role, Run, TeacherForced};
use vene_engine::{Plan, PlanError};
use vene_model::{Outline, PromptForm};

use super::answers::AnswerTokens;
use super::left_out::{LeftOut, Reason};
use super::prepare::{PreparedRow, Requirements, prepare};
use super::row::Row;

/// A plan whose examples are rows of a data set.
#[derive(Clone, Debug)]
pub struct OverRows {
    /// The plan, an example for each row.
    pub plan: ResolvedPlan,
    /// The rows, in the order of the examples.
    pub rows: Vec<PreparedRow>,
    /// Rows that could not be used.
    pub left_out: Vec<LeftOut>,
}

/// What a [`Plan`] becomes over the rows of a data set.
pub trait PlanRows {
    /// The plan over rows: base and source of each are those of an example, and
    /// [`Positions::Role`](vene_engine::Positions::Role) the positions of that role in each. Rows whose answers do not begin with tokens that tell
    /// target and foil apart are left out, those in which a role is nowhere, and those that the plan does not fit: a
    /// prompt may be too short for its positions.
    ///
    /// # Errors
    /// As [`Plan::resolve`], where it is wrong whatever the rows; no row that could be used.
    fn over_rows(
        &self,
        outline: &Outline,
        rows: &[Row],
        form: impl Into<PromptForm>,
    ) -> Result<OverRows, PlanError> {
        self.over_rows_with(outline, rows, form, AnswerTokens::First)
    }

    /// The same where rows are left out by what is looked at of their answers: whole ones must be no beginning of each
    /// other ([`PlanRows::teacher_forced_rows`] reads them).
    ///
    /// # Errors
    /// As [`PlanRows::over_rows`].
    fn over_rows_with(
        &self,
        outline: &Outline,
        rows: &[Row],
        form: impl Into<PromptForm>,
        answers: AnswerTokens,
    ) -> Result<OverRows, PlanError>;

    /// The plan for one prompt: the positions that its roles are in a row, in place of the roles. Of the row texts and
    /// spans are looked at.
    ///
    /// # Errors
    /// A role that is nowhere in the row.
    fn in_row(
        &self,
        outline: &Outline,
        row: &Row,
        form: impl Into<PromptForm>,
    ) -> Result<Plan, PlanError>;

    /// The plan over rows that [`PlanRows::over_rows_with`] made ready for this very plan, whose bases go on with these
    /// answers ([`Plan::teacher_forced`]).
    ///
    /// # Errors
    /// As [`Plan::teacher_forced`].
    fn teacher_forced_rows(
        &self,
        outline: &Outline,
        rows: &[PreparedRow],
        answers: &[Vec<u32>],
    ) -> Result<TeacherForced, PlanError>;
}

impl PlanRows for Plan {
    fn over_rows_with(
        &self,
        outline: &Outline,
        rows: &[Row],
        form: impl Into<PromptForm>,
        answers: AnswerTokens,
    ) -> Result<OverRows, PlanError> {
        let roles = self.roles();
        let requirements = Requirements {
            distinct_roles: 0,
            form: &form.into(),
            roles: &roles,
            read: &[],
            reads_source: self.reads_sources(),
            same_length: false,
            needs_target: true,
            needs_foil: false,
            needs_single_tokens: false,
            first_tokens: answers == AnswerTokens::First,
        };
        let (mut prepared, mut left_out) = prepare(outline, rows, &requirements);
        if let (true, Some(first)) = (prepared.is_empty(), left_out.first()) {
            let reason = format!("{}: {}", first.name(), first.reason);
            return Err(PlanError::NoRows { rows: rows.len(), reason });
        }
        let plan = match resolve_over(self, outline, &roles, &prepared) {
            Ok(plan) => plan,
            Err(error) => {
                let unfit = leave_out_unfit(self, outline, &roles, &mut prepared);
                if unfit.is_empty() || (prepared.is_empty() && !error.is_of_an_example()) {
                    return Err(error);
                }
                if let (true, Some(first)) = (prepared.is_empty(), unfit.first()) {
                    let reason = format!("{}: {}", first.name(), first.reason);
                    return Err(PlanError::NoRows { rows: rows.len(), reason });
                }
                left_out.extend(unfit);
                left_out.sort_by_key(|row| row.index);
                resolve_over(self, outline, &roles, &prepared)?
            }
        };
        Ok(OverRows { plan, rows: prepared, left_out })
    }

    fn in_row(
        &self,
        outline: &Outline,
        row: &Row,
        form: impl Into<PromptForm>,
    ) -> Result<Plan, PlanError> {
        let roles = self.roles();
        let requirements = Requirements {
            distinct_roles: 0,
            form: &form.into(),
            roles: &roles,
            read: &[],
            reads_source: self.reads_sources(),
            same_length: false,
            needs_target: false,
            needs_foil: false,
            needs_single_tokens: false,
            first_tokens: true,
        };
        let (rows, left_out) = prepare(outline, std::slice::from_ref(row), &requirements);
        match (rows.first(), left_out.first()) {
            (Some(row), _) => Ok(at_rows(self, &roles, &[row])),
            (None, first) => {
                let reason = first.map_or_else(String::new, |row| row.reason.to_string());
                Err(PlanError::NoRows { rows: 1, reason })
            }
        }
    }

    fn teacher_forced_rows(
        &self,
        outline: &Outline,
        rows: &[PreparedRow],
        answers: &[Vec<u32>],
    ) -> Result<TeacherForced, PlanError> {
        let examples: Vec<Example> = rows.iter().map(PreparedRow::example).collect();
        let rows: Vec<&PreparedRow> = rows.iter().collect();
        at_rows(self, &self.roles(), &rows).teacher_forced(outline, &examples, answers)
    }
}

/// The plan over rows in tokens.
fn resolve_over(
    plan: &Plan,
    outline: &Outline,
    roles: &[Role],
    rows: &[PreparedRow],
) -> Result<ResolvedPlan, PlanError> {
    let examples: Vec<Example> = rows.iter().map(PreparedRow::example).collect();
    let rows: Vec<&PreparedRow> = rows.iter().collect();
    at_rows(plan, roles, &rows).resolve(outline, &examples)
}

/// Takes out the rows that the plan does not fit. One at a time shows which these are.
fn leave_out_unfit(
    plan: &Plan,
    outline: &Outline,
    roles: &[Role],
    rows: &mut Vec<PreparedRow>,
) -> Vec<LeftOut> {
    let mut unfit = Vec::new();
    rows.retain(|row| match resolve_over(plan, outline, roles, std::slice::from_ref(row)) {
        Ok(_) => true,
        Err(error) => {
            // The row is the only example there, and has a name of its own.
            let problem = error.to_string().replace(" of example 0", "");
            let problem = problem.replace(" in example 0", "").replace(", example 0", "");
            unfit.push(row.left_out(Reason::Plan { problem }));
            false
        }
    });
    unfit
}

/// A plan with numbers in place of roles, for examples that are these rows, one each, made ready for these roles.
pub fn at_rows(plan: &Plan, roles: &[Role], rows: &[&PreparedRow]) -> Plan {
    plan.at_roles(|role, run| {
        let place = roles.iter().position(|known| known == role).unwrap_or_default();
        let of_row = |row: &&PreparedRow| {
            let all = match run {
                Run::Source(0) => &row.source_positions,
                // Source 1 is the base once more.
                Run::Base | Run::Source(_) => &row.base_positions,
            };
            let found = all.get(place).map_or(&[][..], Vec::as_slice);
            found.iter().map(|&position| position as i64).collect()
        };
        rows.iter().map(of_row).collect()
    })
}

impl PreparedRow {
    /// The row as an example: its base, and its source where it has one.
    pub fn example(&self) -> Example {
        let example = Example::new(self.base.clone()).of_row(self.index);
        match &self.source {
            Some(source) => example.source(source.clone()),
            None => example,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vene_engine::plan::{Edit, Positions};
    use vene_model::{BeginningOfSequence, Component, Model};

    #[test]
    fn a_role_is_found_in_base_and_source_of_each_row() {
        let model = Model::load("embedded").unwrap();
        let rows = [
            Row::new("The capital of Spain is", "The name of the capital of Italy is")
                .target(" Madrid")
                .foil(" Rome")
                .span("subject", "Spain", "Italy"),
            Row::new("The capital of Peru is", "The capital of Spain is")
                .target(" Lima")
                .foil(" Lima"),
        ];
        let role = |text: &str| Positions::Role(text.parse().unwrap());
        let edit = Edit::interchange(Component::BlockOutput, 1).at(role("subject_last"));
        let plan = Plan::new().edit(edit);
        let over = plan.over_rows(&model, &rows, BeginningOfSequence::Model).unwrap();
        assert_eq!((over.rows.len(), over.left_out.len()), (1, 1));
        let edit = &over.plan.edits()[0];
        assert_eq!(edit.units[0].positions, [3]);
        let Some(vene_engine::plan::ResolvedSource::Runs { units, .. }) = &edit.source else {
            panic!("it reads a source")
        };
        assert_eq!(units[0][0].1.positions, [6]);
        let token = |word: &str| model.tokenizer().single_token(word).unwrap();
        assert_eq!(over.rows[0].first_tokens(), [vec![token(" Madrid")], vec![token(" Rome")]]);
        // One prompt that is too short leaves out its row, not the run.
        let short = Row::new("Spain", "Italy").target(" a").foil(" b");
        let rows = [rows[0].clone(), short.clone()];
        let fixed =
            Plan::new().edit(Edit::interchange(Component::BlockOutput, 1).at(Positions::index(3)));
        let over = fixed.over_rows(&model, &rows, BeginningOfSequence::Model).unwrap();
        assert_eq!((over.rows.len(), over.rows[0].index, over.left_out[0].index), (1, 0, 1));
        let reason = over.left_out[0].reason.to_string();
        assert!(reason.contains("the base") && !reason.contains("example"), "{reason}");
        let none = fixed.over_rows(&model, &[short], BeginningOfSequence::Model).unwrap_err();
        let none = none.to_string();
        assert!(none.starts_with("none of the 1 rows can be used; row 0"), "{none}");
        assert!(none.contains("the base") && !none.contains("example"), "{none}");
        // What is wrong whatever the rows is no row's fault.
        let nowhere = Plan::new().edit(Edit::interchange(Component::BlockOutput, 99));
        let none = nowhere.over_rows(&model, &rows, BeginningOfSequence::Model).unwrap_err();
        assert!(matches!(none, PlanError::Site(_)), "{none}");
        // Of a pattern both the query and the key are found in the source anew.
        let pattern = Edit::interchange(Component::AttentionWeight, 1)
            .at(role("last"))
            .keys(role("subject_last"));
        let pattern = Plan::new().edit(pattern);
        let over = pattern.over_rows(&model, &rows[..1], BeginningOfSequence::Model).unwrap();
        let edit = &over.plan.edits()[0];
        let written = (edit.units[0].positions.as_slice(), edit.units[0].keys.as_deref());
        assert_eq!(written, (&[4][..], Some(&[3][..])));
        let Some(vene_engine::plan::ResolvedSource::Runs { units, .. }) = &edit.source else {
            panic!("it reads a source")
        };
        let read = &units[0][0].1;
        assert_eq!((read.positions.as_slice(), read.keys.as_deref()), (&[7][..], Some(&[6][..])));
        // Without rows a role is nowhere.
        let one = Example::new(model.prompt("The capital of Spain is").unwrap());
        let error = plan.resolve(&model, &[one]).unwrap_err().to_string();
        assert!(error.contains("`subject_last` is a position that each row"), "{error}");
    }
}
