//! Random kills of server, agent and keeper, panics at random points of a running server, and faults
//! of the machine below it, on both databases, with the same checks after each.
//! Never a different plan for the same seed; a run differs from it by the machine's timing alone.
//!
//! `CALLBOARD_CHAOS_CYCLES` or `CALLBOARD_CHAOS_MINUTES`, `CALLBOARD_CHAOS_SEED` and
//! `CALLBOARD_CHAOS_LINES` set its size; `CALLBOARD_CHAOS_PLAN` prints the plan and runs nothing.

mod machine;
mod plan;

use serde_json::json;

use super::panics::arm;
use super::*;
use machine::{Machine, told_in_logs};
use plan::{Cycle, Fault, Plan, Victim};

/// The seed of what CI runs.
const SEED: u64 = 20_260_101;

/// How long it goes on.
#[derive(Clone, Copy)]
enum Until {
    Cycles(u64),
    Seconds(u64),
}

#[tokio::test]
async fn chaos_of_a_few_cycles() {
    let name = concat!(module_path!(), "::chaos_of_a_few_cycles");
    if let Some(machine) = Machine::embedded(name).await {
        chaos(machine, Until::Cycles(30), SEED, 2_000).await;
    }
}

#[tokio::test]
async fn chaos_of_half_a_minute_on_postgresql() {
    chaos(Machine::postgresql().await, Until::Seconds(30), SEED, 2_000).await;
}

#[tokio::test]
#[ignore = "long: run by cargo xtask chaos"]
async fn chaos_as_asked() {
    let Some((until, seed, lines)) = asked() else {
        return;
    };
    let name = concat!(module_path!(), "::chaos_as_asked");
    if let Some(machine) = Machine::embedded(name).await {
        chaos(machine, until, seed, lines).await;
    }
}

#[tokio::test]
#[ignore = "long: run by cargo xtask chaos"]
async fn chaos_as_asked_on_postgresql() {
    if let Some((until, seed, lines)) = asked() {
        chaos(Machine::postgresql().await, until, seed, lines).await;
    }
}

