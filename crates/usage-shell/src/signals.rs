//! Signals: a clean end for whoever asks, and none for what is no reason to end.

use tokio::sync::watch;

/// Turns true at the first SIGINT or SIGTERM: the run stops cleanly. A second one ends the process at once, which the
/// ledger survives like any other death.
pub fn stop_on_signal() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let Some(mut signals) = Signals::new() else {
            return;
        };
        signals.next().await;
        // The receiver is gone when the command is done already.
        let _ = stop.send(true);
        signals.next().await;
        #[expect(
            clippy::exit,
            reason = "whoever asks twice does not want to wait for a clean end"
        )]
        std::process::exit(INTERRUPTED);
    });
    stopped
}

/// What shells report of a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// The signals that ask a process to end, from the first one on.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C, where there are no other signals.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on Unix")]
    fn new() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A file that may not grow further fails its write, and that is told; unhandled, the signal would end the process
/// without a word.
#[cfg(unix)]
pub(crate) fn survive_file_size_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    /// 25 on Linux, macOS and the BSDs.
    const SIGXFSZ: i32 = 25;
    // The handler stays when the stream of signals is dropped.
    if let Err(error) = signal(SignalKind::from_raw(SIGXFSZ)) {
        tracing::debug!(%error, "a limit on file sizes will end the process");
    }
}

#[cfg(not(unix))]
/// Nothing to survive here.
pub(crate) const fn survive_file_size_limits() {}
