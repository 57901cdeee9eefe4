//! From the examples' table to one row a cell: means with intervals, and what they are worth.
//!
//! A summary is made of the table alone, whoever wrote it: of one run, of a run that was taken up
//! again, or of several that were joined.

use std::collections::HashMap;

use vene_table::{Column, Kind, Table};

use super::table::{self, SETTINGS, place_columns};
use crate::error::SweepError;
use crate::statistics::{self, Bootstrap, Clusters, Correction, Estimate, Ratio};

/// How examples are summarised.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How intervals are drawn.
    pub bootstrap: Bootstrap,
    /// How p-values are adjusted for the number of cells of a map.
    pub correction: Correction,
    /// The data set's rows that are for discovery; all others are for evaluation, and each half has a
    /// summary of its own. One summary of all rows where there is no split.
    pub discovery: Option<Vec<usize>>,
}

/// Mean effects smaller than so many times the noise floor, or than the spacing of 32-bit floats of the
/// metric's size, are marked.
const RESOLVED: f64 = 5.0;

/// What cells are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    direction: String,
    control: String,
    metric: String,
    /// As text, in the order of [`place_columns`].
    place: Vec<Option<String>>,
}

/// The examples' table, column by column.
struct Examples {
    /// For each cell the rows of the table.
    cells: Vec<(Key, Vec<usize>)>,
    /// The data set's rows that occur, ascending.
    examples: Vec<i64>,
    groups: Vec<Option<String>>,
    /// For each row of the table the place of its example.
    of_row: Vec<usize>,
    effect: Vec<f64>,
    base: Vec<f64>,
    /// source − base.
    whole: Vec<f64>,
    change: Vec<f64>,
    unchanged: Vec<bool>,
}

impl Summary {
    /// The summary's table: a row for each cell and metric of each map, direction and split.
    ///
    /// # Errors
    /// Where the table is no examples' table, or the bootstrap's options are none.
    pub fn of(&self, examples: &Table) -> Result<Table, SweepError> {
        let read = Examples::read(examples)?;
        let noise = table::noise_floor(examples);
        let splits: Vec<(&str, Vec<bool>)> = match &self.discovery {
            None => vec![("all", vec![true; read.examples.len()])],
            Some(discovery) => {
                let found = |example: &i64| discovery.iter().any(|&row| row as i64 == *example);
                let found: Vec<bool> = read.examples.iter().map(found).collect();
                let rest = found.iter().map(|found| !found).collect();
                vec![("discovery", found), ("evaluation", rest)]
            }
        };
        let mut lines = Vec::new();
        for (split, chosen) in splits {
            lines.extend(self.lines(&read, split, &chosen)?);
        }
        Ok(self.table(&lines, examples, &noise)?)
    }

