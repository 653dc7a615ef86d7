//! How many sessions match a filter: counted once, and again when there are other sessions.
//!
//! Never for a filter by status, which changes with every turn.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::sessions::{self, Filter, SessionOverview};
use super::{Store, StoreError};

/// Most filters that are remembered.
const MOST: usize = 1_024;

/// Totals with the version of the set that they were counted in.
#[derive(Default)]
pub struct Totals(Mutex<HashMap<Filter, (u64, u64)>>);

impl Totals {
    fn get(&self, filter: &Filter, version: u64) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, total) = known.get(filter)?;
        (*at == version).then_some(*total)
    }

    fn put(&self, filter: Filter, version: u64, total: u64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(filter, (version, total));
    }
}

impl Store {
    /// One page of sessions with what a list shows of each, and the number of all that match.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_page(
        &self,
        filter: Filter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<SessionOverview>, u64), StoreError> {
        let stays = filter.statuses.is_empty() && filter.missions.is_empty();
        let version = self.inner.versions.members();
        let known = stays.then(|| self.inner.totals.get(&filter, version));
        let known = known.flatten();
        let asked = filter.clone();
        let (page, total) = self
            .read(move |conn| match known {
                Some(total) => Ok((sessions::page(conn, &asked, offset, limit)?, total)),
                None => sessions::overviews(conn, &asked, offset, limit),
            })
            .await?;
        if stays && known.is_none() {
            self.inner.totals.put(filter, version, total);
        }
        Ok((page, total))
    }
}
