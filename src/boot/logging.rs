//! The log: one JSON object a line on stderr.
//!
//! Never prompt text above debug, never a secret. A line that cannot be written is lost and harms
//! nothing else: the disk behind stderr may be full.

use tracing_subscriber::EnvFilter;

use super::error::BootError;

/// Starts the log with a filter as RUST_LOG is written. A second start keeps the first.
///
/// # Errors
/// [`BootError::Log`] for a filter that cannot be read.
pub fn start(filter: &str) -> Result<(), BootError> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| BootError::Log {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let started = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(parsed)
        // Else it tells of a failed write on stderr with a macro that panics when that fails too.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
    Ok(())
}
