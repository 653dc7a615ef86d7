//! Sign-ins at providers: one for each person and provider, with their sealed secrets.

use crate::domain::*;
use crate::store::fixture::*;
use crate::store::sealed::PLACES;
use crate::store::*;

fn sign_in(owner: UserId, provider: &str) -> SignIn {
    SignIn {
        id: SignInId::generate(),
        owner,
        provider: provider.to_owned(),
        method: Method::Oauth,
        expires_at: Some(Timestamp(500)),
        failure: None,
        changed_at: Timestamp(5),
    }
}

async fn put(store: &Store, one: &SignIn, secret: u8) -> Result<(), StoreError> {
    let one = one.clone();
    let write = move |conn: &mut Connection| providers::put(conn, &one, &[secret]);
    store.write(write).await
}

pub async fn a_person_has_one_sign_in_at_a_provider(store: Store) {
    let (ann, _) = owned(&store).await;
    let (bob, _) = owned(&store).await;
    let first = sign_in(ann.id, "one");
    let second = SignIn {
        method: Method::Key,
        expires_at: None,
        ..sign_in(ann.id, "one")
    };
    let other = sign_in(ann.id, "another");
    let theirs = sign_in(bob.id, "one");
    for (n, row) in (1..).zip([&first, &second, &other, &theirs]) {
        put(&store, row, n).await.unwrap();
    }
    let of = |id| store.read(move |conn| providers::of_owner(conn, id));
    let found = of(ann.id).await.unwrap();
    assert_eq!(
        found,
        [(other, Some(vec![3])), (second.clone(), Some(vec![2]))]
    );

    // One that was replaced is not written any more.
    let late = store.write(move |conn| providers::renew(conn, &first, Some(&[9])));
    assert!(!late.await.unwrap());
    let find = |id| store.read(move |conn| providers::find(conn, id, "one"));
    let failed = SignIn {
        expires_at: Some(Timestamp(9)),
        failure: Some("it was refused".into()),
        ..second
    };
    let row = failed.clone();
    let write = store.write(move |conn| providers::renew(conn, &row, None));
    assert!(write.await.unwrap());
    assert_eq!(
        find(ann.id).await.unwrap(),
        Some((failed.clone(), Some(vec![2])))
    );
    let row = failed.clone();
    let write = store.write(move |conn| providers::renew(conn, &row, Some(&[7])));
    assert!(write.await.unwrap());
    assert_eq!(find(ann.id).await.unwrap(), Some((failed, Some(vec![7]))));

    let id = ann.id;
    let remove = || store.write(move |conn| providers::remove(conn, id, "one"));
    assert!(remove().await.unwrap());
    assert!(!remove().await.unwrap());
    assert_eq!(find(id).await.unwrap(), None);
    assert_eq!(
        find(bob.id).await.unwrap(),
        Some((theirs, Some(vec![4]))),
        "nobody else's goes"
    );
}

pub async fn sign_ins_go_with_their_person_and_none_comes_after(store: Store) {
    let (ann, _) = owned(&store).await;
    let id = ann.id;
    put(&store, &sign_in(id, "one"), 1).await.unwrap();
    let gone = store.write(move |conn| users::delete(conn, id, Timestamp(9)));
    gone.await.unwrap();
    let of = || store.read(move |conn| providers::of_owner(conn, id));
    assert_eq!(of().await.unwrap(), []);
    let late = put(&store, &sign_in(id, "one"), 1).await;
    assert_eq!(late, Err(StoreError::NotFound));
    assert_eq!(of().await.unwrap(), []);
}

pub async fn their_secrets_are_among_the_sealed_places(store: Store) {
    let (ann, _) = owned(&store).await;
    let row = sign_in(ann.id, "one");
    put(&store, &row, 42).await.unwrap();
    let named = |place: &&sealed::Place| place.name == "provider_sign_ins.secret";
    let place = PLACES.iter().find(named).unwrap();
    let page = || store.read(move |conn| place.page(conn, "", 9));
    let found = page().await.unwrap().rows.remove(0);
    assert_eq!(
        (&*found.key, &found.blob[..]),
        (&*row.id.to_string(), &[42][..])
    );
    assert_eq!(found.aad, format!("{}/provider", row.id));
    let cleared = store.write(move |conn| place.clear(conn, &found));
    assert!(cleared.await.unwrap());
    assert_eq!(page().await.unwrap().rows, []);
    let id = ann.id;
    let left = store.read(move |conn| providers::find(conn, id, "one"));
    assert_eq!(left.await.unwrap(), Some((row, None)));
}
