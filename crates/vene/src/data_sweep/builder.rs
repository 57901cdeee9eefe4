//! Declaring a sweep over a data set.

use std::collections::BTreeMap;
use std::sync::Arc;

use vene_model::{BeginningOfSequence, Component, Outline, Site};

use super::partners::needs_equal_lengths;
use super::{Control, DataCell, DataSweep, DataSweepError, Direction, EffectType, Treatment};
use crate::data::{Reason, Requirements, Role, Row, prepare};
use crate::error::PlanError;
use crate::metric::{LOGIT_DIFFERENCE, Meter, Metric};
use crate::sweep::{SweepUnit, places};

/// Declares a sweep over a data set; nothing is checked before [`DataSweepBuilder::build`].
#[derive(Clone)]
pub struct DataSweepBuilder<'a> {
    pub(super) outline: &'a Outline,
    pub(super) rows: &'a [Row],
    pub(super) bos: BeginningOfSequence,
    pub(super) components: Vec<Component>,
    pub(super) layers: Option<Vec<usize>>,
    pub(super) heads: Option<Vec<usize>>,
    pub(super) roles: Vec<Role>,
    pub(super) unit: SweepUnit,
    pub(super) treatment: Treatment,
    pub(super) directions: Vec<Direction>,
    pub(super) window: usize,
    pub(super) effect: EffectType,
    pub(super) metrics: Vec<Arc<dyn Metric>>,
    pub(super) controls: Vec<Control>,
    pub(super) seed: u64,
    pub(super) first_tokens: bool,
    pub(super) distinct_roles: bool,
}

impl<'a> DataSweepBuilder<'a> {
    pub(super) fn new(outline: &'a Outline) -> Self {
        Self {
            outline,
            rows: &[],
            bos: BeginningOfSequence::Model,
            components: Vec::new(),
            layers: None,
            heads: None,
            roles: vec![Role::Last],
            unit: SweepUnit::Position,
            treatment: Treatment::Interchange,
            directions: vec![Direction::Noising],
            window: 1,
            effect: EffectType::Total,
            metrics: vec![Arc::new(LOGIT_DIFFERENCE)],
            controls: Vec::new(),
            seed: 0,
            first_tokens: false,
            distinct_roles: false,
        }
    }

    /// The data set.
    #[must_use]
    pub fn rows(mut self, rows: &'a [Row]) -> Self {
        self.rows = rows;
        self
    }

    /// Whether texts begin with a beginning-of-sequence token; by the model's own rule unless told.
    #[must_use]
    pub fn bos(mut self, bos: BeginningOfSequence) -> Self {
        self.bos = bos;
        self
    }

    /// What is edited.
    #[must_use]
    pub fn components(mut self, components: impl IntoIterator<Item = Component>) -> Self {
        self.components = components.into_iter().collect();
        self
    }

    /// In which layers; in all unless told.
    #[must_use]
    pub fn layers(mut self, layers: impl IntoIterator<Item = usize>) -> Self {
        self.layers = Some(layers.into_iter().collect());
        self
    }

    /// In which heads, where the unit is one of heads; in all unless told.
    #[must_use]
    pub fn heads(mut self, heads: impl IntoIterator<Item = usize>) -> Self {
        self.heads = Some(heads.into_iter().collect());
        self
    }

    /// At which positions; at the last one unless told. With the unit `h` all positions are edited
    /// at once, and roles are not looked at.
    #[must_use]
    pub fn roles(mut self, roles: impl IntoIterator<Item = Role>) -> Self {
        self.roles = roles.into_iter().collect();
        self
    }

    /// What is edited at once; a position unless told.
    #[must_use]
    pub fn unit(mut self, unit: SweepUnit) -> Self {
        self.unit = unit;
        self
    }

    /// What is done; interchange unless told.
    #[must_use]
    pub fn treatment(mut self, treatment: Treatment) -> Self {
        self.treatment = treatment;
        self
    }

    /// Which run is edited; the base's (noising) unless told.
    #[must_use]
    pub fn directions(mut self, directions: impl IntoIterator<Item = Direction>) -> Self {
        self.directions = directions.into_iter().collect();
        self
    }

    /// How many adjacent layers are edited at once, around the cell's. Default: 1. Of an even number one more lies
    /// before the cell's layer than after it.
    #[must_use]
    pub fn window(mut self, layers: usize) -> Self {
        self.window = layers;
        self
    }

    /// What effects go through; everything unless told.
    #[must_use]
    pub fn effect(mut self, effect: EffectType) -> Self {
        self.effect = effect;
        self
    }

