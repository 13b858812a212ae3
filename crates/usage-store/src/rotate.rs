//! New secrets in old rows: another master key, or another credential of the same account.

use std::sync::Arc;

use diesel::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::keys::{self, KeyStatus, ProviderKey};
use crate::ledger::Ledger;
use crate::schema::provider_keys;
use crate::vault::{CIPHER_VERSION, MasterKey, mask_secret};

/// What became of one provider key that was under another master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resealed {
    /// It is under the current master key.
    Done,
    /// Somebody else resealed, rotated or removed it in the meantime; nothing was written.
    Elsewhere,
    /// It is under a master key that is not given, and stays as it is.
    NotOpened,
}

impl Ledger {
    /// Seals the first provider key behind number `after` that is not under the current master key anew, in a
    /// transaction of its own that is run again a few times when another one was in the way, and returns its number;
    /// `None` when there is no other.
    ///
    /// It can be stopped between any two keys and begun again. Whoever holds both master keys can open every provider
    /// key at any moment.
    pub async fn reseal_next(
        &self,
        master: Arc<MasterKey>,
        after: i64,
    ) -> Result<Option<(i64, Resealed)>, StoreError> {
        let current = master.id().to_owned();
        let next: Option<i64> = self
            .run(move |connection| {
                provider_keys::table
                    .filter(provider_keys::id.gt(after))
                    .filter(provider_keys::master_key_id.ne(&current))
                    .order(provider_keys::id.asc())
                    .select(provider_keys::id)
                    .first(connection)
                    .optional()
                    .map_err(StoreError::query("reading the provider keys"))
            })
            .await?;
        let Some(id) = next else {
            return Ok(None);
        };
        self.write(move |connection| reseal(connection, &master, id))
            .await
            .map(|resealed| Some((id, resealed)))
    }

    /// Replaces the secret of a provider key; its number, label, account and history stay.
    ///
    /// Fails with [`StoreError::AlreadyExists`] if the account has the secret already.
    pub async fn rotate_key(
        &self,
        master: Arc<MasterKey>,
        id: i64,
        secret: SecretString,
        status: KeyStatus,
    ) -> Result<ProviderKey, StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            let key = keys::find(connection, id)?;
            refuse_known(connection, &master, &key, &secret)?;
            let binding = keys::binding(id, &key.account.account, &key.filter);
            let sealed = keys::seal(&master, &secret, &binding)?;
            let changed = diesel::update(provider_keys::table.find(id))
                .set((
                    provider_keys::mask.eq(mask_secret(secret.expose_secret())),
                    provider_keys::cipher_version.eq(CIPHER_VERSION),
                    provider_keys::master_key_id.eq(master.id()),
                    provider_keys::nonce.eq(sealed.nonce),
                    provider_keys::ciphertext.eq(sealed.ciphertext),
                    provider_keys::status.eq(status.as_str()),
                    provider_keys::status_message.eq(status.message()),
                    provider_keys::checked_at.eq((status != KeyStatus::Unchecked).then_some(now)),
                ))
                .execute(connection)
                .map_err(StoreError::query("rotating a provider key"))?;
            keys::found(changed, id)?;
            keys::find(connection, id)
        })
        .await
    }
}

fn reseal(connection: &mut AnyConnection, master: &MasterKey, id: i64) -> Result<Resealed, StoreError> {
    let (key, row) = match (keys::find(connection, id), keys::sealed(connection, id)) {
        (Ok(key), Ok(row)) => (key, row),
        (Err(StoreError::NotFound { .. }), _) | (_, Err(StoreError::NotFound { .. })) => {
            return Ok(Resealed::Elsewhere);
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    if row.master_key_id == master.id() {
        return Ok(Resealed::Elsewhere);
    }
    let secret = match keys::open(master, &key, &row) {
        Ok(secret) => secret,
        Err(StoreError::WrongMasterKey { .. }) => return Ok(Resealed::NotOpened),
        Err(error) => return Err(error),
    };
    let binding = keys::binding(id, &key.account.account, &key.filter);
    let sealed = keys::seal(master, &secret, &binding)?;
    // Only over the very row that was opened: a secret that was rotated meanwhile must not come back.
    let changed = diesel::update(
        provider_keys::table
            .find(id)
            .filter(provider_keys::master_key_id.eq(&row.master_key_id))
            .filter(provider_keys::nonce.eq(&row.sealed.nonce)),
    )
    .set((
        provider_keys::cipher_version.eq(CIPHER_VERSION),
        provider_keys::master_key_id.eq(master.id()),
        provider_keys::nonce.eq(sealed.nonce),
        provider_keys::ciphertext.eq(sealed.ciphertext),
    ))
    .execute(connection)
    .map_err(StoreError::query("resealing a provider key"))?;
    Ok(if changed == 1 {
        Resealed::Done
    } else {
        Resealed::Elsewhere
    })
}

fn refuse_known(
    connection: &mut AnyConnection,
    master: &MasterKey,
    key: &ProviderKey,
    secret: &SecretString,
) -> Result<(), StoreError> {
    for other in keys::load(connection, None)? {
        if other.account != key.account || other.filter != key.filter {
            continue;
        }
        let row = keys::sealed(connection, other.id)?;
        let same = keys::open(master, &other, &row)
            .is_ok_and(|known| known.expose_secret() == secret.expose_secret());
        if same {
            return Err(StoreError::AlreadyExists(format!(
                "this key is already stored as key {}; give the new one",
                other.id
            )));
        }
    }
    Ok(())
}
