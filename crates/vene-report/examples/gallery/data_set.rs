//! Made-up tables of sweeps over data sets: what each example showed, and its summary.

use vene_table::{Table, TableError};

pub const ROLES: [&str; 3] = ["subject_last", "after_subject", "last"];
const COMPONENTS: [&str; 3] = ["attention_output", "mlp_output", "block_output"];

/// The two tables of a sweep.
pub struct DataSet {
    pub summary: Table,
    pub examples: Table,
}

/// Where something was measured.
struct Cell {
    component: &'static str,
    layer: usize,
    role: &'static str,
    head: Option<usize>,
    metric: &'static str,
    /// The true effect, and how far examples differ.
    effect: f64,
    spread: f64,
}

/// Even numbers between 0 and 1 that look random (G. Marsaglia's xorshift).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal, with variance 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

impl DataSet {
    /// Components by layer and role, with two metrics, in the shape that causal traces have: the
    /// subject counts early, the last position late.
    pub fn trace(layers: usize, examples: usize, groups: usize) -> Result<DataSet, TableError> {
        let near = |x: f64, center: f64, width: f64| (-((x - center) / width).powi(2)).exp();
        let mut cells = Vec::new();
        for layer in 0..layers {
            let along = (layer as f64 + 0.5) / layers as f64;
            for component in COMPONENTS {
                for role in ROLES {
                    let effect = match (component, role) {
                        ("block_output", "subject_last") => {
                            -5.0 / (1.0 + (14.0 * (along - 0.6)).exp())
                        }
                        ("block_output", "last") => -5.2 / (1.0 + (-14.0 * (along - 0.65)).exp()),
                        ("mlp_output", "subject_last") => -1.6 * near(along, 0.2, 0.15),
                        ("attention_output", "last") => -1.3 * near(along, 0.65, 0.12),
                        ("mlp_output", "last") => 0.5 * near(along, 0.95, 0.1),
                        _ => -0.15 * near(along, 0.4, 0.2),
                    };
                    for (metric, share) in [("logit_difference", 1.0), ("probability", 0.08)] {
                        let (effect, spread) =
                            (effect * share, share * (0.3 + effect.abs() * 0.35));
                        let head = None;
                        cells.push(Cell { component, layer, role, head, metric, effect, spread });
                    }
                }
            }
        }
        DataSet::of(&cells, examples, groups)
    }

    /// Heads by layer and role: a few count.
    pub fn heads(layers: usize, heads: usize, examples: usize) -> Result<DataSet, TableError> {
        let mut cells = Vec::new();
        for layer in 0..layers {
            for head in 0..heads {
                for role in ROLES {
                    let effect = match (layer, head, role) {
                        (17, 3, "last") => -1.4,
                        (19, 7, "last") | (16, 0, "last") => -0.8,
                        (24, 5, "last") => 0.6,
                        (8, 2, "after_subject") => -0.3,
                        (4, 1, "subject_last") => -0.45,
                        _ => 0.03 * ((layer * 7 + head * 13 + role.len()) as f64).sin(),
                    };
                    let component = "head_attention_value_output";
                    let (metric, spread) = ("logit_difference", 0.2 + effect.abs() * 0.4);
                    let head = Some(head);
                    cells.push(Cell { component, layer, role, head, metric, effect, spread });
                }
            }
        }
        DataSet::of(&cells, examples, 3)
    }

    fn of(cells: &[Cell], count: usize, groups: usize) -> Result<DataSet, TableError> {
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
        // Templates differ, and so do examples, in all cells alike.
        let group = |example: usize| example % groups;
        let weight: Vec<f64> = (0..count)
            .map(|example| {
                0.7 + 0.6 * group(example) as f64 / groups as f64 + 0.15 * noise.normal()
            })
            .collect();
        let values: Vec<Vec<f64>> = cells
            .iter()
            .map(|cell| {
                let effect = |weight: &f64| cell.effect * weight + cell.spread * noise.normal();
                weight.iter().map(effect).collect()
            })
            .collect();
        let n = count as f64;
        let mean: Vec<f64> = values.iter().map(|values| values.iter().sum::<f64>() / n).collect();
        let half: Vec<f64> = values
            .iter()
            .zip(&mean)
            .map(|(values, mean)| {
                let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                1.96 * (squares / (n - 1.0) / n).sqrt()
            })
            .collect();
        let agree: Vec<f64> = values
            .iter()
            .zip(&mean)
            .map(|(values, mean)| {
                values.iter().filter(|value| **value * mean > 0.0).count() as f64 / n
            })
            .collect();
        let ends = |sign: f64| -> Vec<Option<f64>> {
            mean.iter().zip(&half).map(|(mean, half)| Some(mean + sign * half)).collect()
        };
        let summary = places(cells, 1)
            .column("low", ends(-1.0))
            .column("high", ends(1.0))
            .column("mean", mean)
            .column("n", vec![count; cells.len()])
            .column("sign_agreement", agree)
            .build()?;
        let each: Vec<usize> = cells.iter().flat_map(|_| 0..count).collect();
        let group_names = |example: &usize| Some(format!("template {}", group(*example) + 1));
        let examples = places(cells, count)
            .column("group", each.iter().map(group_names).collect::<Vec<_>>())
            .column("example", each)
            .column("effect", values.concat())
            .build()?;
        Ok(DataSet { summary, examples })
    }
}

/// Long names, cells that were not measured, and intervals that are not known.
pub fn wordy() -> Result<Table, TableError> {
    let names = ["embedding", "head_attention_value_output", "mlp_activation", "probe_of_my_own"];
    let roles = ["the_first_name_of_the_giver", "giver", "second_name", "place", "last", "14"];
    let mut cells: Vec<(&str, Option<i64>, Option<&str>)> = vec![];
    for (index, name) in names.into_iter().enumerate() {
        for layer in 0..if index == 0 { 1 } else { 12 } {
            for role in roles {
                cells.push((name, (index > 0).then_some(layer), Some(role)));
            }
        }
    }
    cells.retain(|(name, layer, role)| {
        !(*name == names[3] && *layer < Some(3) && *role == Some("last"))
    });
    let mean = |index: usize| (index as f64 * 0.37).sin() * 0.5 * (index as f64 * 0.011).cos();
    let width = |index: usize| (!index.is_multiple_of(11)).then_some(0.2);
    let means: Vec<f64> = (0..cells.len()).map(mean).collect();
    let end = |sign: f64| -> Vec<Option<f64>> {
        (0..cells.len()).map(|index| width(index).map(|width| mean(index) + sign * width)).collect()
    };
    Table::builder()
        .column("component", cells.iter().map(|cell| cell.0).collect::<Vec<_>>())
        .column("layer", cells.iter().map(|cell| cell.1).collect::<Vec<_>>())
        .column("role", cells.iter().map(|cell| cell.2).collect::<Vec<_>>())
        .column("low", end(-1.0))
        .column("high", end(1.0))
        .column("mean", means)
        .build()
}

/// The columns that say where something was measured, each cell so many times.
fn places(cells: &[Cell], times: usize) -> vene_table::TableBuilder {
    let each = || cells.iter().flat_map(move |cell| std::iter::repeat_n(cell, times));
    Table::builder()
        .column("component", each().map(|cell| cell.component).collect::<Vec<_>>())
        .column("layer", each().map(|cell| cell.layer).collect::<Vec<_>>())
        .column("role", each().map(|cell| Some(cell.role)).collect::<Vec<_>>())
        .column("head", each().map(|cell| cell.head).collect::<Vec<_>>())
        .column("metric", each().map(|cell| cell.metric).collect::<Vec<_>>())
}
