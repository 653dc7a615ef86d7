//! The one thread that writes: jobs in order, each in its own transaction.
//!
//! Never has more than a bounded number of jobs waiting nor one that waits for long, never dies of one
//! that panics, and never repeats one: what became of a commit whose answer was lost is asked for.

use std::pin::pin;
use std::sync::mpsc as threads;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Opener, Outcome, Role, begin, complete, lost};
use super::turnstile::{Place, Turnstile};
use super::version::Versions;
use super::{Connection, StoreError, postgres, sqlite};

/// Jobs that may wait; the next one waits for a place.
const WAITING: usize = 256;

/// Without a connection: how often the waiting jobs are answered, and after how many of these looks
/// the database is tried again, at first and at most.
const LOOK: Duration = Duration::from_millis(25);
const TRIES: (u32, u32) = (2, 40);

/// Longest wait of a closing store for the write that runs.
const GOODBYE: Duration = Duration::from_secs(10);

/// One piece of work. It gets the connection with its transaction begun, or why there is none.
type Work = Box<dyn FnOnce(Result<&mut Connection, StoreError>) -> Option<Doubt> + Send>;

/// The same in line: who asked may have given up by then.
struct Job {
    place: Arc<Place>,
    work: Work,
}

/// A commit whose answer was lost, and who waits for it. It is told whether the commit was kept;
/// `None`: nobody will know.
struct Doubt {
    number: i64,
    settle: Box<dyn FnOnce(Option<bool>) + Send>,
}

/// Handle of the thread.
pub struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    versions: Arc<Versions>,
    turnstile: Turnstile,
    /// The thread and the word that it has ended.
    thread: Mutex<Option<(std::thread::ThreadId, threads::Receiver<()>)>>,
}

impl Writer {
    /// Starts the thread on this connection, which `opener` has made.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        conn: Connection,
        opener: Opener,
        versions: Arc<Versions>,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel::<Job>(WAITING);
        let link = Link {
            opener,
            conn: Some(conn),
            doubt: None,
            hurried: false,
        };
        let (alive, ended) = threads::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                // Dropped at the end, also in a panic, which the panic hook has told.
                let _alive = alive;
                link.work(waiting);
            })
            .map_err(|error| StoreError::Other(error.to_string()))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            versions,
            turnstile: Turnstile::default(),
            thread: Mutex::new(Some((thread.thread().id(), ended))),
        })
    }

    /// Whether a write hangs: those that come now are busy at once.
    pub fn hangs(&self) -> bool {
        self.turnstile.hangs()
    }

    /// Runs one job and waits for its commit. One that finds no place in good time is busy and is not
    /// run.
    pub async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.hangs() {
            return Err(StoreError::Busy);
        }
        let (answer, reply) = oneshot::channel();
        let versions = Arc::clone(&self.versions);
        let work: Work = Box::new(move |conn| {
            let outcome = match conn {
                Ok(conn) => complete(conn, Role::Writer, f),
                Err(error) => Outcome::Known(Err(error)),
            };
            let members = versions.advance();
            // Nobody may be waiting any more; what is committed stays committed.
            match outcome {
                Outcome::Known(result) => {
                    let _unheard = answer.send(result);
                    None
                }
                Outcome::Doubt { number, value } => Some(Doubt {
                    number,
                    settle: Box::new(move |kept| {
                        // Others may have read before it was known whether it was kept.
                        versions.again(members);
                        let _unheard = answer.send(match kept {
                            Some(true) => Ok(value),
                            Some(false) => Err(StoreError::Busy),
                            None => Err(StoreError::Unknown),
                        });
                    }),
                }),
            }
        });
        let jobs = lock(&self.jobs).clone();
        let Some(jobs) = jobs else {
            return Err(StoreError::Closed);
        };
        let place = Arc::<Place>::default();
        let job = Job {
            place: Arc::clone(&place),
            work,
        };
        let answered = pin!(async move {
            if jobs.send(job).await.is_err() {
                return Err(StoreError::Closed);
            }
            drop(jobs);
            wait(reply).await
        });
        self.turnstile.patiently(&place, answered).await
    }

    /// Takes no more jobs and lets the waiting ones finish, but does not wait for one that hangs. From
    /// the thread itself it only stops taking.
    pub fn close(&self) {
        drop(lock(&self.jobs).take());
        let Some((thread, ended)) = lock(&self.thread).take() else {
            return;
        };
        if thread != std::thread::current().id()
            && matches!(
                ended.recv_timeout(GOODBYE),
                Err(threads::RecvTimeoutError::Timeout)
            )
        {
            tracing::error!("a write of the database hangs: it is not waited for");
        }
    }
}

/// The thread's connection, which may be lost and made again.
struct Link {
    opener: Opener,
    conn: Option<Connection>,
    doubt: Option<Doubt>,
    /// The lock of the file was not to be had: until it is, each job asks for it but shortly.
    hurried: bool,
}

impl Link {
    fn work(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(job) = waiting.blocking_recv() {
            if !job.place.take() {
                continue;
            }
            self.run(job.work);
            job.place.leave();
            if self.conn.is_none() && !self.mend(&mut waiting) {
                break;
            }
        }
        if let Some(doubt) = self.doubt {
            (doubt.settle)(None);
        }
    }

