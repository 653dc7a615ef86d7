//! Who is closed, and how many may be open.

use super::*;
use crate::domain::testing::someone;

#[derive(Default)]
struct Ended(Mutex<Vec<Ending>>);

impl Connection for Ended {
    fn end(&self, why: Ending) {
        self.0.lock().unwrap().push(why);
    }
}

fn shared(ended: &Arc<Ended>) -> Arc<dyn Connection> {
    let same: Arc<Ended> = Arc::clone(ended);
    same
}

#[test]
fn only_the_sockets_of_the_ended_token_are_closed() {
    let connections = Connections::new(2);
    let (one, two) = (Arc::new(Ended::default()), Arc::new(Ended::default()));
    let _a = connections.register(&someone("a"), shared(&one));
    let _b = connections.register(&someone("b"), shared(&two));
    connections.end_sid("a");
    assert_eq!(*one.0.lock().unwrap(), [Ending::AuthEnded]);
    assert!(two.0.lock().unwrap().is_empty());
}

#[test]
fn a_persons_sockets_are_closed_but_for_the_kept_token() {
    let connections = Connections::new(9);
    let user = UserId::generate();
    let of = |sid: &str| Principal {
        user,
        ..someone(sid)
    };
    let ended: Vec<Arc<Ended>> = (0..3).map(|_| Arc::new(Ended::default())).collect();
    let whose = [of("a"), of("b"), someone("a")];
    let _open: Vec<Registration> = whose
        .iter()
        .zip(&ended)
        .map(|(who, ended)| connections.register(who, shared(ended)).unwrap())
        .collect();
    let said = |at: usize| ended[at].0.lock().unwrap().clone();
    connections.end_user(user, Some("a"), Ending::RightsChanged);
    assert_eq!((said(0), said(1)), (vec![], vec![Ending::RightsChanged]));
    connections.end_user(user, None, Ending::AuthEnded);
    assert_eq!((said(0), said(2)), (vec![Ending::AuthEnded], vec![]));
}

#[test]
fn a_new_password_closes_what_came_with_sign_ins_and_no_keys() {
    let connections = Connections::new(9);
    let who = someone("kept");
    let key = api_key::sid(crate::domain::KeyId::generate());
    let mut open = Vec::new();
    for sid in ["kept", "other", &key] {
        let ended = Arc::new(Ended::default());
        let theirs = Principal {
            sid: sid.into(),
            ..who.clone()
        };
        let place = connections.register(&theirs, shared(&ended)).unwrap();
        open.push((place, ended));
    }
    connections.end_sign_ins(who.user, "kept");
    let ended = open.iter().map(|(_, ended)| ended.0.lock().unwrap().len());
    assert_eq!(ended.collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn a_person_has_a_bounded_number_and_gets_places_back() {
    let connections = Connections::new(2);
    let who = someone("a");
    let connection = Arc::new(Ended::default());
    let first = connections.register(&who, shared(&connection)).unwrap();
    let _second = connections.register(&who, shared(&connection)).unwrap();
    let refused = connections.register(&who, shared(&connection));
    assert_eq!(refused.err().unwrap().code(), "too_many_connections");
    assert!(
        connections
            .register(&someone("a"), shared(&connection))
            .is_ok()
    );
    drop(first);
    assert!(connections.register(&who, connection).is_ok());
}

#[test]
fn waiting_polls_are_bounded_by_token() {
    let polls = Polls::new(1);
    let held = polls.enter("a").unwrap();
    assert_eq!(polls.enter("a").err().unwrap().code(), "too_many_polls");
    assert!(polls.enter("b").is_ok());
    drop(held);
    assert!(polls.enter("a").is_ok());
}

#[test]
fn guests_are_few_in_all_and_fewer_from_one_address_and_count_for_nobody() {
    let connections = Connections::new(1);
    let ended = Arc::new(Ended::default());
    let from = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
    let receive = |last: u8| connections.receive(from(last), shared(&ended));
    let mut open: Vec<Registration> = (0..MAX_GUESTS_OF_ONE)
        .map(|_| receive(1).unwrap())
        .collect();
    assert_eq!(receive(1).err().unwrap().code(), "too_many_connections");
    for last in 2..5 {
        open.extend((0..MAX_GUESTS_OF_ONE).map(|_| receive(last).unwrap()));
    }
    assert_eq!(receive(9).err().unwrap().code(), "too_many_connections");
    let _person = connections.register(&someone("a"), shared(&ended)).unwrap();
    open.pop();
    assert!(receive(9).is_ok());
    connections.end_sid("a");
    assert_eq!(ended.0.lock().unwrap().len(), 1, "a guest has no token");
    drop(open);
    assert_eq!(connections.len(), 1);
}
