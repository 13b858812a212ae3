//! Noting that tokens are used, which holds up nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::task::TaskTracker;
use usage_store::{ApiToken, Ledger};

/// A use is noted no more often.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// When which token's use was noted last, or was to be, by this process.
#[derive(Default)]
pub(crate) struct Uses {
    noted: Mutex<HashMap<i64, DateTime<Utc>>>,
    /// One write at a time, so that they never have more than one connection.
    writing: AsyncMutex<()>,
}

impl Uses {
    /// Notes that the token was used, beside the answer.
    pub(crate) fn note(
        self: &Arc<Self>,
        ledger: &Ledger,
        tasks: &TaskTracker,
        token: &ApiToken,
        now: DateTime<Utc>,
    ) {
        if !self.is_due(token, now) {
            return;
        }
        let (uses, ledger, id) = (self.clone(), ledger.clone(), token.id);
        tasks.spawn(async move {
            let _turn = uses.writing.lock().await;
            if let Err(error) = ledger.note_api_token_used(id, now).await {
                tracing::warn!("the use of a token could not be noted: {error}");
            }
        });
    }

    /// Whether it is to be noted; whoever asks does so.
    fn is_due(&self, token: &ApiToken, now: DateTime<Utc>) -> bool {
        // A clock that was set back is no reason to note nothing for long.
        let is_recent = |at: DateTime<Utc>| (now - at).abs() < EVERY;
        if token.last_used_at.is_some_and(is_recent) {
            return false;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&token.id).copied().is_some_and(is_recent) {
            return false;
        }
        noted.insert(token.id, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use usage_store::{AccountScope, TokenRole};

    use super::*;

    #[test]
    fn a_use_is_noted_once_a_minute_whatever_became_of_it() {
        let begin = DateTime::UNIX_EPOCH;
        let at = |seconds| begin + TimeDelta::seconds(seconds);
        let token = |id, last_used_at| ApiToken {
            id,
            name: "the story's".to_owned(),
            role: TokenRole::Reader,
            scope: AccountScope::All,
            mask: String::new(),
            created_at: begin,
            expires_at: None,
            last_used_at,
            revoked_at: None,
        };
        let uses = Uses::default();
        let due = |id, seconds| uses.is_due(&token(id, None), at(seconds));
        assert!(
            due(1, 0) && !due(1, 0) && !due(1, 59),
            "nobody else has noted it yet"
        );
        assert!(due(2, 59), "another token");
        assert!(due(1, 60) && !due(1, 119));
        assert!(due(1, -1), "the clock was set back");
        assert!(
            !uses.is_due(&token(3, Some(at(30))), at(60)),
            "another process noted it"
        );
    }
}
