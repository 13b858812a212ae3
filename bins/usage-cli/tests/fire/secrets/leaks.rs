//! Secrets, and what of them must not be found anywhere.

use std::collections::HashMap;

pub(super) const PROVIDER_KEY: &str = "sk-admin-test-not-a-real-key-Qw9Zx2Kv8Lp4";
/// What the key is rotated to.
pub(super) const OTHER_PROVIDER_KEY: &str = "sk-admin-test-another-one-Nf6Yb3Gd7Ws1";
pub(super) const MASTER_KEY: &str = "fire-master-key-not-a-secret-32b";
pub(super) const MASTER_KEY_BASE64: &str = "ZmlyZS1tYXN0ZXIta2V5LW5vdC1hLXNlY3JldC0zMmI=";
pub(super) const PASSWORD: &str = "Tr0ub4dor-correct-horse";
pub(super) const CRON_SECRET: &str = "cron-Hs5Jc0Md3Rb1Tn6";
pub(super) const SANITIZE_SALT: &str = "salt-Vu8Gk2Pz5Ye3Qa7";

/// So many characters of a secret in a row are a leak. A mask shows fewer.
const LEAK: usize = 10;

/// What must not be found: every part of every secret, as it is, in base64 and in hexadecimal.
pub(super) struct Leaks(HashMap<Vec<u8>, &'static str>);

impl Leaks {
    pub(super) fn new() -> Self {
        let mut leaks = Self(HashMap::new());
        for (name, secret) in [
            ("the provider key", PROVIDER_KEY),
            ("the other provider key", OTHER_PROVIDER_KEY),
            ("the master key", MASTER_KEY),
            ("the master key in base64", MASTER_KEY_BASE64),
            ("the password", PASSWORD),
            ("the cron secret", CRON_SECRET),
            ("the salt of pseudonyms", SANITIZE_SALT),
        ] {
            leaks.add(name, secret);
        }
        leaks
    }

    pub(super) fn add(&mut self, name: &'static str, secret: &str) {
        let hex = hexadecimal(secret);
        for (text, length) in [
            (secret.to_owned(), LEAK),
            (hex.to_ascii_uppercase(), 2 * LEAK),
            (hex, 2 * LEAK),
        ] {
            for part in text.as_bytes().windows(length) {
                // The same prefix stands before every key, and in masks.
                if !part.starts_with(b"sk-admin-") {
                    self.0.entry(part.to_vec()).or_insert(name);
                }
            }
        }
    }

    pub(super) fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        [LEAK, 2 * LEAK]
            .into_iter()
            .flat_map(|length| bytes.windows(length))
            .find_map(|part| self.0.get(part).copied())
    }
}

fn hexadecimal(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("{byte:02x}"));
    bytes.collect::<Vec<_>>().concat()
}

#[test]
fn leaks_are_found() {
    let leaks = Leaks::new();
    let hex = hexadecimal(MASTER_KEY).to_ascii_uppercase();
    for (text, leak) in [
        (format!("key {}", &PROVIDER_KEY[12..24]), Some("the provider key")),
        (hex[8..40].to_owned(), Some("the master key")),
        (format!("x{MASTER_KEY_BASE64}"), Some("the master key in base64")),
        (format!("postgres://me:{PASSWORD}@db"), Some("the password")),
        (format!("{}…{}", &PROVIDER_KEY[..9], &PROVIDER_KEY[37..]), None),
    ] {
        assert_eq!(leaks.find(text.as_bytes()), leak, "{text}");
    }
}
