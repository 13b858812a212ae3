//! Operations that the tests direct, and a server that asks them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use usage_core::{ManualClock, parse_instant};
use usage_http::{
    JsonText, Limits, Listen, OperationFailed, Operations, Readiness, ReadinessCheck, ServeOptions, Server,
};

/// What a caller of the cron routes must present.
pub(crate) const SECRET: &str = "cron-secret-for-tests-only";
/// What its report says.
pub(crate) const REPORT: &str = r#"{"success":true}"#;

/// How something ends that the routes ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    Badly,
    InPanic,
    Never,
}

/// Operations that end as the test says, and count how often they were asked.
pub(crate) struct Fake {
    pub(crate) pass: End,
    pub(crate) metrics: End,
    pub(crate) text: String,
    pub(crate) fault: Option<&'static str>,
    /// A pass, or metrics, go on only with a permit, which the test gives.
    pub(crate) gate: Semaphore,
    pub(crate) begun: AtomicUsize,
    pub(crate) ended: AtomicUsize,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            pass: End::Well,
            metrics: End::Well,
            text: "# a metric\n".to_owned(),
            fault: None,
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        }
    }
}

impl Fake {
    /// Operations that wait for the test.
    pub(crate) fn gated() -> Self {
        Self {
            gate: Semaphore::new(0),
            ..Self::default()
        }
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// Returns once so many operations have begun.
    pub(crate) async fn has_begun(&self, operations: usize) {
        while self.begun() < operations {
            tokio::task::yield_now().await;
        }
    }

    async fn end(&self, end: End, text: &str) -> Result<String, OperationFailed> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        let result = match end {
            End::Well => Ok(text.to_owned()),
            End::Badly => Err(OperationFailed::new("the ledger is away")),
            End::InPanic => panic!("the test wants it"),
            End::Never => std::future::pending().await,
        };
        self.ended.fetch_add(1, Ordering::SeqCst);
        result
    }
}

#[async_trait::async_trait]
impl Operations for Fake {
    async fn run_pass(&self) -> Result<JsonText, OperationFailed> {
        self.end(self.pass, "").await?;
        JsonText::of(&std::collections::BTreeMap::from([("success", true)]))
    }

    async fn metrics(&self) -> Result<String, OperationFailed> {
        self.end(self.metrics, &self.text).await
    }

    async fn readiness(&self) -> Readiness {
        Readiness {
            checks: vec![
                ReadinessCheck {
                    name: "database",
                    fault: None,
                },
                ReadinessCheck {
                    name: "master key",
                    fault: self.fault.map(str::to_owned),
                },
            ],
            coverage_lag_seconds: Some(864_000),
        }
    }
}

/// A server that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn with(fake: Fake) -> Self {
        Self::start(fake, Some(SECRET), Limits::default()).await
    }

    pub(crate) async fn start(fake: Fake, secret: Option<&str>, limits: Limits) -> Self {
        let listen = Listen {
            bind: ([127, 0, 0, 1], 0).into(),
            behind_proxy: false,
        };
        let server = Server::bind(listen).await.unwrap();
        let address = server.address();
        let fake = Arc::new(fake);
        let options = ServeOptions {
            cron_secret: secret.map(|secret| secret.to_owned().into()),
            clock: Arc::new(ManualClock::new(parse_instant("2025-10-10T02:00:00Z").unwrap())),
            limits,
            dashboard: None,
        };
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(server.serve(fake.clone(), options, stopped));
        Self {
            address,
            fake,
            stop,
            served,
        }
    }

    /// Tells it to stop, and does not wait.
    pub(crate) fn tell(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has stopped.
    pub(crate) async fn ends(self) {
        self.served.await.unwrap();
    }
}
