//! Flags of `backup` and `restore`.
//!
//! Never a flag that overwrites what is there without keeping it.

use std::path::PathBuf;

use clap::Args;

/// `backup`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard backup /backups/today
  callboard backup --data-dir /var/lib/callboard --without-keys /backups/today

The server may run: what is written is one moment of it. The keys are written too (0600), because
without them stored secrets cannot be opened; --without-keys leaves them out, and whoever restores
puts them into DATA_DIR/keys. Output logs of agents are not part of a backup, their events are.
The directory is there only when everything is in it and on the disk.")]
pub struct BackupArgs {
    /// Directory to make; it must not be there, or be empty
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// Leave the keys out
    #[arg(long)]
    pub without_keys: bool,
    /// Where the server on this machine keeps its data [default: ~/.callboard]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Its settings file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `restore`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  callboard restore /backups/today --data-dir /var/lib/callboard
  callboard restore /backups/today --data-dir /var/lib/callboard --force
  callboard restore /backups/today --data-dir ~/.callboard --config new.toml

Everything is checked before anything is written. A directory that holds something is refused;
--force puts it aside, as DIR.before-TIME; a database outside of it has to be empty, with --force too:
make a new one and name it in the settings. A server that runs there is refused in any case. Cursors of
readers end with `epoch_changed`, because what came after the backup is gone; the next start of the
server says what became of agents that ran.")]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// Data directory to make
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Settings file; it says which database
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Put aside what the data directory holds
    #[arg(long)]
    pub force: bool,
}