/// What the variables say: how long, the seed, the lines of a turn; `None` when the plan is all that
/// was asked for, after it was printed.
fn asked() -> Option<(Until, u64, u64)> {
    let number = |name: &str| {
        let text = std::env::var(format!("CALLBOARD_CHAOS_{name}")).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let minutes = number("MINUTES").map(|minutes| Until::Seconds(60 * minutes));
    let until = number("CYCLES").map(Until::Cycles).or(minutes);
    let until = until.unwrap_or(Until::Cycles(30));
    let (seed, lines) = (
        number("SEED").unwrap_or(1),
        number("LINES").unwrap_or(2_000),
    );
    if number("PLAN").is_none() {
        return Some((until, seed, lines));
    }
    let shown = match until {
        Until::Cycles(cycles) => usize::try_from(cycles).unwrap(),
        Until::Seconds(_) => 1_000,
    };
    for (number, cycle) in Plan::new(seed, lines).take(shown).enumerate() {
        println!("{number}: {cycle:?}");
    }
    println!("digest of these: {:016x}", Plan::digest(seed, lines, shown));
    None
}

/// Pieces that the lines of a turn come in.
const PARTS: u64 = 4;

/// What has been seen and sent so far.
#[derive(Default)]
struct Past {
    cursor: u64,
    tasks: usize,
    marks: Vec<String>,
    ends: [u64; 4],
    faults: Vec<Fault>,
}

/// A turn of so many lines, with pauses: a program writes faster than anybody can kill it.
fn turn(lines: u64) -> Value {
    let mut steps = vec![json!({"say": "{{message}}"})];
    for _ in 0..PARTS {
        steps.push(json!({"flood": {"lines": lines / PARTS, "bytes": 40}}));
        steps.push(json!({"sleep_ms": 10}));
    }
    json!(steps)
}

/// A crashed agent comes back at once, one may take less memory than the greedy one, and what the disk is short of is only told when it is full.
const SETTINGS: &str = "[agents]\nrestart_base = \"20ms\"\nrestart_cap = \"40ms\"\n\
                        short_life = \"1ms\"\n[agents.limits]\nmemory = \"256 MiB\"\n\
                        [disk]\nwarn_free = 0\nrefuse_free = 0\n";

async fn chaos(machine: Machine, until: Until, seed: u64, lines: u64) {
    let mut app = machine.app(SETTINGS).await;
    let signed = app.sign_in("ada").await.patient();
    let id = player(&app, &signed, &json!([turn(lines)])).await;
    eprintln!(
        "chaos: seed {seed}, digest {:016x}",
        Plan::digest(seed, lines, 1_000)
    );
    let (begun, mut past, mut cycles) = (Instant::now(), Past::default(), 0);
    for cycle in Plan::new(seed, lines) {
        let over = match until {
            Until::Cycles(most) => cycles >= most,
            Until::Seconds(most) => begun.elapsed() >= Duration::from_secs(most),
        };
        if over {
            break;
        }
        let name = format!("seed {seed}, cycle {cycles}: {:?}", cycle.victim);
        arm(&app, &[]).await;
        let ada = signed.at(&app);
        if let Victim::Point(point, passes) = cycle.victim {
            arm(&app, &[format!("{point}={passes}*off->1*panic->off")]).await;
        }
        let mut tasks = vec![];
        for n in 0..cycle.prompts {
            tasks.push(send(&ada, &id, &format!("cycle {cycles} message {n}")).await);
        }
        past.tasks += tasks.len();
        let moment = past.cursor + cycle.moment;
        beyond(&ada, &id, moment.saturating_sub(10)).await;
        let struck = (&machine, &cycle, &mut past);
        strike(&mut app, &ada, &id, struck).await;
        let ada = signed.at(&app);
        let mut ends = vec![];
        let mut answers = Dice(cycle.answers);
        for task in &tasks {
            ends.push((task.clone(), resolved(&ada, &id, task, &mut answers).await));
        }
        check(&ada, &id, (&ends, lines, &name), &mut past).await;
        clean(&app, &id, &past, &name).await;
        cycles += 1;
    }
    let [completed, failed, interrupted, sent_again] = past.ends;
    eprintln!(
        "chaos: {cycles} cycles, {} tasks: {completed} completed, {failed} failed, {interrupted} \
         interrupted, {sent_again} sent again; {} faults, {} panics; {} events",
        past.tasks,
        past.faults.len(),
        told_in_logs(&app, "\"panic\":"),
        past.cursor
    );
    assert!(completed > 0, "nothing was ever completed");
    let never = Fault::ALL
        .iter()
        .filter(|fault| !past.faults.contains(fault));
    let never: Vec<_> = never.collect();
    assert!(
        cycles < u64::try_from(Fault::ALL.len()).unwrap() || never.is_empty(),
        "never {never:?}"
    );
    assert!(
        cycles < 30 || interrupted + sent_again > 0,
        "nothing was ever hit"
    );
}

/// Strikes whoever's turn it is.
async fn strike(
    app: &mut TestApp,
    who: &Caller,
    id: &str,
    (machine, cycle, past): (&Machine, &Cycle, &mut Past),
) {
    let up = agent_until(who, id, |now| now["pid"].is_number()).await;
    let dir = keeper_dir(app, id);
    let text = std::fs::read_to_string(dir.join("record")).unwrap_or_default();
    let mark = text.lines().find_map(|line| line.strip_prefix("mark "));
    match cycle.victim {
        Victim::Server => {
            app.kill9();
            app.boot().await;
        }
        Victim::Agent => {
            let pid = Pid::from_raw(pid_of(&up));
            // It may have ended by itself since it was asked.
            let _sent = kill(pid, Signal::SIGKILL);
            past.marks.extend(mark.map(str::to_owned));
        }
        Victim::Keeper => {
            kill9(recorded(&dir, "keeper_pid"));
            past.marks.extend(mark.map(str::to_owned));
        }
        Victim::Machine(fault, ms) => {
            let time = Duration::from_millis(ms);
            machine.strikes(app, who, fault, time).await;
            past.faults.push(fault);
        }
        Victim::Point(..) | Victim::Nobody => {}
    }
}

/// The end of a task; an uncertain one is sent again or dropped.
async fn resolved(who: &Caller, id: &str, name: &str, dice: &mut Dice) -> Value {
    loop {
        let now = settled(who, id, name).await;
        if now["state"] != "uncertain" {
            return now;
        }
        let open = who.get("/api/chat/approvals/pending").await.ok(200);
        let mut open = open["approvals"].as_array().unwrap().iter();
        let about = open.find(|one| one["taskId"] == *name && one["kind"] == "uncertain");
        let Some(about) = about else { continue };
        let answer = json!({"requestId": about["requestId"], "approved": dice.below(2) == 0});
        who.post("/api/chat/approve", &answer).await.ok(200);
        agent_until(who, id, |now| now["detail"] != "uncertain").await;
    }
}

async fn check(
    who: &Caller,
    id: &str,
    (ends, lines, name): (&[(String, Value)], u64, &str),
    past: &mut Past,
) {
    let news = after(who, id, past, name).await;
    for (task, end) in ends {
        let own: Vec<u64> = news
            .iter()
            .filter(|event| event["data"]["taskId"] == *task)
            .filter_map(|event| event["data"]["line"].as_u64())
            .collect();
        assert_eq!(count(&news, "turn_ended", task), 1, "{name}: {end}");
        let reached = u64::try_from(own.len()).unwrap();
        let whole = (0..PARTS).flat_map(|_| 1..=lines / PARTS);
        let wanted: Vec<u64> = whole.take(own.len()).collect();
        assert_eq!(own, wanted, "{name}: lines of {end}");
        match end["state"].as_str().unwrap() {
            "completed" => {
                assert_eq!(reached, lines / PARTS * PARTS, "{name}: {end}");
                past.ends[0] += 1;
            }
            "failed" => past.ends[1] += 1,
            "interrupted" => past.ends[2] += 1,
            "stopped" => assert_eq!(end["reason"], "dropped", "{name}: {end}"),
            _ => panic!("{name}: {end}"),
        }
        past.ends[3] += u64::from(end["attempt"].as_u64() > Some(1));
    }
    let list = who
        .get(&format!("/api/agents/{id}/tasks?limit=1"))
        .await
        .ok(200);
    assert_eq!(list["total"], past.tasks, "{name}");
    truthful(who, id).await;
}

/// Events since the last cycle, without a hole.
async fn after(who: &Caller, id: &str, past: &mut Past, name: &str) -> Vec<Value> {
    let mut all = vec![];
    loop {
        let path = format!("/api/agents/{id}/events?after={}", past.cursor);
        let page = who.get(&path).await.ok(200);
        for event in page["events"].as_array().unwrap() {
            past.cursor += 1;
            assert_eq!(event["seq"], past.cursor, "{name}: a hole");
            all.push(event.clone());
        }
        if page["hasMore"] == false {
            return all;
        }
    }
}

/// Nothing is left of what was killed, and the server reaps what it started.
async fn clean(app: &TestApp, id: &str, past: &Past, name: &str) {
    let now = std::fs::read_to_string(keeper_dir(app, id).join("record")).unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let old = past
            .marks
            .iter()
            .filter(|mark| !now.contains(mark.as_str()));
        let left: Vec<i32> = old.flat_map(|mark| with_mark(mark)).collect();
        let dead = zombies(app.pid());
        if left.is_empty() && dead.is_empty() {
            return;
        }
        assert!(
            Instant::now() < end,
            "{name}: left {left:?}, zombies {dead:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Dead children of this process that nobody has waited for.
fn zombies(parent: u32) -> Vec<i32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        rest.starts_with(&format!("Z {parent} "))
    })
    .collect()
}
