//! OTP's test groups on a paused clock: scripted children, a list of all records.
//! Never waits in real time, except where a second arbiter (a real thread) is the subject.

mod children;
mod escalation;
mod exits;
mod links;
mod rules;
mod significant;
mod start;
mod stop;
mod strategies;
mod threads;
mod tree;

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{Actor, ActorContext, Addr, Arbiter, AsyncContext, Context, Handler, Message, System};
use tokio::time::sleep;

use super::{lifeline::Key, *};

/// Runs a test body in an actix system whose clock stands still unless all is idle. A body that
/// waits for something that never comes fails at once: the clock leaps to its deadline.
fn run<F: Future>(body: F) -> F::Output {
    install_panic_hook();
    let system = System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    });
    let century = Duration::from_hours(24 * 365 * 100);
    system.block_on(async {
        let done = tokio::time::timeout(century, body).await;
        done.expect("the test comes to an end")
    })
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Lets everything happen that is due within so many virtual milliseconds.
async fn pass(millis: u64) {
    sleep(ms(millis)).await;
}

/// How a puppet starts.
#[derive(Debug, Clone)]
enum Plan {
    Well,
    Fail(&'static str),
    /// In the start function.
    Panic(&'static str),
    /// In the actor's `started`.
    PanicInside(&'static str),
    Hang,
    /// The actor is up and holds its lifeline, but the start function never returns.
    HangAfter,
    /// Ends with this before the start function returns.
    EndEarly(Exit),
    /// Takes so long.
    Slow(Duration),
}

/// How a puppet answers a stop.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Obey,
    /// Ends so long after the stop.
    Slow(Duration),
    Ignore,
    Panic,
}

#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
enum Do {
    Crash(&'static str),
    End(Exit),
    /// Ends without a word.
    Leave,
}

impl Do {
    fn carry_out<A: Actor<Context = Context<A>>>(self, lifeline: &Lifeline, ctx: &mut Context<A>) {
        match self {
            Self::Crash(text) => panic!("{text}"),
            Self::End(exit) => {
                lifeline.record(exit);
                ctx.stop();
            }
            Self::Leave => ctx.stop(),
        }
    }
}

struct Puppet {
    tag: String,
    stage: Arc<Stage>,
    lifeline: Lifeline,
    manner: Manner,
    panics: Option<&'static str>,
}

impl Actor for Puppet {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(text) = self.panics {
            panic!("{text}");
        }
        self.lifeline.tether().hold(ctx, |puppet, ctx| {
            puppet.stage.log(format!("alone {}", puppet.tag));
            ctx.stop();
        });
    }
}

impl Handler<Do> for Puppet {
    type Result = ();

    fn handle(&mut self, order: Do, ctx: &mut Self::Context) {
        order.carry_out(&self.lifeline, ctx);
    }
}

impl Handler<Stop> for Puppet {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.stage.log(format!("stop {}", self.tag));
        match self.manner {
            Manner::Obey => ctx.stop(),
            Manner::Ignore => {}
            Manner::Panic => panic!("refuses to stop"),
            Manner::Slow(time) => {
                ctx.run_later(time, |_, ctx| ctx.stop());
            }
        }
    }
}

/// Everything the puppets of one test share.
#[derive(Default)]
struct Stage {
    lines: Mutex<Vec<String>>,
    records: Mutex<Vec<Record>>,
    puppets: Mutex<HashMap<String, Addr<Puppet>>>,
    plans: Mutex<HashMap<String, VecDeque<Plan>>>,
    manners: Mutex<HashMap<String, Manner>>,
}

impl Observer for Stage {
    fn record(&self, record: &Record) {
        LogObserver.record(record);
        let exit = record.exit.as_ref().map(ToString::to_string);
        let name = record.path.rsplit('/').next().unwrap_or_default();
        self.log(
            format!(
                "{} {name}{} {}",
                record.event,
                record.generation,
                exit.unwrap_or_default()
            )
            .trim_end()
            .to_owned(),
        );
        self.records.lock().expect("records").push(record.clone());
    }
}

impl Stage {
    fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    fn log(&self, line: String) {
        self.lines.lock().expect("lines").push(line);
    }

