//! Plans, and values beside them, that were made for another model of the same shape and tokenizer.

use anyhow::bail;
use vene::plan_file::PlanFileError;

/// The plan, or the plans, for this very model; where it is for another one and `is_meant` says so, for one of its shape. What says so
/// is asked for only where it matters, so that an option that changes nothing is none that was read.
///
/// # Errors
/// What is wrong with the plan, with the option where that would help.
pub fn plan<P>(
    own: Result<P, PlanFileError>,
    is_meant: impl FnOnce() -> bool,
    alike: impl FnOnce() -> Result<P, PlanFileError>,
) -> anyhow::Result<P> {
    match own {
        Ok(plan) => Ok(plan),
        Err(
            error @ (PlanFileError::AnotherModel { .. }
            | PlanFileError::ValuesOfAnotherModel { .. }),
        ) => match is_meant() {
            true => Ok(alike()?),
            false => bail!("{error} (--another-model)"),
        },
        Err(error) => Err(error.into()),
    }
}