    fn run(&mut self, job: Work) {
        let begun = self.begin();
        self.hurry(matches!(begun, Err(StoreError::Busy)));
        let conn = match (begun, &mut self.conn) {
            (Ok(()), Some(conn)) => conn,
            (Ok(()), None) => return settle(job, self.opener.absence()),
            (Err(error), _) => return settle(job, error),
        };
        self.doubt = job(Ok(conn));
        if lost(conn) {
            tracing::warn!("the connection to the database is lost");
            self.conn = None;
        }
    }

    /// Waits for the lock of a file at full length only when the last wait had an end: of those that
    /// stand in line not each waits for its own time.
    fn hurry(&mut self, hurried: bool) {
        if let Some(Connection::Sqlite(conn)) = &mut self.conn
            && self.hurried != hurried
        {
            match sqlite::wait_for_lock(conn, hurried) {
                Ok(()) => self.hurried = hurried,
                Err(error) => tracing::debug!(%error, "the wait for the database was not set"),
            }
        }
    }

    /// Begins a transaction. A connection that was cut while nobody wrote is made again at once.
    fn begin(&mut self) -> Result<(), StoreError> {
        if let Some(conn) = &mut self.conn {
            match begin(conn, Role::Writer) {
                Ok(()) => return Ok(()),
                Err(error) if !lost(conn) && !postgres::stands_by(&error) => return Err(error),
                Err(_lost) => self.conn = None,
            }
        }
        let opened = self.opener.open().and_then(|mut conn| {
            begin(&mut conn, Role::Writer)?;
            Ok(conn)
        });
        match opened {
            Ok(conn) => {
                self.conn = Some(conn);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%error, "the connection to the database is lost");
                Err(self.opener.absence())
            }
        }
    }

    /// Makes the connection again, with growing pauses; what is asked meanwhile is busy. `false`
    /// when the store was closed over it.
    fn mend(&mut self, waiting: &mut mpsc::Receiver<Job>) -> bool {
        let (mut looks, most) = TRIES;
        let mut told = None;
        loop {
            let Err(error) = self.reopen() else {
                tracing::info!("the connection to the database is back");
                return true;
            };
            // Once, and again when it is another reason.
            if told.as_ref() != Some(&error) {
                tracing::warn!(%error, "the database cannot be reached");
                told = Some(error);
            }
            for _look in 0..looks {
                loop {
                    match waiting.try_recv() {
                        Ok(job) if job.place.take() => settle(job.work, self.opener.absence()),
                        Ok(_given_up) => {}
                        Err(TryRecvError::Empty) => break,
                        Err(TryRecvError::Disconnected) => return false,
                    }
                }
                std::thread::park_timeout(LOOK);
            }
            looks = looks.saturating_mul(2).min(most);
        }
    }

    /// A new connection has the lock, so the lost one has ended, and its transaction with it: what
    /// became of a commit in doubt is known now.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let mut conn = self.opener.open()?;
        if let (Some(doubt), Connection::Postgres(raw)) = (&self.doubt, &mut conn) {
            let kept = postgres::committed(raw, doubt.number)?;
            tracing::warn!(?kept, "a commit whose answer was lost is looked up");
            if let Some(doubt) = self.doubt.take() {
                (doubt.settle)(kept);
            }
        }
        self.conn = Some(conn);
        Ok(())
    }
}

/// Answers a job that is not run.
fn settle(job: Work, error: StoreError) {
    let _nothing_to_ask_for = job(Err(error));
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

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use diesel::connection::SimpleConnection;

    #[tokio::test]
    async fn those_in_line_do_not_each_wait_for_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rows");
        let store = Store::open(&file).unwrap();
        let mut other = sqlite::open(&file, Role::Writer).unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let begun = tokio::time::Instant::now();
        let asked: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.write(|_conn| Ok(())).await })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), Err(StoreError::Busy));
        }
        // One waits for five seconds, and the others at most as long beside it.
        assert!(begun.elapsed() < Duration::from_secs(10));
        let again = tokio::time::Instant::now();
        assert_eq!(store.write(|_conn| Ok(())).await, Err(StoreError::Busy));
        assert!(again.elapsed() < Duration::from_secs(2), "it waits again");
        other.batch_execute("ROLLBACK").unwrap();
        assert_eq!(store.write(|_conn| Ok(())).await, Ok(()));
    }

    #[tokio::test]
    async fn a_write_that_hangs_is_told_and_others_are_busy_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("rows")).unwrap();
        let (go, gate) = threads::channel::<()>();
        let hanging = {
            let store = store.clone();
            tokio::spawn(async move { store.write(move |_| Ok(gate.recv().is_ok())).await })
        };
        let bound = tokio::time::Instant::now() + Duration::from_secs(30);
        while store.figures().writes_fail != Some("write_hangs") {
            assert!(tokio::time::Instant::now() < bound, "nobody is told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let asked = tokio::time::Instant::now();
        assert_eq!(store.write(|_conn| Ok(())).await, Err(StoreError::Busy));
        assert!(asked.elapsed() < Duration::from_secs(1), "it waited");
        go.send(()).unwrap();
        assert_eq!(hanging.await.unwrap(), Ok(true));
        while store.write(|_conn| Ok(())).await.is_err() {
            assert!(tokio::time::Instant::now() < bound, "still busy");
        }
        assert_eq!(store.figures().writes_fail, None);
    }
}
