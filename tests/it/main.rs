//! Tests of whole parts with real processes. Never skipped silently: a missing means fails.

mod script_player;
mod shell_rc;
