//! Sealing provider keys: XChaCha20-Poly1305 under the user's master key.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox, SecretString};

/// Version of the sealing below, stored with each key.
pub(crate) const CIPHER_VERSION: i64 = 1;

const NONCE_BYTES: usize = 24;

/// The key that seals provider keys, with those that still open what they sealed before it. They never stand in the
/// database that they protect; `Debug` shows only the current one's id.
pub struct MasterKey {
    cipher: XChaCha20Poly1305,
    id: String,
    previous: Vec<MasterKey>,
}

/// A sealed secret as a row stores it.
pub(crate) struct Sealed {
    pub(crate) nonce: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl MasterKey {
    /// The master key with these 32 bytes.
    pub fn new(bytes: &SecretBox<[u8; 32]>) -> Self {
        let hash = blake3::derive_key("usage ledger 2026-11-24 master key id", bytes.expose_secret());
        let mut head = [0_u8; 8];
        head.copy_from_slice(&hash[..8]);
        let id = format!("{:016x}", u64::from_be_bytes(head));
        Self {
            cipher: XChaCha20Poly1305::new(bytes.expose_secret().into()),
            id,
            previous: Vec::new(),
        }
    }

    /// The same key, which also opens what this other key sealed; it seals nothing with it.
    #[must_use]
    pub fn with_previous(mut self, bytes: &SecretBox<[u8; 32]>) -> Self {
        let key = Self::new(bytes);
        if !self.opens(&key.id) {
            self.previous.push(key);
        }
        self
    }

    /// Whether what the key of this id sealed can be opened.
    pub fn opens(&self, id: &str) -> bool {
        self.named(id).is_some()
    }

    /// The current key or a previous one.
    pub(crate) fn named(&self, id: &str) -> Option<&Self> {
        std::iter::once(self)
            .chain(&self.previous)
            .find(|key| key.id == id)
    }

    /// Names the key without telling anything about it; stored with what it seals, so that a wrong one is recognised.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a secret for one row: `binding` names the row, so that a ciphertext moved to another row does not open.
    pub(crate) fn seal(&self, secret: &SecretString, binding: &str) -> Option<Sealed> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: binding.as_bytes(),
        };
        let ciphertext = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some(Sealed {
            nonce: nonce.to_vec(),
            ciphertext,
        })
    }

    /// Opens a sealed secret; `None` when the master key, the row or the bytes are not those it was sealed with.
    pub(crate) fn open(&self, sealed: &Sealed, binding: &str) -> Option<SecretString> {
        let nonce: [u8; NONCE_BYTES] = sealed.nonce.as_slice().try_into().ok()?;
        let payload = Payload {
            msg: &sealed.ciphertext,
            aad: binding.as_bytes(),
        };
        let bytes = Zeroizing::new(self.cipher.decrypt(&XNonce::from(nonce), payload).ok()?);
        std::str::from_utf8(&bytes).ok().map(SecretString::from)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What may be shown of a secret: its well-known prefix and its last four characters, if enough stays hidden.
///
/// ```
/// assert_eq!(usage_store::mask_secret("sk-admin-test-not-a-real-key-3fLg"), "sk-admin-…3fLg");
/// assert_eq!(usage_store::mask_secret("hunter2"), "…");
/// ```
pub fn mask_secret(secret: &str) -> String {
    const PREFIXES: [&str; 6] = [
        "sk-admin-",
        "sk-ant-admin01-",
        "sk-ant-",
        "sk-proj-",
        "sk-",
        "usage_",
    ];
    const SHOWN: usize = 4;
    let prefix = PREFIXES
        .into_iter()
        .find(|prefix| secret.starts_with(prefix))
        .unwrap_or_default();
    let hidden = secret[prefix.len()..].chars().count();
    if hidden < 4 * SHOWN {
        return format!("{prefix}…");
    }
    let tail: String = secret.chars().skip(secret.chars().count() - SHOWN).collect();
    format!("{prefix}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(&SecretBox::new(Box::new([byte; 32])))
    }

    #[test]
    fn opens_only_with_the_same_key_row_and_bytes() {
        let sealed = key(1)
            .seal(&SecretString::from("sk-admin-test-not-a-real-key"), "row 1")
            .unwrap();
        let opened = key(1).open(&sealed, "row 1").unwrap();
        assert_eq!(opened.expose_secret(), "sk-admin-test-not-a-real-key");
        assert!(key(2).open(&sealed, "row 1").is_none());
        assert!(key(1).open(&sealed, "row 2").is_none());
        let mut flipped = Sealed {
            nonce: sealed.nonce.clone(),
            ciphertext: sealed.ciphertext.clone(),
        };
        flipped.ciphertext[0] ^= 1;
        assert!(key(1).open(&flipped, "row 1").is_none());
    }

    #[test]
    fn a_previous_key_is_found_by_its_id_and_seals_nothing() {
        let both = key(2).with_previous(&SecretBox::new(Box::new([1; 32])));
        assert_eq!(both.id(), key(2).id());
        assert!(both.opens(key(1).id()) && both.opens(key(2).id()) && !both.opens(key(3).id()));
        let secret = SecretString::from("sk-admin-test-not-a-real-key");
        let old = key(1).seal(&secret, "row 1").unwrap();
        assert!(both.named(key(1).id()).unwrap().open(&old, "row 1").is_some());
        let new = both.seal(&secret, "row 1").unwrap();
        assert!(key(2).open(&new, "row 1").is_some() && key(1).open(&new, "row 1").is_none());
    }

    #[test]
    fn debug_tells_nothing_but_the_id() {
        assert_eq!(
            format!("{:?}", key(7)),
            format!("MasterKey {{ id: {:?}, .. }}", key(7).id())
        );
        assert_ne!(key(7).id(), key(8).id());
    }
}
