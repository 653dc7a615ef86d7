//! A way back in for somebody who failed too often to sign in, while no server runs.
//!
//! Never makes a database or a key that is not there.

use crate::app::forgive;
use crate::config::Config;
use crate::domain::User;
use crate::domain::audit::AuditResult;
use crate::domain::chain::{Record, SealKey};
use crate::secrets::Secrets;
use crate::store::{Store, audit as rows, users};

use super::error::BootError;
use super::{audit, lock, secrecy};

/// Forgets the failures of the account of this name or address. `false`: there is none.
///
/// # Errors
/// [`BootError::Taken`] while a server runs; why the database or the key of the audit table cannot
/// be used.
pub fn unlock(config: &Config, name: &str) -> Result<bool, BootError> {
    if let Some(path) = config.database_path()
        && !path.exists()
    {
        let text = format!("there is no database at {}", path.display());
        return Err(BootError::Database(text));
    }
    actix_web::rt::System::new().block_on(async {
        let _held = lock::DataDir::take(&config.data_dir)?;
        let secret = Secrets::read_audit_key(&config.data_dir);
        let secret = secret.map_err(|error| BootError::Keys(error.to_string()))?;
        let database = config.database_url();
        let opened = tokio::task::spawn_blocking(move || Store::open(database.expose())).await;
        let store = opened.map_err(BootError::fault)?;
        let store = store.map_err(|error| secrecy::unopened(&error))?;
        let key = SealKey::derive(secret.expose());
        let done = match audit::ready(&store, &config.data_dir, key.clone()).await {
            Ok(()) => forgiven(&store, name.to_owned(), key).await,
            Err(error) => Err(error),
        };
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        closed.map_err(BootError::fault)?;
        done
    })
}

async fn forgiven(store: &Store, name: String, key: SealKey) -> Result<bool, BootError> {
    let written = store.write(move |conn| {
        let Some(user) = users::by_login(conn, &name)? else {
            return Ok(false);
        };
        forgive(conn, &user)?;
        rows::append(conn, &[record(&user)], &key)?;
        Ok(true)
    });
    written
        .await
        .map_err(|error| BootError::Database(error.to_string()))
}

fn record(user: &User) -> Record {
    Record {
        at: crate::runtime::now(),
        actor: "server".to_owned(),
        action: "user.unlocked".to_owned(),
        object: user.id.to_string(),
        result: AuditResult::Done.name().to_owned(),
        ..Record::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::Filter;
    use crate::store::fixture;

    #[tokio::test]
    async fn an_unlocked_account_is_noted_and_a_name_of_nobody_is_not() {
        let (_dir, store) = fixture::sqlite();
        let ann = fixture::user("ann");
        let (id, key) = (ann.id, SealKey::derive(&[1; 32]));
        let seal = key.clone();
        store
            .write(move |conn| {
                rows::begin(conn, &seal)?;
                users::insert(conn, &ann)
            })
            .await
            .unwrap();
        for (name, known) in [("nobody", false), ("ANN@example.org", true)] {
            let done = forgiven(&store, name.to_owned(), key.clone()).await;
            assert_eq!(done.unwrap(), known, "{name}");
        }
        let noted = store.read(|conn| rows::page(conn, 0, &Filter::default(), 9));
        let noted = noted.await.unwrap();
        assert_eq!(noted.len(), 1);
        assert_eq!(noted[0].record.object, id.to_string());
    }
}
