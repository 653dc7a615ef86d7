//! What the machine does, as every door shows it.
//!
//! Never a figure that the machine does not give: it is null.

use serde_json::{Map, Value, json};

use crate::domain::machine::{Machine, percent};

/// `cpu`, `memory`, `disk` and `network`; each null where nothing is known of it.
#[must_use]
pub fn figures(machine: Option<&Machine>) -> Map<String, Value> {
    let parts = [
        ("cpu", machine.and_then(cpu)),
        ("memory", machine.and_then(memory)),
        ("disk", machine.and_then(disk)),
        ("network", machine.and_then(network)),
    ];
    let named = parts.into_iter();
    named
        .map(|(name, part)| (name.to_owned(), part.unwrap_or(Value::Null)))
        .collect()
}

fn cpu(machine: &Machine) -> Option<Value> {
    let (work, load) = (machine.work.as_ref(), machine.now.load);
    if work.is_none() && load.is_none() {
        return None;
    }
    Some(json!({
        "percent": work.map(|work| work.percent),
        "cores": work.map(|work| &work.cores),
        "load1": load.map(|load| load.one),
        "load5": load.map(|load| load.five),
        "load15": load.map(|load| load.fifteen),
    }))
}

fn memory(machine: &Machine) -> Option<Value> {
    let memory = machine.now.memory?;
    Some(json!({
        "totalBytes": memory.total,
        "usedBytes": memory.used,
        "percent": percent(memory.used, memory.total),
        "serverBytes": machine.now.server,
    }))
}

fn disk(machine: &Machine) -> Option<Value> {
    let space = machine.now.disk?;
    Some(json!({"freeBytes": space.free, "totalBytes": space.total}))
}

fn network(machine: &Machine) -> Option<Value> {
    let traffic = machine.now.traffic?;
    Some(json!({
        "rxBytesPerSecond": machine.rate.map(|rate| rate.received),
        "txBytesPerSecond": machine.rate.map(|rate| rate.sent),
        "rxBytes": traffic.received,
        "txBytes": traffic.sent,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::machine::{Memory, Reading, Traffic};

    #[test]
    fn what_is_not_known_is_null_and_never_nought() {
        assert!(figures(None).values().all(Value::is_null));
        let now = Reading {
            memory: Some(Memory { used: 1, total: 4 }),
            traffic: Some(Traffic::default()),
            ..Reading::default()
        };
        let machine = Machine {
            at: Timestamp(0),
            work: None,
            rate: None,
            now,
        };
        let shown = Value::Object(figures(Some(&machine)));
        assert_eq!(shown["cpu"], Value::Null);
        assert_eq!(shown["disk"], Value::Null);
        assert_eq!(shown["memory"]["percent"], 25.0);
        assert_eq!(shown["memory"]["serverBytes"], Value::Null);
        assert_eq!(shown["network"]["rxBytes"], 0);
        assert_eq!(shown["network"]["rxBytesPerSecond"], Value::Null);
    }
}
