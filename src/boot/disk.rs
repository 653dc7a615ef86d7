//! The looks of the disk guard.
//!
//! Never a decision: what little room means is the floor below's.

use std::path::PathBuf;

use crate::app::App;
use crate::config::Config;
use crate::domain::Space;
use crate::process::disk::space;

/// Looks again and again, at once when the database found no room.
pub async fn guard(app: App) {
    let mut looks = tokio::time::interval(app.config().disk.check_every);
    loop {
        tokio::select! {
            _look = looks.tick() => {}
            () = app.database_full() => {}
        }
        let places = places(app.config());
        let looked = tokio::task::spawn_blocking(move || spaces(&places));
        match looked.await {
            Ok(spaces) => app.look_at_disks(spaces),
            Err(error) => tracing::warn!(%error, "nobody looked at the disk"),
        }
    }
}

/// Where the server writes: its data directory, and the directory of an embedded database elsewhere.
fn places(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let mut places = vec![("data", config.data_dir.clone())];
    let file = config.database_path();
    let parent = file.and_then(|file| Some(file.parent()?.to_owned()));
    let elsewhere = parent.filter(|parent| *parent != config.data_dir);
    places.extend(elsewhere.map(|parent| ("database", parent)));
    places
}

/// The room at each, where it can be told.
fn spaces(places: &[(&'static str, PathBuf)]) -> Vec<(&'static str, Space)> {
    let looks = places.iter().filter_map(|(name, place)| {
        let found = space(place);
        if let Err(error) = &found {
            tracing::debug!(%error, place = %place.display(), "the room on a disk is not known");
        }
        Some((*name, found.ok()?))
    });
    looks.collect()
}
