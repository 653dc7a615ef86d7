//! placeholder
use super::args::DemoArgs;
use super::failure::{Exit, Failure};
pub fn run(_args: &DemoArgs) -> Result<Exit, Failure> { Ok(Exit::Failed) }
