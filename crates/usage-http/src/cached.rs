//! What is computed once for everybody who asks at about the same time.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A value that is told again for a while. Whoever asks while it is being computed waits for that.
pub(crate) struct Cached<T> {
    lasts: Duration,
    latest: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Cached<T> {
    /// Nothing yet; what comes is told again for so long.
    pub(crate) fn for_(lasts: Duration) -> Self {
        Self {
            lasts,
            latest: Mutex::new(None),
        }
    }

    /// The value, if it is not too old, else a new one. One that is dropped before it is computed leaves nothing behind.
    pub(crate) async fn get_or(&self, compute: impl Future<Output = T>) -> T {
        let mut latest = self.latest.lock().await;
        if let Some((at, value)) = &*latest
            && at.elapsed() < self.lasts
        {
            return value.clone();
        }
        let value = compute.await;
        *latest = Some((Instant::now(), value.clone()));
        value
    }
}
