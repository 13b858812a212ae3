//! Pseudonyms: the same for the same value and salt, in every file and every run, and nothing to guess without the salt.

/// Mixed into the key, so that a salt that is used elsewhere gives other numbers here.
const CONTEXT: &str = "usage-fixtures 2025-11 pseudonyms of sanitized fixtures";

/// A salt shorter than this is one that names and addresses can be guessed through.
const STRONG: usize = 16;

/// How the provider's ids begin, as far as a beginning says what they name.
const ID_PREFIXES: [&str; 22] = [
    "proj_",
    "proj-",
    "user-",
    "user_",
    "key_",
    "apikey_",
    "org-",
    "org_",
    "svc_acct_",
    "svcacct_",
    "wrkspc_",
    "vs_",
    "file-",
    "asst_",
    "cert_",
    "invite-",
    "batch_",
    "skey_",
    "svc_",
    "sa_",
    "ws_",
    "group_",
];

/// The secret that pseudonyms depend on. Whoever has it can find out whether a name they think of is in a fixture.
#[derive(Clone)]
pub struct Salt {
    key: [u8; blake3::KEY_LEN],
}

/// The salt is short enough to be found by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the salt has fewer than {STRONG} characters: whoever tries all salts can find out names and addresses; use a longer one"
)]
pub struct WeakSalt;

impl Salt {
    /// The salt of these bytes, and whether it is a weak one.
    pub fn new(bytes: &[u8]) -> (Self, Option<WeakSalt>) {
        let salt = Self {
            key: blake3::derive_key(CONTEXT, bytes),
        };
        (salt, (bytes.len() < STRONG).then_some(WeakSalt))
    }

    /// An id that keeps its beginning: `user-AbC` becomes `user-0123456789abcdef`.
    pub(super) fn id(&self, id: &str) -> String {
        let prefix = ID_PREFIXES
            .into_iter()
            .find(|prefix| id.starts_with(prefix))
            .unwrap_or("id_");
        format!("{prefix}{}", self.number("id", id))
    }

    pub(super) fn name(&self, name: &str) -> String {
        format!("name_{}", self.number("name", name))
    }

    /// An address under a domain that can never exist. People write theirs in any case.
    pub(super) fn email(&self, email: &str) -> String {
        format!("{}@example.invalid", self.number("email", &email.to_lowercase()))
    }

    pub(super) fn text(&self, text: &str) -> String {
        format!("text_{}", self.number("text", text))
    }

    /// One that is no token stays none, so that a client still refuses it.
    pub(super) fn cursor(&self, cursor: &str) -> String {
        let number = self.number("cursor", cursor);
        if cursor.contains("://") {
            format!("https://removed.invalid/{number}")
        } else {
            format!("page_{number}")
        }
    }

    /// 64 bits in hexadecimal: enough that no two values of a fixture meet.
    fn number(&self, kind: &str, value: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher
            .update(kind.as_bytes())
            .update(&[0])
            .update(value.as_bytes());
        hasher.finalize().to_hex()[..16].to_owned()
    }
}

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt([redacted])")
    }
}

/// Whether a text is an id of the provider by its looks: a known beginning, then letters and digits of which one is a
/// digit or a capital, as `user-generated` has none.
pub(super) fn is_id(text: &str) -> bool {
    ID_PREFIXES.into_iter().any(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() >= 3
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && rest
                    .bytes()
                    .any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        })
    })
}
