//! What the process keeps of memory that it no longer uses.

use std::convert::Infallible;
use std::time::Duration;

/// How often the system gets back what is free. It takes less than a millisecond where little is.
const GIVE_BACK: Duration = Duration::from_mins(1);

/// Makes every thread allocate from the same place, before there is a second thread.
///
/// glibc gives each thread a place of its own and keeps there what the thread's largest moment took. Database work runs on
/// threads that take turns, so a process that ran for months grew by each one's largest moment. Other C libraries have no such
/// places.
pub(crate) fn share_between_threads() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "a setting of the C library, which has no safe name")]
    // SAFETY: takes two numbers and touches no memory of ours; mallopt(3) allows it at any time. If it is refused, memory is
    // kept as before.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives the system back what is free, again and again.
///
/// glibc by itself gives back only what lies at the end of its place, so that a process would keep what its busiest moment
/// took as long as anything above it lives. Other C libraries do it by themselves.
pub(crate) async fn give_back_regularly() -> Infallible {
    loop {
        tokio::time::sleep(GIVE_BACK).await;
        #[cfg(target_env = "gnu")]
        #[expect(unsafe_code, reason = "a function of the C library, which has no safe name")]
        // SAFETY: takes a number and touches nothing that is in use; malloc_trim(3) may be called at any time by any thread.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
