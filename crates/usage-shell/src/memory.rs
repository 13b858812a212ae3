//! What the process keeps of memory that it no longer uses.

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
