//! Holding an account's lease while a run works on it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use usage_core::{Issue, IssueCode};
use usage_store::{Lease, LeaseAttempt, Ledger, StoreError, StoredAccount};

use crate::process::ProcessIdentity;
use crate::progress::{Progress, Step};

/// How long a lease holds unless it is renewed, in real time: what an account waits for after a host died.
pub const LEASE_DURATION: Duration = Duration::from_secs(20);
/// How often a lease is renewed: three renewals may fail before it is lost.
const LEASE_RENEWAL: Duration = Duration::from_secs(5);
/// How often one who waits for a lease looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A lease that renews itself until it is given back or dropped.
pub struct HeldLease {
    pub(crate) lease: Lease,
    ledger: Ledger,
    renewal: JoinHandle<()>,
}

/// Who has a lease that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// The process, as runs and leases name it.
    pub holder: String,
}

impl HeldLease {
    /// Takes the account's lease if it is free or its holder is seen to be dead; does not wait.
    pub async fn try_take(
        ledger: &Ledger,
        account: &StoredAccount,
        us: &ProcessIdentity,
    ) -> Result<Result<Self, HeldBy>, StoreError> {
        let mut dead = None;
        loop {
            let attempt = ledger
                .acquire_lease(account.id, &us.to_string(), LEASE_DURATION, dead)
                .await?;
            let (holder, fencing) = match attempt {
                LeaseAttempt::Acquired(lease) => return Ok(Ok(Self::keep(ledger.clone(), lease))),
                LeaseAttempt::Held { holder, fencing, .. } => (holder, fencing),
            };
            let seen_dead = holder
                .parse::<ProcessIdentity>()
                .is_ok_and(|other| other.is_dead(us));
            if !seen_dead || dead == Some(fencing) {
                return Ok(Err(HeldBy { holder }));
            }
            dead = Some(fencing);
        }
    }

    /// Takes the account's lease, replacing a holder that is seen to be dead; waits out one lease if it is held. The issue
    /// says why it was not to be had.
    pub async fn take(
        ledger: &Ledger,
        account: &StoredAccount,
        us: &ProcessIdentity,
        progress: &dyn Progress,
        stop: &watch::Receiver<bool>,
    ) -> Result<Result<Self, Issue>, StoreError> {
        let name = account.account.to_string();
        let give_up = Instant::now() + LEASE_DURATION;
        let mut told = false;
        loop {
            let holder = match Self::try_take(ledger, account, us).await? {
                Ok(lease) => return Ok(Ok(lease)),
                Err(HeldBy { holder }) => holder,
            };
            if Instant::now() >= give_up {
                return Ok(Err(Issue::new(
                    IssueCode::LeaseHeld,
                    format!("{name} is being read by another process ({holder}); try again when it is done"),
                )));
            }
            if !told {
                let seconds = LEASE_DURATION.as_secs();
                progress.step(Step::WaitingForLease {
                    account: &name,
                    holder: &holder,
                    seconds,
                });
                told = true;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            if *stop.borrow() {
                return Ok(Err(Issue::new(
                    IssueCode::Stopped,
                    format!("{name}: told to stop while waiting for another process"),
                )));
            }
        }
    }

    /// The lease itself, for what writes under it.
    pub const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Gives the lease back, so that the next run need not wait.
    pub async fn release(self) {
        self.renewal.abort();
        if let Err(error) = self.ledger.release_lease(&self.lease).await {
            tracing::warn!(account_id = self.lease.account_id, %error, "the lease could not be given back");
        }
    }

    fn keep(ledger: Ledger, lease: Lease) -> Self {
        let renewal = tokio::spawn({
            let (ledger, lease) = (ledger.clone(), lease.clone());
            async move {
                loop {
                    tokio::time::sleep(LEASE_RENEWAL).await;
                    match ledger.renew_lease(&lease).await {
                        Ok(()) => {}
                        // Writing will fail with the same error, and that is where it is told.
                        Err(StoreError::LeaseLost { .. }) => return,
                        Err(error) => {
                            tracing::warn!(account_id = lease.account_id, %error, "the lease was not renewed");
                        }
                    }
                }
            }
        });
        Self {
            lease,
            ledger,
            renewal,
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
