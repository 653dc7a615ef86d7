//! A panic in every actor, message, codec and request: each time the agents keep their processes,
//! siblings answer, nothing that was accepted is lost, and the supervisor's log says why.
//! Never two panics at once, except where one is needed to come by the other.

mod deeds;
mod doors;
mod house;
mod limits;
pub mod points;

use super::*;
pub use house::arm;
use house::{House, Pair, Strike, answer};
use points::{Deed, OF_A_SESSION, OF_TASKS, OF_THE_TRUNK};

/// Points of one session that are passed with one pair: a session gives up at the sixth.
const A_PAIR: usize = 2;
/// Points of the trunk that are passed with one server: the root gives up at the sixth.
const A_SERVER: usize = 2;
/// Turns that are tried again for a point that the first one did not pass.
const TURNS: usize = 10;
/// Parts that the sessions' points are cut into, to be run side by side.
const PARTS: usize = 3;

#[tokio::test]
async fn a_session_survives_panics_of_its_own_1() {
    sessions(0).await;
}

#[tokio::test]
async fn a_session_survives_panics_of_its_own_2() {
    sessions(1).await;
}

#[tokio::test]
async fn a_session_survives_panics_of_its_own_3() {
    sessions(2).await;
}

async fn sessions(part: usize) {
    let house = House::new().await;
    let own: Vec<_> = OF_A_SESSION.iter().skip(part).step_by(PARTS).collect();
    for points in own.chunks(A_PAIR) {
        let pair = house.pair().await;
        for (point, deed) in points {
            let begun = Instant::now();
            let before = house.generations().await;
            let strike = struck(&house, &pair, point, *deed).await;
            if strike.path.contains(&house.sibling) {
                // A timer of its own came first.
                continue;
            }
            assert_eq!(
                house.generations().await,
                before,
                "{point}: the sibling fell"
            );
            eprintln!("{point}: {:?}", begun.elapsed());
        }
        house.arm(&[]).await;
        house.close(&pair).await;
    }
}

#[tokio::test]
async fn sessions_survive_panics_of_what_they_stand_on_1() {
    trunk(0).await;
}

#[tokio::test]
async fn sessions_survive_panics_of_what_they_stand_on_2() {
    trunk(1).await;
}

async fn trunk(part: usize) {
    let own: Vec<_> = OF_THE_TRUNK.iter().skip(part).step_by(2).collect();
    for points in own.chunks(A_SERVER) {
        let house = House::new().await;
        let pair = house.pair().await;
        for (point, deed) in points {
            let begun = Instant::now();
            struck(&house, &pair, point, *deed).await;
            eprintln!("{point}: {:?}", begun.elapsed());
        }
        house.arm(&[]).await;
        house.close(&pair).await;
    }
}

/// One panic at one point, and what has to be true behind it.
async fn struck(house: &House, pair: &Pair, point: &str, deed: Deed) -> Strike {
    let mut points = House::before(deed);
    points.push(format!("{point}=1*panic"));
    points.dedup();
    house.arm(&points).await;
    house.does(deed, pair).await;
    for _ in 0..TURNS {
        // On a busy machine all that a turn says can come at once with its end.
        if deed != Deed::Turn || house.said_soon(point).await {
            break;
        }
        house.does(deed, pair).await;
    }
    let strike = house.strike(point).await;
    let (stays, of_a_session) = (
        [
            Deed::Turn,
            Deed::Rebuild,
            Deed::RebuildShell,
            Deed::Hold,
            Deed::Reconnect,
        ]
        .contains(&deed),
        strike.path.starts_with("root/sessions/"),
    );
    if deed == Deed::Delete || deed == Deed::Create || point.starts_with("subtree.") {
        // It is not to come back, or as another.
    } else if stays || !of_a_session {
        house.risen(&strike).await;
    } else {
        // Its agent is gone by now.
        house.rose(&strike).await;
    }
    house.unharmed(pair, point).await;
    strike
}

#[tokio::test]
async fn tasks_beside_the_tree_go_on_after_a_panic() {
    let house = House::new().await;
    let pair = house.pair().await;
    for (point, deed) in OF_TASKS {
        let mut points = House::before(*deed);
        points.push(format!("{point}=1*panic"));
        house.arm(&points).await;
        house.does(*deed, &pair).await;
        answer(async || match house.said(point) {
            true => Ok(()),
            false => Err(format!("{point} was not passed")),
        })
        .await;
        house.unharmed(&pair, point).await;
    }
    // The supervisor's log goes on behind the panic of its writer.
    house.arm(&["feed.Read=1*panic".to_owned()]).await;
    house.does(Deed::Rebuild, &pair).await;
    house.strike("feed.Read").await;
    house.arm(&[]).await;
    house.close(&pair).await;
}
