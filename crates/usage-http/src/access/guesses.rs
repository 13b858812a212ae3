//! Tokens that are none: how many of them are looked up.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

/// What is saved up at most, from which guesses are paid.
const MOST: Duration = Duration::from_mins(1);
/// How many tokens are remembered as good ones; there are rarely as many.
const MOST_KNOWN: usize = 10_000;

/// So many wrong tokens a minute, of all clients together: behind a proxy they have one address. Whoever had a good one before is
/// not slowed down by others who guess.
pub(crate) struct Guesses {
    /// After how long there is another one.
    price: Duration,
    state: Mutex<State>,
}

struct State {
    left: Duration,
    at: Instant,
    /// The hashes of tokens that were good.
    known: HashSet<blake3::Hash>,
}

impl Guesses {
    /// With so many wrong ones a minute, and as many at once after a rest.
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        Self {
            price: MOST / per_minute.get(),
            state: Mutex::new(State {
                left: MOST,
                at: Instant::now(),
                known: HashSet::new(),
            }),
        }
    }

    /// Takes a guess for a token that nobody has looked up yet, or says after how many seconds there is one.
    pub(crate) fn take(&self, token: &SecretString) -> Result<(), u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.known.contains(&hash(token)) {
            return Ok(());
        }
        let now = Instant::now();
        let saved = MOST.min(state.left + now.duration_since(state.at));
        state.at = now;
        let short = self.price.saturating_sub(saved);
        if !short.is_zero() {
            state.left = saved;
            return Err(short.as_secs() + 1);
        }
        state.left = saved.saturating_sub(self.price);
        Ok(())
    }

    /// Gives it back: the token is a good one.
    pub(crate) fn was_right(&self, token: &SecretString) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.known.contains(&hash(token)) {
            return;
        }
        state.left = MOST.min(state.left + self.price);
        if state.known.len() >= MOST_KNOWN {
            state.known.clear();
        }
        state.known.insert(hash(token));
    }

    /// It is a good one no longer.
    pub(crate) fn was_wrong(&self, token: &SecretString) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.known.remove(&hash(token));
    }
}

fn hash(token: &SecretString) -> blake3::Hash {
    blake3::hash(token.expose_secret().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_guesses_slows_down_nobody_who_has_a_token() {
        let guesses = Guesses::new(NonZeroU32::new(2).unwrap());
        let token = |text: &str| SecretString::from(text);
        let good = token("good");
        for _ in 0..5 {
            assert_eq!(guesses.take(&good), Ok(()));
            guesses.was_right(&good);
        }
        assert_eq!(guesses.take(&token("a")), Ok(()));
        assert_eq!(guesses.take(&token("b")), Ok(()));
        assert_eq!(guesses.take(&token("c")), Err(30));
        assert_eq!(guesses.take(&good), Ok(()));
        // Once it is revoked it is one of them.
        guesses.was_wrong(&good);
        assert_eq!(guesses.take(&good), Err(30));
    }
}
