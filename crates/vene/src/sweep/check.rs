//! What is refused before anything is tokenized: what is missing, what is named twice, and what means nothing
//! together.

use vene_data::Row;
use vene_model::Module;

use super::{Control, Direction, EffectType, Method, SweepBuilder, SweepUnit, positions};
use crate::sweep::SweepError;

impl SweepBuilder<'_> {
    /// Checks all that the rows have no part in.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check(&self) -> Result<(), SweepError> {
        let method = self.method.name();
        match self.rows {
            Some(rows) => self.check_rows(rows)?,
            None => self.check_pair()?,
        }
        self.check_lists()?;
        if self.window == 0 {
            return Err(SweepError::EmptyWindow);
        }
        if self.method.draws() == 0 {
            return Err(SweepError::NoDraws { method });
        }
        let (draws, most) = (self.method.draws(), Method::MOST_DRAWS);
        if draws > most {
            return Err(SweepError::ManyDraws { method, draws, most });
        }
        let reads_source = self.method.reads_source();
        if self.directions.contains(&Direction::Denoising) && !reads_source {
            return Err(SweepError::NoDenoising { method });
        }
        let foreign = |control: &&Control| !reads_source && **control != Control::SelfSwap;
        if let Some(control) = self.controls.iter().find(foreign) {
            return Err(SweepError::NoControl { control: control.name(), method });
        }
        self.check_restore()?;
        for &component in &self.components {
            if self.effect == EffectType::Direct
                && self.window > 1
                && component.module() == Module::Attention
            {
                return Err(SweepError::DirectWindow { component });
            }
            if component.is_pattern() && self.controls.contains(&Control::RandomDirection) {
                return Err(SweepError::NoRandom { component });
            }
        }
        if matches!(self.method, Method::MeanAblation { .. })
            && self.components.iter().any(|component| component.is_pattern())
        {
            return Err(SweepError::NoMean);
        }
        Ok(())
    }

    /// Checks what many rows need.
    fn check_rows(&self, rows: &[Row]) -> Result<(), SweepError> {
        if rows.is_empty() {
            return Err(SweepError::NoRows);
        }
        if let Some(what) = self.pair.what() {
            return Err(SweepError::PairAndRows { what });
        }
        if self.components.is_empty() {
            return Err(SweepError::NoComponents);
        }
        if self.measured().is_empty() {
            return Err(SweepError::NoMetrics);
        }
        let roles = positions::roles(&self.swept_positions())?;
        if roles.is_empty() && self.unit != SweepUnit::Head {
            return Err(SweepError::NoRoles);
        }
        if let Some(role) = first_twice(&roles) {
            return Err(SweepError::RoleTwice { role: role.clone() });
        }
        if let Method::Mean = self.method {
            return Err(SweepError::MeanOfRows);
        }
        Ok(())
    }

    /// Refuses empty lists, which would end as a table without a row, and what would be in it twice.
    fn check_lists(&self) -> Result<(), SweepError> {
        let empty = [
            ("a direction", self.directions.is_empty()),
            ("layers", self.layers.as_ref().is_some_and(Vec::is_empty)),
            ("heads", self.heads.as_ref().is_some_and(Vec::is_empty)),
        ];
        if let Some((what, _)) = empty.into_iter().find(|(_, is_empty)| *is_empty) {
            return Err(SweepError::Empty { what });
        }
        let numbers = |numbers: &Option<Vec<usize>>| -> Vec<String> {
            numbers.iter().flatten().map(usize::to_string).collect()
        };
        fn names<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
            names.map(str::to_owned).collect()
        }
        let lists = [
            ("component", names(self.components.iter().map(|component| component.name()))),
            ("layer", numbers(&self.layers)),
            ("head", numbers(&self.heads)),
            ("direction", names(self.directions.iter().map(|direction| direction.name()))),
            ("metric", names(self.measured().iter().map(|metric| metric.name()))),
            ("control", names(self.controls.iter().map(|control| control.name()))),
        ];
        for (what, list) in lists {
            if let Some(name) = first_twice(&list) {
                return Err(SweepError::Twice { what, name: name.clone() });
            }
        }
        Ok(())
    }

    /// Refuses what needs a run without noise for its base.
    fn check_restore(&self) -> Result<(), SweepError> {
        let Method::Restore { .. } = self.method else { return Ok(()) };
        if self.controls.contains(&Control::SelfSwap) {
            return Err(SweepError::NoSelfSwap);
        }
        match self.effect {
            EffectType::Direct => Err(SweepError::NoDirect),
            EffectType::Total => Ok(()),
        }
    }
}

/// The first that stands in a list before.
fn first_twice<T: PartialEq>(list: &[T]) -> Option<&T> {
    list.iter()
        .enumerate()
        .find(|(index, item)| list[..*index].contains(item))
        .map(|(_, item)| item)
}