    /// What happened since the last call.
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().expect("lines"))
    }

    fn clear(&self) {
        self.lines();
        self.records.lock().expect("records").clear();
    }

    fn records(&self, event: Event) -> Vec<Record> {
        let records = self.records.lock().expect("records");
        records
            .iter()
            .filter(|record| record.event == event)
            .cloned()
            .collect()
    }

    fn last(&self, event: Event) -> Record {
        self.records(event).pop().expect("such a record")
    }

    /// How the next starts of a child go; those beyond go well.
    fn plan(&self, id: &str, plans: impl IntoIterator<Item = Plan>) {
        let plans = plans.into_iter().collect();
        self.plans.lock().expect("plans").insert(id.into(), plans);
    }

    fn manner(&self, id: &str, manner: Manner) {
        self.manners
            .lock()
            .expect("manners")
            .insert(id.into(), manner);
    }

    fn puppet(&self, id: &str) -> Addr<Puppet> {
        self.puppets
            .lock()
            .expect("puppets")
            .get(id)
            .expect("a puppet")
            .clone()
    }

    async fn tell(&self, id: &str, order: Do) {
        // A puppet that crashes in its handler answers nothing.
        let _answer = self.puppet(id).send(order).await;
    }

    /// Crashes and lets the supervisor see it, without time passing.
    async fn crash(&self, id: &str) {
        self.tell(id, Do::Crash("boom")).await;
        pass(0).await;
    }

    /// A child that acts by plan, named in lines by its id and generation.
    fn child(self: &Arc<Self>, id: &str) -> ChildSpec {
        let (stage, id) = (Arc::clone(self), id.to_owned());
        ChildSpec::worker(
            id.clone(),
            start_fn(move |lifeline| Arc::clone(&stage).act(id.clone(), lifeline)),
        )
    }

    async fn act(self: Arc<Self>, id: String, lifeline: Lifeline) -> Result<Child, StartError> {
        let plan = self
            .plans
            .lock()
            .expect("plans")
            .get_mut(&id)
            .and_then(VecDeque::pop_front)
            .unwrap_or(Plan::Well);
        let inside = match &plan {
            Plan::Fail(text) => return Err(StartError::Failed((*text).into())),
            Plan::Panic(text) => panic!("{text}"),
            Plan::Hang => std::future::pending().await,
            Plan::Slow(time) => {
                sleep(*time).await;
                None
            }
            Plan::PanicInside(text) => Some(*text),
            Plan::Well | Plan::HangAfter | Plan::EndEarly(_) => None,
        };
        let manners = self.manners.lock().expect("manners").clone();
        let address = Puppet {
            tag: format!("{id}{}", lifeline.generation()),
            manner: manners.get(&id).copied().unwrap_or(Manner::Obey),
            stage: Arc::clone(&self),
            lifeline,
            panics: inside,
        }
        .start();
        self.puppets
            .lock()
            .expect("puppets")
            .insert(id, address.clone());
        match plan {
            Plan::HangAfter => std::future::pending().await,
            Plan::EndEarly(exit) => {
                let _answer = address.send(Do::End(exit)).await;
                pass(1).await;
            }
            Plan::PanicInside(_) => {
                let answer = address.send(Do::Leave).await;
                answer.map_err(|error| StartError::Failed(error.to_string()))?;
            }
            Plan::Well | Plan::Fail(_) | Plan::Panic(_) | Plan::Hang | Plan::Slow(_) => {}
        }
        Ok(Child::worker(address))
    }

    fn restarting(self: &Arc<Self>, id: &str, restart: Restart) -> ChildSpec {
        ChildSpec {
            restart,
            ..self.child(id)
        }
    }

    /// `root` with permanent children of these names and a back-off without jitter.
    fn spec(self: &Arc<Self>, strategy: Strategy, ids: &[&str]) -> SupervisorSpec {
        self.spec_of(strategy, ids.iter().map(|id| self.child(id)).collect())
    }

    fn spec_of(self: &Arc<Self>, strategy: Strategy, children: Vec<ChildSpec>) -> SupervisorSpec {
        SupervisorSpec {
            children,
            observer: self.clone(),
            backoff: Backoff {
                jitter: 0.0,
                ..Backoff::default()
            },
            ..SupervisorSpec::new("root", strategy)
        }
    }
}

async fn start(spec: SupervisorSpec) -> Root {
    Supervisor::start_root(spec).await.expect("the tree starts")
}

async fn which(root: &Root) -> Vec<ChildInfo> {
    root.addr().send(WhichChildren).await.expect("an answer")
}

/// `id:state` of all children.
async fn states(root: &Root) -> Vec<String> {
    which(root)
        .await
        .into_iter()
        .map(|info| format!("{}:{:?}", info.id, StateName::from(info.state)))
        .collect()
}

async fn counts(root: &Root) -> ChildCounts {
    root.addr().send(CountChildren).await.expect("an answer")
}

async fn add(root: &Root, spec: ChildSpec) -> Result<(), StartError> {
    root.addr().send(StartChild(spec)).await.expect("an answer")
}

async fn terminate(root: &Root, id: &str) -> Result<(), ChildError> {
    root.addr()
        .send(TerminateChild(id.into()))
        .await
        .expect("an answer")
}

async fn delete(root: &Root, id: &str) -> Result<(), ChildError> {
    root.addr()
        .send(DeleteChild(id.into()))
        .await
        .expect("an answer")
}

async fn restart(root: &Root, id: &str) -> Result<(), ChildError> {
    root.addr()
        .send(RestartChild(id.into()))
        .await
        .expect("an answer")
}