    /// One split's lines.
    fn lines<'e>(
        &self,
        read: &'e Examples,
        split: &'static str,
        chosen: &[bool],
    ) -> Result<Vec<Line<'e>>, SweepError> {
        let groups = read.groups.iter().zip(chosen).filter(|(_, chosen)| **chosen);
        let clusters = Clusters::of(groups.map(|(group, _)| group.as_ref()));
        let places: Vec<Option<usize>> = chosen
            .iter()
            .scan(0, |next, &chosen| {
                let place = chosen.then_some(*next);
                *next += usize::from(chosen);
                Some(place)
            })
            .collect();
        let matrix = |values: &[f64]| -> Vec<Vec<f64>> {
            let of_cell = |(_, rows): &(Key, Vec<usize>)| {
                let mut of_examples = vec![f64::NAN; clusters.observations()];
                for &row in rows {
                    if let Some(place) = places[read.of_row[row]] {
                        of_examples[place] = values[row];
                    }
                }
                of_examples
            };
            read.cells.iter().map(of_cell).collect()
        };
        let effects = matrix(&read.effect);
        let estimates = statistics::means(&effects, &clusters, &self.bootstrap)?;
        let ratios = statistics::ratios_of_means(
            &effects,
            &matrix(&read.whole),
            &clusters,
            &self.bootstrap,
        )?;
        let adjusted = self.adjusted(read, &estimates);
        let each = read.cells.iter().zip(estimates).zip(ratios).zip(adjusted);
        Ok(each
            .map(|((((key, rows), estimate), ratio), adjusted)| {
                let here = || rows.iter().filter(|&&row| chosen[read.of_row[row]]);
                let count = here().count().max(1) as f64;
                Line {
                    split,
                    key,
                    estimate,
                    ratio,
                    adjusted,
                    base: here().map(|&row| read.base[row]).sum::<f64>() / count,
                    size: here().map(|&row| read.base[row].abs()).sum::<f64>() / count,
                    change: here().map(|&row| read.change[row]).sum::<f64>() / count,
                    unchanged: here().filter(|&&row| read.unchanged[row]).count(),
                }
            })
            .collect())
    }

    /// p-values adjusted for the number of cells of the same map and metric.
    fn adjusted(&self, read: &Examples, estimates: &[Estimate]) -> Vec<Option<f64>> {
        let family = |key: &Key| (key.direction.clone(), key.control.clone(), key.metric.clone());
        let mut families: HashMap<_, Vec<usize>> = HashMap::new();
        for (cell, (key, _)) in read.cells.iter().enumerate() {
            families.entry(family(key)).or_default().push(cell);
        }
        let mut adjusted = vec![None; estimates.len()];
        for cells in families.values() {
            let p_values: Vec<_> = cells.iter().map(|&cell| estimates[cell].p_value).collect();
            for (&cell, value) in cells.iter().zip(self.correction.adjust(&p_values)) {
                adjusted[cell] = value;
            }
        }
        adjusted
    }

    fn table(
        &self,
        lines: &[Line<'_>],
        examples: &Table,
        noise: &HashMap<String, f64>,
    ) -> Result<Table, vene_table::TableError> {
        let text = |of: fn(&Key) -> &String| -> Vec<String> {
            lines.iter().map(|line| of(line.key).clone()).collect()
        };
        let float = |of: &dyn Fn(&Line<'_>) -> Option<f64>| -> Vec<Option<f64>> {
            lines.iter().map(of).collect()
        };
        let low = |of: Option<statistics::Interval>| of.map(|interval| interval.low);
        let high = |of: Option<statistics::Interval>| of.map(|interval| interval.high);
        let note = |line: &Line<'_>| {
            let floor = noise.get(&line.key.metric).copied().unwrap_or_default();
            let floor = floor.max(f64::from(f32::EPSILON) * line.size);
            let mean = line.estimate.mean?;
            (mean.abs() < RESOLVED * floor).then_some("unresolved")
        };
        let mut summary = Table::builder();
        for (place, name) in place_columns(examples).into_iter().enumerate() {
            let of_lines = lines.iter().map(|line| &line.key.place[place]);
            summary = summary.column(name, of_kind(examples.column(name)?.kind(), of_lines));
        }
        let mut summary = summary
            .column("metric", text(|key| &key.metric))
            .column("mean", float(&|line| line.estimate.mean))
            .column("low", float(&|line| low(line.estimate.interval)))
            .column("high", float(&|line| high(line.estimate.interval)))
            .column("n", lines.iter().map(|line| line.estimate.n as i64).collect::<Vec<_>>())
            .column(
                "clusters",
                lines.iter().map(|line| line.estimate.clusters as i64).collect::<Vec<_>>(),
            )
            .column("sign_agreement", float(&|line| line.estimate.sign_agreement))
            .column("p_value", float(&|line| line.estimate.p_value))
            .column("adjusted_p_value", float(&|line| line.adjusted))
            .column("normalised", float(&|line| line.ratio.value()))
            .column("normalised_low", float(&|line| low(line.ratio.interval())))
            .column("normalised_high", float(&|line| high(line.ratio.interval())))
            .column("denominator", float(&|line| line.ratio.denominator.mean))
            .column("denominator_low", float(&|line| low(line.ratio.denominator.interval)))
            .column("denominator_high", float(&|line| high(line.ratio.denominator.interval)))
            .column("base", lines.iter().map(|line| line.base).collect::<Vec<f64>>())
            .column("change", lines.iter().map(|line| line.change).collect::<Vec<f64>>())
            .column("unchanged", lines.iter().map(|line| line.unchanged as i64).collect::<Vec<_>>())
            .column("note", lines.iter().map(note).collect::<Vec<Option<&str>>>())
            .column("split", lines.iter().map(|line| line.split).collect::<Vec<_>>())
            .column("direction", text(|key| &key.direction))
            .column("control", text(|key| &key.control));
        if let Some(places) = examples.metadata().get(table::PLACES) {
            summary = summary.metadata(table::PLACES, places.clone());
        }
        for name in SETTINGS {
            summary = match examples.column(name)? {
                vene_table::Column::Integer(values) => {
                    let value = values.first().copied().unwrap_or_default();
                    summary.column(name, vec![value; lines.len()])
                }
                _ => {
                    let value = examples.text(name)?.first().cloned().unwrap_or_default();
                    summary.column(name, vec![value; lines.len()])
                }
            };
        }
        let Bootstrap { resamples, level, seed } = self.bootstrap;
        summary
            .metadata("bootstrap", format!("{resamples} resamples, level {level}, seed {seed}"))
            .metadata("correction", self.correction.name())
            .build()
    }
}

