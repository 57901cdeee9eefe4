//! The cells of an examples' table: one place, map, direction and metric each, and the sums of their effects.

use std::collections::HashMap;

use vene_statistics::{ClusterSums, Clusters, RatioSums};
use vene_table::{Distinct, Kind, Table, TableSource};

use super::SweepError;
use super::examples::{Examples, Half};
use super::table::{SETTINGS, place_columns};

/// What cells are told apart by: numbers of [`Names`].
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub direction: u32,
    pub control: u32,
    pub metric: u32,
    /// In the order of [`place_columns`].
    pub place: Vec<u32>,
}

/// What the numbers of keys stand for.
#[derive(Default)]
pub(super) struct Names {
    pub directions: Distinct,
    pub controls: Distinct,
    pub metrics: Distinct,
    /// Each column of places with its name and kind.
    pub places: Vec<(String, Distinct, Kind)>,
}

/// What is kept of a cell's rows.
pub(super) struct CellSums {
    pub effect: ClusterSums,
    /// The effect over source − base.
    pub ratio: RatioSums,
    rows: usize,
    /// Sums over the rows: of the metric before any edit, of its size, of the change at the site.
    pub base: f64,
    pub size: f64,
    pub change: f64,
    /// Rows in which nothing changed.
    pub unchanged: usize,
    /// A bit for each observation that was added.
    added: Vec<u64>,
}

/// All cells, in the order in which they first occur.
pub(super) struct Cells {
    pub keys: Vec<Key>,
    /// `[cell][half]`.
    pub sums: Vec<Vec<CellSums>>,
    pub names: Names,
    /// The first row's value of each of [`SETTINGS`].
    pub settings: Vec<Distinct>,
}

/// The columns that are read beside places and settings.
const READ: [&str; 9] = [
    "direction",
    "control",
    "metric",
    "example",
    "effect",
    "base_value",
    "source_value",
    "change",
    "note",
];

impl Cells {
    /// Sums the cells of a table over the clusters of each half of its examples.
    pub fn read(
        table: &impl TableSource,
        examples: &Examples,
        halves: &[Half],
    ) -> Result<Self, SweepError> {
        let places = place_columns(table);
        let fields: HashMap<String, Kind> = table.fields().into_iter().collect();
        let named = |name: &&str| {
            let kind = fields.get(*name).copied().unwrap_or(Kind::OptionalText);
            ((*name).to_owned(), Distinct::default(), kind)
        };
        let names = Names { places: places.iter().map(named).collect(), ..Names::default() };
        let settings = vec![Distinct::default(); SETTINGS.len()];
        let mut cells = Self { keys: Vec::new(), sums: Vec::new(), names, settings };
        let columns: Vec<&str> = READ.into_iter().chain(places).chain(SETTINGS).collect();
        let mut known = HashMap::new();
        for chunk in table.chunks(Some(&columns))? {
            cells.add(&chunk?, &mut known, examples, halves)?;
        }
        Ok(cells)
    }

