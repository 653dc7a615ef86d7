//! What the machine does, what missions cost, and how people sign in, as clients of the control door
//! see it.
//! Never a figure that nothing moved.

mod figures;

use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, answer, until};
