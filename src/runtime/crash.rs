//! Places where a test may end or stop the server: `FAILPOINTS="name=1*return"` ends the process
//! there as SIGKILL would, `name=sleep(ms)` holds it up, `3*off->return` waits for the fourth time.
//!
//! Never code of a normal build: without the feature `failpoints` a point is nothing.

/// Goes through the point of this name.
#[inline]
pub(super) fn point(name: &str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(name, |_| std::process::abort());
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}
