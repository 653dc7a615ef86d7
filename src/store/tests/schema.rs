//! The schema on both databases: up, down and up again, what a newer build has written, and the
//! order of texts.

use diesel::{QueryableByName, RunQueryDsl};
use diesel_migrations::MigrationHarness;

use super::*;
use crate::store::migrations::MIGRATIONS;

/// Every object of the schema in words, in their order.
fn schema(conn: &mut Connection) -> Vec<String> {
    let sqlite = "SELECT name || ': ' || sql AS name FROM sqlite_master \
                  WHERE sql IS NOT NULL AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\' ORDER BY 1";
    let postgres = "SELECT format('%s.%s %s %s %s', c.relname, a.attname, \
        format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(l.collname, '-')) AS name \
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
        JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_collation l ON l.oid = a.attcollation \
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') AND a.attnum > 0 \
        AND NOT a.attisdropped AND c.relname NOT LIKE '\\_\\_diesel%' ORDER BY 1";
    #[derive(QueryableByName)]
    struct Object {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let found: Vec<Object> = match conn {
        Connection::Sqlite(conn) => diesel::sql_query(sqlite).load(conn),
        Connection::Postgres(conn) => diesel::sql_query(postgres).load(conn),
    }
    .unwrap();
    found.into_iter().map(|object| object.name).collect()
}

fn goes_up_down_and_up_again(place: Place) -> Vec<String> {
    let role = Role::Writer;
    let mut conn = Opener::new(place, role).open().unwrap();
    migrations::migrate(&mut conn).unwrap();
    let first = schema(&mut conn);
    assert!(first.len() > 11, "{first:?}");
    match &mut conn {
        Connection::Sqlite(conn) => conn.revert_all_migrations(MIGRATIONS).map(drop).unwrap(),
        Connection::Postgres(conn) => conn.revert_all_migrations(MIGRATIONS).map(drop).unwrap(),
    }
    assert_eq!(schema(&mut conn), Vec::<String>::new());
    migrations::migrate(&mut conn).unwrap();
    assert_eq!(schema(&mut conn), first);
    first
}

#[test]
fn migrations_go_up_down_and_up_again_to_the_same_schema() {
    let dir = tempfile::tempdir().unwrap();
    goes_up_down_and_up_again(Place::File(dir.path().join("x.db")));
    let fresh = Fresh::empty();
    let columns = goes_up_down_and_up_again(Place::Server(fresh.url().into()));
    let texts = columns.iter().filter(|column| column.contains(" text "));
    let wrong: Vec<_> = texts.filter(|column| !column.ends_with(" C")).collect();
    assert!(wrong.is_empty(), "not ordered by bytes: {wrong:?}");
    assert!(
        columns.contains(&"sessions.env bytea f -".to_owned()),
        "{columns:?}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_build_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    refuses_a_newer(dir.path().join("x.db").to_str().unwrap()).await;
    let fresh = Fresh::empty();
    refuses_a_newer(&fresh.url()).await;
}

async fn refuses_a_newer(database: &str) {
    let store = Store::open(database).unwrap();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')";
    store
        .write(move |conn| Ok(conn.batch_execute(newer)?))
        .await
        .unwrap();
    drop(store);
    for refused in [
        Store::open(database).map(drop),
        migrations::look(database.as_ref()).map(drop),
        migrations::apply(database.as_ref()).map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), "schema_newer");
        assert!(refused.to_string().contains("20991231000001"));
    }
}

#[test]
fn a_look_at_the_migrations_changes_nothing_and_applying_them_says_what_was_missing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.db");
    let fresh = Fresh::empty();
    for database in [file.as_path(), fresh.url().as_ref()] {
        let pending = |looked: Vec<migrations::MigrationState>| {
            looked.iter().filter(|state| !state.applied).count()
        };
        let all = migrations::look(database).unwrap();
        assert!(all.len() > 3);
        assert_eq!(pending(all.clone()), all.len());
        assert_eq!(all[0].version, "20261122000001");
        assert_eq!(all[0].name, "2026-11-22-000001_core");
        assert!(!file.exists() || database != file);
        assert_eq!(migrations::apply(database).unwrap(), all);
        assert_eq!(pending(migrations::look(database).unwrap()), 0);
        assert_eq!(pending(migrations::apply(database).unwrap()), 0);
    }
}
