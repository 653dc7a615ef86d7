pub mod supervision;