    /// What is measured: built-in metrics, closures, types of one's own ([`metric`](crate::metric)). Default: the
    /// logit difference.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Arc<dyn Metric>>) -> Self {
        self.metrics = metrics.into_iter().collect();
        self
    }

    /// Maps beside the first, of what should not matter.
    #[must_use]
    pub fn controls(mut self, controls: impl IntoIterator<Item = Control>) -> Self {
        self.controls = controls.into_iter().collect();
        self
    }

    /// What random draws depend on.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether an answer's first token stands for it: cheaper, and what much of the literature does.
    /// Unless told, an answer of several tokens is a sequence, each token read behind those before it.
    #[must_use]
    pub fn first_tokens(mut self, first: bool) -> Self {
        self.first_tokens = first;
        self
    }

    /// Whether rows are left out in which two of the roles are the same token, such as the first and the
    /// last of a phrase of one. Unless told, they are kept, and the preflight tells how many there are.
    #[must_use]
    pub fn distinct_roles(mut self, distinct: bool) -> Self {
        self.distinct_roles = distinct;
        self
    }

    /// Checks everything; rows that cannot be used are left out and listed. No weight is read.
    ///
    /// # Errors
    /// Whatever is wrong or missing: see [`DataSweepError`].
    pub fn build(mut self) -> Result<DataSweep, DataSweepError> {
        self.check()?;
        if let (SweepUnit::Head, Treatment::Mean { per_position }) =
            (self.unit, &mut self.treatment)
        {
            // All positions are written at once, and their roles are not looked at.
            *per_position = false;
        }
        let roles = if self.unit == SweepUnit::Head { Vec::new() } else { self.roles.clone() };
        let mut found_roles = roles.clone();
        if let Treatment::Restore { corrupted, .. } = &self.treatment {
            found_roles.push(corrupted.clone());
        }
        let reads_source = self.treatment.reads_source();
        let meter = Meter::new(self.metrics.clone(), self.outline.config().vocabulary);
        let read: Vec<Role> = meter.sites().iter().map(|site| site.position.clone()).collect();
        let requirements = Requirements {
            bos: self.bos,
            roles: &found_roles,
            read: &read,
            distinct_roles: if self.distinct_roles { roles.len() } else { 0 },
            reads_source,
            same_length: needs_equal_lengths(self.unit, self.components.iter().copied())
                && reads_source,
            needs_target: true,
            needs_foil: meter.reads().needs_foil(),
            needs_single_tokens: meter.reads().needs_single_tokens(),
            first_tokens: self.first_tokens,
        };
        let (rows, left_out) = prepare(self.outline, self.rows, &requirements);
        let mut sweep = DataSweep {
            cells: self.cells(roles.len())?,
            rows,
            left_out,
            roles,
            unit: self.unit,
            treatment: self.treatment,
            directions: self.directions,
            window: self.window,
            effect: self.effect,
            meter,
            controls: self.controls,
            seed: self.seed,
            first_tokens: self.first_tokens,
            distinct_roles: self.distinct_roles,
        };
        sweep.refuse_none_usable()?;
        sweep.leave_out_unusable(self.outline)?;
        super::batch::check(&sweep, self.outline)?;
        Ok(sweep)
    }

    fn cells(&self, roles: usize) -> Result<Vec<DataCell>, DataSweepError> {
        let config = self.outline.config();
        let roles: Vec<Option<usize>> = match self.unit {
            SweepUnit::Head => vec![None],
            _ => (0..roles).map(Some).collect(),
        };
        let mut cells = Vec::new();
        for (component, layer) in places::of(&self.components, self.layers.as_deref(), config) {
            // A window cut at the model's ends would have none of the layers past them, and edit nothing.
            Site::new(component, layer, config).map_err(PlanError::from)?;
            for &role in &roles {
                for head in places::heads(self.unit, component, self.heads.as_deref(), config)? {
                    cells.push(DataCell { component, layer, role, head });
                }
            }
        }
        Ok(cells)
    }
}

impl DataSweep {
    /// Leaves out rows that cannot be run with the others, until all can. Without one of them another
    /// may have too few to draw from.
    fn leave_out_unusable(&mut self, outline: &Outline) -> Result<(), DataSweepError> {
        loop {
            let mut reasons: BTreeMap<usize, Reason> = BTreeMap::new();
            for (row, reason) in super::batch::unusable(self, outline)? {
                reasons.entry(row).or_insert(reason);
            }
            if reasons.is_empty() {
                return Ok(());
            }
            let mut index = 0;
            let (rows, left_out) = (&mut self.rows, &mut self.left_out);
            rows.retain(|row| {
                let reason = reasons.remove(&index);
                index += 1;
                let stays = reason.is_none();
                left_out.extend(reason.map(|reason| row.left_out(reason)));
                stays
            });
            self.refuse_none_usable()?;
        }
    }

    fn refuse_none_usable(&self) -> Result<(), DataSweepError> {
        match (self.rows.is_empty(), self.left_out.first()) {
            (true, Some(first)) => Err(DataSweepError::NoneUsable {
                rows: self.left_out.len(),
                first: first.name(),
                reason: Box::new(first.reason.clone()),
            }),
            _ => Ok(()),
        }
    }
}
