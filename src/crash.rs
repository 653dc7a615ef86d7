//! Places where a test ends, holds up or panics the server, by name: `FAILPOINTS="name=action"` at
//! its start, or a file `failpoints` in the data directory of a running one, a `name=action` a line.
//! `1*return` ends the process as SIGKILL would, `1*panic` panics once, `sleep(ms)` holds it up,
//! `3*off->panic` waits for the fourth time.
//!
//! The file `clock` there sets the wall clock off by so many milliseconds, in the same way.
//!
//! Never code of a normal build: without the feature `failpoints` a point is nothing, and no file is
//! read.

/// Goes through the point of this name.
#[inline]
pub fn point(name: &str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(name, |_| std::process::abort());
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}

/// The same for a name that is put together: only where there are points.
#[inline]
pub fn point_of(name: impl FnOnce() -> String) {
    #[cfg(feature = "failpoints")]
    point(&name());
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}

/// By how much the wall clock is off, in milliseconds: nothing but in tests.
#[inline]
#[must_use]
pub fn wall_offset_ms() -> i64 {
    #[cfg(feature = "failpoints")]
    return CLOCK.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(feature = "failpoints"))]
    0
}

#[cfg(feature = "failpoints")]
static CLOCK: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);

/// Sets the clock off as a file says, and takes the file away.
#[cfg(feature = "failpoints")]
fn set_clock(file: &std::path::Path) {
    let Some(ms) = std::fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse().ok())
    else {
        return;
    };
    CLOCK.store(ms, std::sync::atomic::Ordering::Relaxed);
    tracing::debug!(ms, "the clock is set off");
    if let Err(error) = std::fs::remove_file(file) {
        tracing::error!(%error, "the file of the clock cannot be taken away");
    }
}

/// Sets the points that the environment names, for as long as the answer is held.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn from_environment() -> impl Sized {
    fail::FailScenario::setup()
}

/// Sets the points that the file in this directory names, and no others, whenever there is one. It
/// is taken away when they are set: whoever puts it there waits for that.
#[cfg(feature = "failpoints")]
pub async fn follow(dir: std::path::PathBuf) {
    let file = dir.join("failpoints");
    let clock = dir.join("clock");
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
    loop {
        looks.tick().await;
        set_clock(&clock);
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for (name, _) in fail::list() {
            fail::remove(name);
        }
        for (name, action) in text.lines().filter_map(|line| line.split_once('=')) {
            if let Err(error) = fail::cfg(name, action) {
                tracing::error!(name, action, error, "a point cannot be set");
            }
        }
        tracing::debug!(points = text, "the points are set");
        if let Err(error) = std::fs::remove_file(&file) {
            tracing::error!(%error, "the file of the points cannot be taken away");
        }
    }
}
