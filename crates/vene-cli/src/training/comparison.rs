//! A trained plan beside what it should be compared with.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use vene::data::{LeftOut, PreparedRow, Row};
use vene::metric;
use vene::plan_file::{GridRun, GridValue, LabelName, PlanGrid, TrainSection};
use vene::plan_sweep::PlanSweep;
use vene::training::{Evaluation, Examples, random_directions, whole_activations};
use vene::{AnswerTokens, Model, Outline, Plan, PlanRows, PromptForm};

use super::objectives::{self, Task};
use crate::terminal;

/// By which directions the control is drawn.
const SEED: u64 = 0x5EED;

/// What plans are called that differ only in what is interchanged.
const VARIABLE: &str = "variant";

/// A trained plan and its rivals, and the rows with the label in the target's place.
pub struct Comparison {
    pub grid: PlanGrid,
    pub rows: Vec<Row>,
    pub left_out: Vec<LeftOut>,
    plans: Vec<(&'static str, Plan)>,
    section: TrainSection,
    label: LabelName,
    /// The rows as they are.
    own: Vec<Row>,
    form: PromptForm,
}

impl Comparison {
    /// Of a plan; `again` makes another one of the same file, with parameters of its own.
    ///
    /// # Errors
    /// A plan that learns nothing, or no row that has the label.
    pub fn new(
        outline: &Outline,
        plan: Plan,
        again: impl FnOnce() -> anyhow::Result<Plan>,
        section: TrainSection,
        rows: &[Row],
        form: PromptForm,
    ) -> anyhow::Result<Self> {
        objectives::check_answers(&section)?;
        let over = plan.over_rows_with(outline, rows, &form, objectives::answers(&section))?;
        let label = objectives::label(&section, &over.plan);
        let lacking = |row: &PreparedRow| {
            let reason = objectives::lacks(label, &section, row)?;
            Some(LeftOut { index: row.index, place: row.row.place, reason })
        };
        let mut left_out = over.left_out;
        left_out.extend(over.rows.iter().filter_map(lacking));
        left_out.sort_by_key(|row| row.index);
        let own: Vec<Row> = over
            .rows
            .iter()
            .filter(|row| objectives::lacks(label, &section, row).is_none())
            .map(|row| row.row.clone())
            .collect();
        if let (true, Some(first)) = (own.is_empty(), left_out.first()) {
            anyhow::bail!("none of the rows has the label; {}: {}", first.name(), first.reason);
        }
        let mut plans = vec![("trained", plan)];
        if let Some(whole) = whole_activations(&plans[0].1) {
            plans.push(("whole activation", whole));
        }
        let random = again()?;
        if random_directions(&random, SEED)? {
            plans.push(("random directions", random));
        }
        let run = |(name, plan): &(&'static str, Plan)| GridRun {
            values: vec![GridValue::Text((*name).to_owned())],
            plan: plan.clone(),
        };
        let grid = PlanGrid {
            variables: vec![VARIABLE.to_owned()],
            runs: plans.iter().map(run).collect(),
            files: BTreeMap::new(),
        };
        let labelled = |row: &Row| {
            let mut row = row.clone();
            if label == LabelName::Foil {
                std::mem::swap(&mut row.target, &mut row.foil);
            }
            row
        };
        let rows = own.iter().map(labelled).collect();
        Ok(Self { grid, rows, left_out, plans, section, label, own, form })
    }

    /// The loss and the accuracy of each plan as a training tells them of its held-out rows, and how often the model's own
    /// answers to bases and sources are right.
    ///
    /// # Errors
    /// Failures of the computation.
    pub fn evaluate(&self, model: &Model) -> anyhow::Result<(Value, String)> {
        let trainer = self.section.trainer();
        let mut told = serde_json::Map::new();
        let mut text = String::from("\nas a training tells it:\n");
        for (name, plan) in &self.plans {
            let answers = objectives::answers(&self.section);
            let over = plan.over_rows_with(model, &self.own, &self.form, answers)?;
            let Task { plan, objective } =
                objectives::of(model, plan, &self.section, self.label, over)?;
            let examples = Examples { plan: &plan, objective: &objective };
            let Evaluation { loss, accuracy } = trainer.evaluate(model, examples)?;
            told.insert((*name).to_owned(), json!({ "loss": loss, "accuracy": accuracy }));
            text += &format!(
                "  {name:<24} loss {}, accuracy {:.1} %\n",
                terminal::number(loss),
                100.0 * accuracy
            );
        }
        let accuracy = metric::named("accuracy").context("there is a metric `accuracy`")?;
        let own = PlanSweep::builder(model)
            .plan(Plan::new())
            .rows(&self.own)
            .prompt_form(&self.form)
            .first_tokens(objectives::answers(&self.section) == AnswerTokens::First)
            .metrics([accuracy])
            .build();
        if let Ok(own) = own {
            let run = own.run(model)?;
            let values = run.examples.floats("base_value")?;
            ensure!(!values.is_empty(), "no row has an answer");
            let share = values.iter().sum::<f64>() / values.len() as f64;
            told.insert("model_on_bases".to_owned(), json!({ "accuracy": share }));
            text += &format!("  {:<24} accuracy {:.1} %\n", "the model on bases", 100.0 * share);
        }
        Ok((Value::Object(told), text))
    }
}
