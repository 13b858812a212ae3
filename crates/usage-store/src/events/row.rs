//! Rows of the two tables of events, as they stand.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{DedupeKey, Dimensions, Metrics, NanoUsd, UsageEvent};

use super::StoredEvent;
use crate::accounts::StoredAccount;
use crate::coverage::{parse_endpoint, parse_window};
use crate::error::StoreError;
use crate::pricing::EventPrice;
use crate::schema::{usage_events, usage_revisions};

/// Declares a struct with a field for each column of an event, for one of the two tables that have them.
macro_rules! event_row {
    ($name:ident, $table:ident) => {
        #[derive(Queryable, QueryableByName, Selectable)]
        #[diesel(table_name = $table)]
        pub(crate) struct $name {
            account_id: i64,
            endpoint: String,
            pub(super) window_start: i64,
            window_end: i64,
            pub(super) dedupe_key: Vec<u8>,
            project_id: Option<String>,
            api_key_id: Option<String>,
            user_id: Option<String>,
            model: Option<String>,
            service_tier: Option<String>,
            batch: Option<bool>,
            api_source: Option<String>,
            vector_store_id: Option<String>,
            size: Option<String>,
            source: Option<String>,
            context_level: Option<String>,
            input_tokens: Option<i64>,
            output_tokens: Option<i64>,
            input_cached_tokens: Option<i64>,
            input_uncached_tokens: Option<i64>,
            input_cache_write_tokens: Option<i64>,
            input_cache_write_30m_tokens: Option<i64>,
            input_cache_write_12h_tokens: Option<i64>,
            input_text_tokens: Option<i64>,
            output_text_tokens: Option<i64>,
            input_cached_text_tokens: Option<i64>,
            input_audio_tokens: Option<i64>,
            input_cached_audio_tokens: Option<i64>,
            output_audio_tokens: Option<i64>,
            input_image_tokens: Option<i64>,
            input_cached_image_tokens: Option<i64>,
            output_image_tokens: Option<i64>,
            num_model_requests: Option<i64>,
            images: Option<i64>,
            characters: Option<i64>,
            seconds: Option<i64>,
            usage_bytes: Option<i64>,
            num_sessions: Option<i64>,
            num_requests: Option<i64>,
            content_hash: i64,
            revision: i64,
            first_stored_at: i64,
            changed_at: i64,
            run_id: i64,
            cost_nano_usd: Option<i64>,
            price_ref: Option<i64>,
        }

        impl $name {
            pub(crate) fn into_event(self, owners: &[StoredAccount]) -> Result<StoredEvent, StoreError> {
                self.into_parts(owners).map(|(event, _, _)| event)
            }

            /// The event, with the key and the hash under which it stands.
            pub(crate) fn into_parts(
                mut self,
                owners: &[StoredAccount],
            ) -> Result<(StoredEvent, Vec<u8>, i64), StoreError> {
                let owner = owners.iter().find(|owner| owner.id == self.account_id);
                let owner = owner.ok_or_else(|| StoreError::corrupt("account", self.account_id))?;
                debug_assert_eq!(self.dedupe_key.len(), 16, "a dedupe key has 16 bytes");
                let endpoint = parse_endpoint(&self.endpoint)?;
                let window = parse_window(self.window_start, self.window_end - self.window_start)?;
                let (dedupe_key, content_hash) = (std::mem::take(&mut self.dedupe_key), self.content_hash);
                let (account_id, revision, run_id) = (self.account_id, self.revision, self.run_id);
                let (first_stored_at, changed_at) =
                    (instant(self.first_stored_at)?, instant(self.changed_at)?);
                let price = self.price_ref.map(|price_ref| EventPrice {
                    cost: self.cost_nano_usd.map(NanoUsd::new),
                    price_ref,
                });
                let (dimensions, metrics, _) = self.into_numbers();
                let event = StoredEvent {
                    event: UsageEvent {
                        account: owner.account.clone(),
                        endpoint,
                        window,
                        dimensions,
                        metrics,
                    },
                    account_id,
                    revision,
                    first_stored_at,
                    changed_at,
                    run_id,
                    price,
                };
                Ok((event, dedupe_key, content_hash))
            }

            /// What is summed up, by what, and the cost in nano-USD.
            pub(crate) fn into_numbers(self) -> (Dimensions, Metrics, Option<i64>) {
                let dimensions = Dimensions {
                    project_id: self.project_id,
                    api_key_id: self.api_key_id,
                    user_id: self.user_id,
                    model: self.model,
                    service_tier: self.service_tier,
                    batch: self.batch,
                    api_source: self.api_source,
                    vector_store_id: self.vector_store_id,
                    size: self.size,
                    source: self.source,
                    context_level: self.context_level,
                };
                let metrics = Metrics {
                    input_tokens: self.input_tokens,
                    output_tokens: self.output_tokens,
                    input_cached_tokens: self.input_cached_tokens,
                    input_uncached_tokens: self.input_uncached_tokens,
                    input_cache_write_tokens: self.input_cache_write_tokens,
                    input_cache_write_30m_tokens: self.input_cache_write_30m_tokens,
                    input_cache_write_12h_tokens: self.input_cache_write_12h_tokens,
                    input_text_tokens: self.input_text_tokens,
                    output_text_tokens: self.output_text_tokens,
                    input_cached_text_tokens: self.input_cached_text_tokens,
                    input_audio_tokens: self.input_audio_tokens,
                    input_cached_audio_tokens: self.input_cached_audio_tokens,
                    output_audio_tokens: self.output_audio_tokens,
                    input_image_tokens: self.input_image_tokens,
                    input_cached_image_tokens: self.input_cached_image_tokens,
                    output_image_tokens: self.output_image_tokens,
                    num_model_requests: self.num_model_requests,
                    images: self.images,
                    characters: self.characters,
                    seconds: self.seconds,
                    usage_bytes: self.usage_bytes,
                    num_sessions: self.num_sessions,
                    num_requests: self.num_requests,
                };
                (dimensions, metrics, self.cost_nano_usd)
            }
        }
    };
}

impl EventRow {
    pub(crate) const fn window_start(&self) -> i64 {
        self.window_start
    }

    pub(crate) fn dedupe_key(&self) -> &[u8] {
        &self.dedupe_key
    }
}

event_row!(EventRow, usage_events);
event_row!(RevisedEvent, usage_revisions);

pub(crate) fn parse_key(bytes: &[u8]) -> Result<DedupeKey, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::corrupt("dedupe key", bytes.len()))?;
    Ok(DedupeKey::from_bytes(bytes))
}

pub(crate) fn instant(unix_seconds: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp(unix_seconds, 0).ok_or_else(|| StoreError::corrupt("time", unix_seconds))
}
