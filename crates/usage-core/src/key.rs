//! The identity of a usage event, and of a cost.

use std::fmt::{self, Write as _};

use crate::account::Account;
use crate::cost::CostGroup;
use crate::dimension::{Dimension, Dimensions};
use crate::endpoint::Endpoint;
use crate::instant::format_instant;
use crate::window::Window;

/// Version of the encoding below. Stored keys depend on it: it never changes without a migration of every ledger.
const VERSION: u8 = 1;

// Tags below the dimensions'. Dimension tags are 16 + the variant's number.
const TAG_PROVIDER: u8 = 1;
const TAG_ORGANIZATION: u8 = 2;
const TAG_ENDPOINT: u8 = 3;
const TAG_WIDTH: u8 = 4;
const TAG_START: u8 = 5;
const TAG_CURRENCY: u8 = 6;
const TAG_DIMENSIONS: u8 = 16;

/// The identity of a usage event: the first 128 bits of a BLAKE3 hash over everything that names it.
///
/// The encoding is one version byte, then for each present value, in tag order: the tag in one byte, the length in
/// four (big-endian), the value in UTF-8. Absent and empty values are left out, so a dimension that appears later
/// changes no existing key. The metrics are not part of it.
///
/// ```
/// use usage_core::{Account, DedupeKey, Dimensions, Endpoint, Provider, Window, parse_day};
///
/// let account = Account::new(Provider::OpenAi, "org-demo")?;
/// let day = Window::day(parse_day("2025-09-01")?);
/// let key = |model: &str| {
///     let dimensions = Dimensions { model: Some(model.to_owned()), ..Dimensions::default() };
///     DedupeKey::new(&account, Endpoint::Completions, day, &dimensions)
/// };
/// assert_eq!(key("gpt-5"), key("gpt-5"));
/// assert_ne!(key("gpt-4.1"), key("gpt-4-1"), "models keep the provider's spelling");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupeKey([u8; 16]);

impl DedupeKey {
    /// The key of the event with this account, endpoint, window and dimensions.
    pub fn new(account: &Account, endpoint: Endpoint, window: Window, dimensions: &Dimensions) -> Self {
        DedupeKeys::of(account, endpoint, window).key(dimensions)
    }

    /// The key of the cost with this account, endpoint, window and group.
    pub fn of_cost(account: &Account, endpoint: Endpoint, window: Window, group: &CostGroup) -> Self {
        DedupeKeys::of(account, endpoint, window).cost_key(group)
    }

    /// The same identity in a form that people and tests can read; injective like the key.
    pub fn canonical(
        account: &Account,
        endpoint: Endpoint,
        window: Window,
        dimensions: &Dimensions,
    ) -> String {
        let mut text = format!("v{VERSION}");
        let mut each = |tag, name: &str, value: &str| {
            let start = format_instant(window.start());
            let value = if tag == TAG_START { start.as_str() } else { value };
            // Writing to a string cannot fail.
            let _ = write!(text, " {name}={value:?}");
        };
        visit_shared(account, endpoint, window, &mut each);
        visit_dimensions(dimensions, &mut each);
        text
    }

    /// The 16 bytes a database stores.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// Makes the keys of many events of one window: what they share is encoded once.
#[derive(Clone, Debug)]
pub struct DedupeKeys {
    encoded: Vec<u8>,
    shared: usize,
}

impl DedupeKeys {
    /// The keys of the events with this account, endpoint and window.
    pub fn of(account: &Account, endpoint: Endpoint, window: Window) -> Self {
        let mut encoded = vec![VERSION];
        visit_shared(account, endpoint, window, |tag, _, value| {
            encode(&mut encoded, tag, value);
        });
        let shared = encoded.len();
        Self { encoded, shared }
    }

    /// The key of the event with these dimensions.
    pub fn key(&mut self, dimensions: &Dimensions) -> DedupeKey {
        self.encoded.truncate(self.shared);
        visit_dimensions(dimensions, |tag, _, value| encode(&mut self.encoded, tag, value));
        self.hashed()
    }

    /// The key of the cost with this group.
    pub fn cost_key(&mut self, group: &CostGroup) -> DedupeKey {
        self.encoded.truncate(self.shared);
        if let Some(currency) = group.currency() {
            encode(&mut self.encoded, TAG_CURRENCY, &currency);
        }
        for (dimension, value) in [
            (Dimension::ProjectId, group.project_id()),
            (Dimension::ApiKeyId, group.api_key_id()),
            (Dimension::LineItem, group.line_item()),
        ] {
            if let Some(value) = value {
                encode(&mut self.encoded, TAG_DIMENSIONS + dimension as u8, value);
            }
        }
        self.hashed()
    }

    fn hashed(&self) -> DedupeKey {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(&self.encoded).as_bytes()[..16]);
        DedupeKey(key)
    }
}

fn encode(encoded: &mut Vec<u8>, tag: u8, value: &str) {
    // Values are ids and names; one of 4 GiB cannot pass the body limit.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    encoded.push(tag);
    encoded.extend_from_slice(&length.to_be_bytes());
    encoded.extend_from_slice(value.as_bytes());
}

impl fmt::Display for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Calls `each` with tag, name and value of what all events of a window share, in tag order.
fn visit_shared(account: &Account, endpoint: Endpoint, window: Window, mut each: impl FnMut(u8, &str, &str)) {
    each(TAG_PROVIDER, "provider", account.provider().as_str());
    each(TAG_ORGANIZATION, "organization", account.organization());
    each(TAG_ENDPOINT, "endpoint", endpoint.as_str());
    each(TAG_WIDTH, "width", window.width().as_str());
    each(TAG_START, "start", &window.start_unix().to_string());
}

/// As [`visit_shared`], of the dimensions that are present.
fn visit_dimensions(dimensions: &Dimensions, mut each: impl FnMut(u8, &str, &str)) {
    for dimension in Dimension::USAGE {
        if let Some(value) = dimensions.get(dimension) {
            each(TAG_DIMENSIONS + dimension as u8, dimension.as_str(), value);
        }
    }
}
