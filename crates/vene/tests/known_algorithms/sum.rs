//! The modules of the example `running_sum`.

#[path = "../../examples/running_sum/interchange.rs"]
pub mod interchange;
#[path = "../../examples/running_sum/recurrent.rs"]
pub mod recurrent;

use super::learner;