    /// Adds a chunk's rows.
    fn add(
        &mut self,
        chunk: &Table,
        known: &mut HashMap<Vec<u32>, usize>,
        examples: &Examples,
        halves: &[Half],
    ) -> Result<(), SweepError> {
        for (setting, name) in self.settings.iter_mut().zip(SETTINGS) {
            if setting.is_empty() {
                setting.number(chunk.slice(0, 1).column(name)?);
            }
        }
        let mut keys = Vec::new();
        for (name, names) in [
            ("direction", &mut self.names.directions),
            ("control", &mut self.names.controls),
            ("metric", &mut self.names.metrics),
        ] {
            chunk.words(name)?;
            keys.push(names.number(chunk.column(name)?));
        }
        for (name, names, _) in &mut self.names.places {
            keys.push(names.number(chunk.column(name)?));
        }
        let (effect, base) = (chunk.floats("effect")?, chunk.floats("base_value")?);
        let (source, change) = (chunk.optional_floats("source_value")?, chunk.floats("change")?);
        let note = chunk.words("note")?;
        let (mut place, mut last, mut key) = (0, None, Vec::new());
        for (row, &example) in chunk.integers("example")?.iter().enumerate() {
            if last != Some(example) {
                // All were read in the pass before; a file that changed since is no table of this sweep.
                let found = examples.place(example);
                place = found.ok_or(SweepError::Changed { example })?;
                last = Some(example);
            }
            key.clear();
            key.extend(keys.iter().map(|column| column[row]));
            let cell = match known.get(key.as_slice()) {
                Some(&cell) => cell,
                None => {
                    let cell = self.start(&key, halves);
                    known.insert(key.clone(), cell);
                    cell
                }
            };
            for (sums, half) in self.sums[cell].iter_mut().zip(halves) {
                let Some(observation) = half.observations[place] else { continue };
                let whole = source[row].unwrap_or(f64::NAN) - base[row];
                let values = Values {
                    effect: effect[row],
                    base: base[row],
                    whole,
                    change: change[row],
                    is_unchanged: note.get(row).is_some_and(|note| note.starts_with("unchanged")),
                };
                if !sums.add(&half.clusters, observation as usize, values) {
                    let place = self.in_words(cell);
                    return Err(SweepError::Repeated { example, place });
                }
            }
        }
        Ok(())
    }

    /// Starts a cell; its place among all.
    fn start(&mut self, key: &[u32], halves: &[Half]) -> usize {
        let (direction, control, metric) = (key[0], key[1], key[2]);
        self.keys.push(Key { direction, control, metric, place: key[3..].to_vec() });
        self.sums.push(halves.iter().map(|half| CellSums::new(&half.clusters)).collect());
        self.keys.len() - 1
    }

    /// The metric of a cell.
    pub fn metric_of(&self, key: &Key) -> String {
        self.names.metrics.value(key.metric).to_string()
    }

    /// A cell, for messages.
    fn in_words(&self, cell: usize) -> String {
        let key = &self.keys[cell];
        let places = self.names.places.iter().zip(&key.place);
        let places =
            places.map(|((name, values, _), number)| (name.as_str(), values.value(*number)));
        let others = [
            ("metric", self.names.metrics.value(key.metric)),
            ("direction", self.names.directions.value(key.direction)),
            ("control", self.names.controls.value(key.control)),
        ];
        let all = places.chain(others).filter(|(_, value)| *value != vene_table::Value::Missing);
        all.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    }
}

/// A row's numbers.
struct Values {
    effect: f64,
    base: f64,
    whole: f64,
    change: f64,
    is_unchanged: bool,
}

impl CellSums {
    fn new(clusters: &Clusters) -> Self {
        // What a sum of nothing is: adding to it changes no number.
        let nothing: f64 = std::iter::empty::<f64>().sum();
        Self {
            effect: ClusterSums::new(clusters),
            ratio: RatioSums::new(clusters),
            rows: 0,
            base: nothing,
            size: nothing,
            change: nothing,
            unchanged: 0,
            added: vec![0; clusters.observations().div_ceil(64)],
        }
    }

    /// Adds an observation; whether it is the first time.
    fn add(&mut self, clusters: &Clusters, observation: usize, values: Values) -> bool {
        let (word, bit) = (observation / 64, 1_u64 << (observation % 64));
        if self.added[word] & bit != 0 {
            return false;
        }
        self.added[word] |= bit;
        let Values { effect, base, whole, change, is_unchanged } = values;
        self.effect.add(clusters, observation, effect);
        self.ratio.add(clusters, observation, effect, whole);
        self.rows += 1;
        self.base += base;
        self.size += base.abs();
        self.change += change;
        self.unchanged += usize::from(is_unchanged);
        true
    }

    /// One of the sums, by the number of rows.
    pub fn mean_of(&self, sum: f64) -> f64 {
        sum / self.rows.max(1) as f64
    }
}
