//! Scrubbed runs as tables: each draw of each row, and what each node could be given.

use vene_table::Table;

use super::draw::Choice;
use super::resolved::{Resolved, Senders};
use super::{Feature, RowScrubs, ScrubbedRun, Scrubbing};
use crate::error::CircuitError;

impl Scrubbing {
    /// Of every node of every hypothesis: how many rows stand in for a row on average, itself among them, and for which share of rows (by position: of
    /// rows' positions) it is alone. A node with few others to draw from is hardly tested.
    ///
    /// # Errors
    /// None that is known of.
    pub fn claims(&self) -> Result<Table, CircuitError> {
        let each: Vec<(&Resolved, usize, Choice)> = self
            .hypotheses
            .iter()
            .flat_map(|(hypothesis, candidates)| {
                let nodes = 0..hypothesis.nodes.len();
                nodes.map(move |node| (hypothesis, node, candidates.choice(node)))
            })
            .collect();
        let node = |(hypothesis, node, _): &(&Resolved, usize, _)| {
            let node = &hypothesis.nodes[*node];
            let senders = match &node.senders {
                Senders::Rest => "rest".to_owned(),
                Senders::Named(senders) => {
                    senders.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
                }
            };
            let agrees = node.agrees.iter().map(Feature::name).collect::<Vec<_>>().join("+");
            (node.name.clone(), senders, agrees)
        };
        let nodes: Vec<(String, String, String)> = each.iter().map(node).collect();
        let column = |which: fn(&(String, String, String)) -> &String| -> Vec<String> {
            nodes.iter().map(|node| which(node).clone()).collect()
        };
        let table = Table::builder()
            .column("hypothesis", each.iter().map(|(of, ..)| of.name.clone()).collect::<Vec<_>>())
            .column("node", column(|node| &node.0))
            .column("senders", column(|node| &node.1))
            .column("agrees", column(|node| &node.2))
            .column("candidates", each.iter().map(|(.., of)| of.candidates).collect::<Vec<_>>())
            .column("alone", each.iter().map(|(.., of)| of.alone).collect::<Vec<_>>());
        Ok(table.build()?)
    }

    /// What a row gave as a table: a line for each hypothesis, draw and metric.
    ///
    /// # Errors
    /// A row that there is not.
    pub fn table(&self, row: usize, found: &RowScrubs) -> Result<Table, CircuitError> {
        let all = self.rows.prepared();
        let prepared = all.get(row).ok_or(CircuitError::NoRow { row, rows: all.len() })?;
        let metrics: Vec<&str> = self.rows.metrics().iter().map(|metric| metric.name()).collect();
        let names = self.names();
        let each: Vec<(&ScrubbedRun, usize)> = found
            .runs
            .iter()
            .flat_map(|run| (0..metrics.len()).map(move |metric| (run, metric)))
            .collect();
        let lines = each.len();
        let table = Table::builder()
            .column("example", vec![prepared.index as i64; lines])
            .column("group", vec![prepared.row.group.clone(); lines])
            .column(
                "hypothesis",
                each.iter().map(|(run, _)| names[run.hypothesis]).collect::<Vec<_>>(),
            )
            .column("draw", each.iter().map(|(run, _)| run.draw as i64).collect::<Vec<_>>())
            .column("metric", each.iter().map(|(_, metric)| metrics[*metric]).collect::<Vec<_>>())
            .column(
                "base_value",
                each.iter().map(|(_, metric)| found.base[*metric]).collect::<Vec<_>>(),
            )
            .column(
                "baseline_value",
                each.iter().map(|(run, metric)| run.baseline[*metric]).collect::<Vec<_>>(),
            )
            .column(
                "value",
                each.iter().map(|(run, metric)| run.value[*metric]).collect::<Vec<_>>(),
            );
        Ok(table.build()?)
    }
}
