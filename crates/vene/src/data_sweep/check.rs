//! What is refused before anything is tokenized: what is missing, what is named twice, and what means nothing
//! together.

use vene_model::Module;

use super::{Control, DataSweepBuilder, DataSweepError, Direction, EffectType, Treatment};
use crate::error::SweepError;
use crate::sweep::{Method, SweepUnit};

impl DataSweepBuilder<'_> {
    /// Checks all that the rows have no part in.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(super) fn check(&self) -> Result<(), DataSweepError> {
        let treatment = self.treatment.name();
        if self.rows.is_empty() {
            return Err(DataSweepError::NoRows);
        }
        if self.components.is_empty() {
            return Err(SweepError::NoComponents.into());
        }
        if self.metrics.is_empty() {
            return Err(DataSweepError::NoMetrics);
        }
        if self.roles.is_empty() && self.unit != SweepUnit::Head {
            return Err(DataSweepError::NoRoles);
        }
        if let Some(role) = first_twice(&self.roles) {
            return Err(DataSweepError::RoleTwice { role: role.clone() });
        }
        self.check_lists()?;
        if self.window == 0 {
            return Err(DataSweepError::EmptyWindow);
        }
        if self.treatment.draws() == 0 {
            return Err(DataSweepError::NoDraws { treatment });
        }
        let (draws, most) = (self.treatment.draws(), Treatment::MOST_DRAWS);
        if draws > most {
            return Err(DataSweepError::ManyDraws { treatment, draws, most });
        }
        let reads_source = self.treatment.reads_source();
        if self.directions.contains(&Direction::Denoising) && !reads_source {
            return Err(DataSweepError::NoDenoising { treatment });
        }
        let foreign = |control: &&Control| !reads_source && **control != Control::SelfSwap;
        if let Some(control) = self.controls.iter().find(foreign) {
            return Err(DataSweepError::NoControl { control: control.name(), treatment });
        }
        self.check_restore()?;
        for &component in &self.components {
            if self.effect == EffectType::Direct
                && self.window > 1
                && component.module() == Module::Attention
            {
                return Err(DataSweepError::DirectWindow { component });
            }
            if component.is_pattern() && self.controls.contains(&Control::RandomDirection) {
                return Err(DataSweepError::NoRandom { component });
            }
        }
        if let Treatment::Other(Method::Mean) = self.treatment {
            return Err(SweepError::NoSource { method: "mean" }.into());
        }
        if matches!(self.treatment, Treatment::Mean { .. })
            && self.components.iter().any(|component| component.is_pattern())
        {
            return Err(DataSweepError::NoMean);
        }
        Ok(())
    }

    /// Refuses empty lists, which would end as a table without a row, and what would be in it twice.
    fn check_lists(&self) -> Result<(), DataSweepError> {
        let empty = [
            ("a direction", self.directions.is_empty()),
            ("layers", self.layers.as_ref().is_some_and(Vec::is_empty)),
            ("heads", self.heads.as_ref().is_some_and(Vec::is_empty)),
        ];
        if let Some((what, _)) = empty.into_iter().find(|(_, is_empty)| *is_empty) {
            return Err(DataSweepError::Empty { what });
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
            ("metric", names(self.metrics.iter().map(|metric| metric.name()))),
            ("control", names(self.controls.iter().map(|control| control.name()))),
        ];
        for (what, list) in lists {
            if let Some(name) = first_twice(&list) {
                return Err(DataSweepError::Twice { what, name: name.clone() });
            }
        }
        Ok(())
    }

    /// Refuses what needs a run without noise for its base.
    fn check_restore(&self) -> Result<(), DataSweepError> {
        let Treatment::Restore { .. } = self.treatment else { return Ok(()) };
        if self.controls.contains(&Control::SelfSwap) {
            return Err(DataSweepError::NoSelfSwap);
        }
        match self.effect {
            EffectType::Direct => Err(DataSweepError::NoDirect),
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
