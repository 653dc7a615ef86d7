//! From where the request that is being answered came and with which credential, for whoever keeps a
//! record of it.
//!
//! Never who asks, nor what they may do: that is the principal's part.

use std::future::Future;
use std::net::IpAddr;

use uuid::Uuid;

use crate::domain::{Error, Result};

tokio::task_local! {
    static CALLER: Caller;
    static CREDENTIAL: String;
}

/// The origin of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The client's address; absent where the transport has none.
    pub address: Option<IpAddr>,
    /// The request's id, as `X-Request-Id` tells it.
    pub request: Uuid,
}

impl Caller {
    /// Runs `work` as this caller's.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(self, work).await
    }

    /// The caller of the request that is being answered; absent outside of one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CALLER.try_with(|caller| *caller).ok()
    }

    /// Runs `work` as that of a credential: the `sid` of a principal.
    pub async fn acting<F: Future>(sid: String, work: F) -> F::Output {
        CREDENTIAL.scope(sid, work).await
    }

    /// The credential of the request that is being answered; absent outside of one.
    #[must_use]
    pub fn credential() -> Option<String> {
        let sid = CREDENTIAL.try_with(Clone::clone).ok();
        sid.filter(|sid| !sid.is_empty())
    }

    /// Lets work that outlives the request go on as this caller's.
    pub fn carry<F: Future>(work: F) -> impl Future<Output = F::Output> {
        let (caller, credential) = (Self::current(), Self::credential());
        async move {
            let work = Self::acting(credential.unwrap_or_default(), work);
            match caller {
                Some(caller) => caller.scope(work).await,
                None => work.await,
            }
        }
    }

    /// Does work that has to be done whole, as a task of its own: who goes away amid it ends the
    /// request, but not what follows from a change that is made already.
    ///
    /// # Errors
    /// Those of the work.
    pub async fn whole<T, F>(work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let task = tokio::spawn(Self::carry(work));
        match task.await {
            Ok(done) => done,
            Err(error) => Err(Error::internal(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_is_carried_keeps_its_caller() {
        let caller = Caller {
            address: None,
            request: Uuid::nil(),
        };
        let seen = || async { (Caller::current(), Caller::credential()) };
        let mut carried = None;
        let within = async { carried = Some(Caller::carry(seen())) };
        caller.scope(Caller::acting("s1".into(), within)).await;
        let carried = carried.unwrap().await;
        assert_eq!(carried, (Some(caller), Some("s1".into())));
        assert_eq!(Caller::carry(seen()).await, (None, None));
    }

    #[tokio::test]
    async fn whole_work_goes_on_when_nobody_waits_for_it() {
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (go, goes) = tokio::sync::oneshot::channel();
        let (ended, ends) = tokio::sync::oneshot::channel();
        let work = async move {
            begun.send(()).unwrap();
            goes.await.unwrap();
            ended.send(()).unwrap();
            Ok(())
        };
        let request = tokio::spawn(Caller::whole(work));
        begins.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        ends.await.unwrap();
    }
}
