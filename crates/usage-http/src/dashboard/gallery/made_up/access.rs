//! Pages of keys, tokens and signing in, and the page of a failure.

use super::{at, chrome};
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{At, Fact, Html};
use crate::dashboard::pages::{
    AddKey, Badge, Failure, KeyAction, KeyPage, KeyRow, Keys, SignIn, Standing, TokenMade, TokenRevoke,
    TokenRow, Tokens,
};

fn key_row() -> KeyRow {
    KeyRow {
        id: 1,
        account: "openai/org-made-up".to_owned(),
        label: Some("<b>Search</b> key".to_owned()),
        mask: "sk-a…wxyz".to_owned(),
        projects: "all".to_owned(),
        status: Badge::new(Standing::Bad, "refused"),
        message: Some("the provider no longer accepts it (401)".to_owned()),
        added: at("2025-09-01T08:00:00Z"),
        checked: at("2025-10-01T08:00:00Z"),
    }
}

pub(super) fn keys(is_admin: bool) -> Keys {
    Keys {
        chrome: chrome("Provider keys", Section::Keys, is_admin),
        rows: vec![key_row()],
        add: AddKey {
            provider: "openai".to_owned(),
            organization: "org-made-up".to_owned(),
            refused: Some("the provider does not accept the key (401)".to_owned()),
            ..AddKey::default()
        },
    }
}

pub(super) fn key_page(action: KeyAction) -> KeyPage {
    KeyPage {
        chrome: chrome("Remove this key?", Section::Keys, true),
        key: key_row(),
        action,
        refused: None,
    }
}

fn token_row() -> TokenRow {
    TokenRow {
        id: 3,
        name: "<b>Search</b> grafana".to_owned(),
        mask: "usage_…9xQ2".to_owned(),
        role: "reader",
        accounts: "openai/org-made-up".to_owned(),
        status: Badge::new(Standing::Good, "valid"),
        created: at("2025-09-01T08:00:00Z"),
        expires: At(None),
        used: at("2025-10-01T08:00:00Z"),
        is_own: true,
        may_revoke: true,
    }
}

pub(super) fn tokens() -> Tokens {
    Tokens {
        chrome: chrome("API tokens", Section::Tokens, true),
        rows: vec![token_row()],
        accounts: vec![(1, "openai/org-made-up".to_owned())],
        refused: None,
    }
}

pub(super) fn token_made() -> TokenMade {
    TokenMade {
        chrome: chrome("A new token", Section::Tokens, true),
        name: "grafana".to_owned(),
        secret: "usage_not-a-real-token-not-a-real-token-not-a-real".to_owned(),
        facts: vec![Fact::new("Role", Html::text("reader"))],
    }
}

pub(super) fn token_revoke() -> TokenRevoke {
    TokenRevoke {
        chrome: chrome("Revoke a token?", Section::Tokens, true),
        token: token_row(),
    }
}

pub(super) fn sign_in() -> SignIn {
    let mut chrome = chrome("Sign in", Section::Elsewhere, true);
    chrome.who = None;
    SignIn {
        chrome,
        refused: Some("This token is unknown, expired or revoked.".to_owned()),
        back: "/".to_owned(),
    }
}

pub(super) fn failure() -> Failure {
    Failure {
        chrome: chrome("Not found", Section::Elsewhere, true),
        status: 404,
        heading: "There is no such page".to_owned(),
        detail: "It may have been removed, or it is of an account that your token does not see.".to_owned(),
        request_id: Some("5f0c1a2b3c4d5e6f".to_owned()),
    }
}