/// A column's values as text, from which they can be read again.
fn texts_of(column: &Column) -> Result<Vec<Option<String>>, SweepError> {
    fn each<T: ToString>(values: &[T]) -> Vec<Option<String>> {
        values.iter().map(|value| Some(value.to_string())).collect()
    }
    fn some<T: ToString>(values: &[Option<T>]) -> Vec<Option<String>> {
        values.iter().map(|value| value.as_ref().map(ToString::to_string)).collect()
    }
    Ok(match column {
        Column::Text(values) => each(values),
        Column::OptionalText(values) => some(values),
        Column::Integer(values) => each(values),
        Column::OptionalInteger(values) => some(values),
        Column::Float(values) => each(values),
        Column::OptionalFloat(values) => some(values),
    })
}

/// Texts as a column of this kind.
fn of_kind<'t>(kind: Kind, texts: impl Iterator<Item = &'t Option<String>>) -> Column {
    fn parsed<'t, T: std::str::FromStr>(
        texts: impl Iterator<Item = &'t Option<String>>,
    ) -> Vec<Option<T>> {
        texts.map(|text| text.as_ref()?.parse().ok()).collect()
    }
    match kind {
        Kind::Text => {
            texts.map(|text| text.clone().unwrap_or_default()).collect::<Vec<String>>().into()
        }
        Kind::OptionalText => texts.cloned().collect::<Vec<Option<String>>>().into(),
        Kind::Integer | Kind::OptionalInteger => parsed::<i64>(texts).into(),
        Kind::Float | Kind::OptionalFloat => parsed::<f64>(texts).into(),
    }
}

/// A line of the summary.
struct Line<'e> {
    split: &'static str,
    key: &'e Key,
    estimate: Estimate,
    ratio: Ratio,
    adjusted: Option<f64>,
    /// The mean of the metric before any edit, and of its size.
    base: f64,
    size: f64,
    change: f64,
    unchanged: usize,
}

impl Examples {
    fn read(table: &Table) -> Result<Self, SweepError> {
        let places = place_columns(table).into_iter().map(|name| texts_of(table.column(name)?));
        let places = places.collect::<Result<Vec<_>, SweepError>>()?;
        let (direction, control) = (table.text("direction")?, table.text("control")?);
        let metric = table.text("metric")?;
        let of_example = table.integers("example")?;
        let mut examples = of_example.to_vec();
        examples.sort_unstable();
        examples.dedup();
        let of_row: Vec<usize> = of_example
            .iter()
            .map(|example| examples.binary_search(example).unwrap_or_default())
            .collect();
        let mut groups = vec![None; examples.len()];
        for (&place, group) in of_row.iter().zip(table.optional_text("group")?) {
            groups[place] = group.map(str::to_owned);
        }
        let mut cells: Vec<(Key, Vec<usize>)> = Vec::new();
        let mut known: HashMap<Key, usize> = HashMap::new();
        for row in 0..table.rows() {
            let key = Key {
                direction: direction[row].clone(),
                control: control[row].clone(),
                metric: metric[row].clone(),
                place: places.iter().map(|column| column[row].clone()).collect(),
            };
            let cell = *known.entry(key.clone()).or_insert_with(|| {
                cells.push((key, Vec::new()));
                cells.len() - 1
            });
            cells[cell].1.push(row);
        }
        let base = table.floats("base_value")?;
        let whole = table.optional_floats("source_value")?;
        let whole = whole.iter().zip(base).map(|(source, base)| source.unwrap_or(f64::NAN) - base);
        Ok(Self {
            cells,
            examples,
            groups,
            of_row,
            effect: table.floats("effect")?.to_vec(),
            base: base.to_vec(),
            whole: whole.collect(),
            change: table.floats("change")?.to_vec(),
            unchanged: table.optional_text("note")?.iter().map(is_unchanged).collect(),
        })
    }
}

/// Whether a note says that nothing was changed.
fn is_unchanged(note: &Option<&str>) -> bool {
    note.is_some_and(|note| note.starts_with("unchanged"))
}
