//! Who may ask the provider, who may ask this server, and signing in.

use askama::Template;

use super::parts::Badge;
use crate::dashboard::chrome::Chrome;
use crate::dashboard::display::{At, Fact};

/// The page on which one signs in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignIn {
    pub(crate) chrome: Chrome,
    /// Why the last try failed.
    pub(crate) refused: Option<String>,
    /// Where to go then.
    pub(crate) back: String,
}

/// The provider keys.
#[derive(Template)]
#[template(path = "keys.html")]
pub(crate) struct Keys {
    pub(crate) chrome: Chrome,
    pub(crate) rows: Vec<KeyRow>,
    pub(crate) add: AddKey,
}

/// One key.
pub(crate) struct KeyRow {
    pub(crate) id: i64,
    pub(crate) account: String,
    pub(crate) label: Option<String>,
    pub(crate) mask: String,
    pub(crate) projects: String,
    pub(crate) status: Badge,
    /// What the last check said, if anything was wrong.
    pub(crate) message: Option<String>,
    pub(crate) added: At,
    pub(crate) checked: At,
}

/// The form that adds a key: what was typed, but the secret, and what is wrong with it.
#[derive(Default)]
pub(crate) struct AddKey {
    pub(crate) provider: String,
    pub(crate) organization: String,
    pub(crate) label: String,
    pub(crate) projects: String,
    pub(crate) refused: Option<String>,
}

/// The form that gives a key another secret, or asks whether it is to go.
#[derive(Template)]
#[template(path = "key.html")]
pub(crate) struct KeyPage {
    pub(crate) chrome: Chrome,
    pub(crate) key: KeyRow,
    pub(crate) action: KeyAction,
    pub(crate) refused: Option<String>,
}

/// What is to be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAction {
    Rotate,
    Remove,
}

/// The API tokens.
#[derive(Template)]
#[template(path = "tokens.html")]
pub(crate) struct Tokens {
    pub(crate) chrome: Chrome,
    pub(crate) rows: Vec<TokenRow>,
    pub(crate) accounts: Vec<(i64, String)>,
    pub(crate) refused: Option<String>,
}

/// One token.
pub(crate) struct TokenRow {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) mask: String,
    pub(crate) role: &'static str,
    pub(crate) accounts: String,
    pub(crate) status: Badge,
    pub(crate) created: At,
    pub(crate) expires: At,
    pub(crate) used: At,
    /// Whether it is the one that is signed in.
    pub(crate) is_own: bool,
    pub(crate) may_revoke: bool,
}

/// A new token, this once.
#[derive(Template)]
#[template(path = "token_made.html")]
pub(crate) struct TokenMade {
    pub(crate) chrome: Chrome,
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) facts: Vec<Fact>,
}

/// Whether a token is to be revoked.
#[derive(Template)]
#[template(path = "token_revoke.html")]
pub(crate) struct TokenRevoke {
    pub(crate) chrome: Chrome,
    pub(crate) token: TokenRow,
}

/// What cannot be shown, and why.
#[derive(Template)]
#[template(path = "failure.html")]
pub(crate) struct Failure {
    pub(crate) chrome: Chrome,
    pub(crate) status: u16,
    /// What it is called.
    pub(crate) heading: String,
    /// What is wrong and what to do.
    pub(crate) detail: String,
    /// By which the log is searched.
    pub(crate) request_id: Option<String>,
}

impl KeyPage {
    fn is_removal(&self) -> bool {
        self.action == KeyAction::Remove
    }
}

impl Keys {
    fn is_provider(&self, name: &str) -> bool {
        self.add.provider == name
    }
}
