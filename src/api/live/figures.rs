//! What the machine does, to a connection that wants to know: the last figures, about once a second.
//!
//! Never a figure that waits behind another: who reads slowly is told fewer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::app::{App, Caller};

use super::dialect::Dialect;
use super::outbox::Outbox;

/// Whether a connection is told. Ends with it.
#[derive(Default)]
pub struct Figures {
    /// Which telling goes on; 0: none.
    on: watch::Sender<u64>,
    last: AtomicU64,
}

impl Figures {
    /// Begins, unless it goes on already.
    pub fn begin<D: Dialect>(&self, app: &App, dialect: &Arc<D>, outbox: &Arc<Outbox>) {
        if *self.on.borrow() != 0 {
            return;
        }
        let own = self.last.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.on.send_replace(own);
        let mut on = self.on.subscribe();
        let (app, dialect, outbox) = (app.clone(), Arc::clone(dialect), Arc::clone(outbox));
        let told = Arc::clone(&outbox);
        outbox.serve(Caller::carry(async move {
            tokio::select! {
                () = tell(app, dialect, told) => {}
                // Also when the connection's session is gone.
                _ = on.wait_for(|now| *now != own) => {}
            }
        }));
    }

    /// Ends, if it goes on.
    pub fn end(&self) {
        self.on.send_replace(0);
    }
}

async fn tell<D: Dialect>(app: App, dialect: Arc<D>, outbox: Arc<Outbox>) {
    let mut watched = app.watch_machine();
    loop {
        let machine = watched.next().await;
        let Some(frame) = dialect.figures(&machine) else {
            return;
        };
        if !outbox.wait_room().await || !outbox.push(frame) {
            return;
        }
    }
}
