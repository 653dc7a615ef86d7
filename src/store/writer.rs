//! The one thread that writes: jobs in order, each in its own transaction.
//!
//! Never has more than a bounded number of jobs waiting, and never dies of one that panics.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::connection::{Role, transaction};
use super::{Connection, StoreError};

/// Jobs that may wait; the next one waits for a place.
const WAITING: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Handle of the thread.
pub struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on this connection.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(mut conn: Connection) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    job(&mut conn);
                }
            })
            .map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs one job and waits for its commit.
    pub async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, reply) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Nobody may be waiting any more; what is committed stays committed.
            let _unheard = answer.send(transaction(conn, Role::Writer, f));
        });
        let jobs = lock(&self.jobs).clone();
        let Some(jobs) = jobs else {
            return Err(StoreError::Closed);
        };
        if jobs.send(job).await.is_err() {
            return Err(StoreError::Closed);
        }
        drop(jobs);
        wait(reply).await
    }

    /// Takes no more jobs, lets the waiting ones finish and joins the thread. From the thread
    /// itself it only stops taking.
    pub fn close(&self) {
        drop(lock(&self.jobs).take());
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic of the thread has been reported by the panic hook.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In test builds the wait is a blocking task: a paused clock stands still while one runs, and
/// would otherwise run ahead of the disk.
#[cfg(any(test, feature = "failpoints"))]
async fn wait<T: Send + 'static>(
    reply: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(move || reply.blocking_recv()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(StoreError::Closed),
    }
}

#[cfg(not(any(test, feature = "failpoints")))]
async fn wait<T: Send + 'static>(
    reply: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    reply.await.unwrap_or(Err(StoreError::Closed))
}
