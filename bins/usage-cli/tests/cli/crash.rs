//! A backfill that is killed at any moment loses nothing and doubles nothing.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use usage_simulator::{Generate, Organization};

use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider};

const DAYS: u32 = 60;
const BACKFILL: [&str; 7] = [
    "backfill",
    "--start",
    "2025-03-01",
    "--end",
    "2025-04-29",
    "--chunk-days",
    "2",
];

/// As in the continuous integration unless `USAGE_CRASH_ROUNDS` asks for more.
const ROUNDS: u64 = 10;

pub(crate) fn a_killed_backfill_goes_on_where_it_stopped(kind: DatabaseKind) {
    let provider = Provider::of(Organization::generate(&Generate {
        organization: ORGANIZATION.to_owned(),
        first_day: usage_core::parse_day("2025-03-01").unwrap(),
        days: DAYS,
        groups_per_day: 30,
        bursts: 1,
        ..Generate::default()
    }));
    let undisturbed = Place::with_key(kind, &provider);
    provider.simulator.clear_requests();
    let begun = Instant::now();
    undisturbed.run(&BACKFILL).succeeds();
    let duration = begun.elapsed();
    let requests = provider.simulator.requests().len() as u64;
    let truth = undisturbed.contents();
    assert_eq!(truth.coverage[0]["windows"], DAYS);

    let (rounds, mut killed, mut partial) = (rounds(), 0, 0);
    for round in 0..rounds {
        let mut random = ChaCha8Rng::seed_from_u64(round);
        // Progress, not time, says where in the run it is, so that a busy machine does not shift every moment to the
        // beginning; the delay then chooses between reading, applying and committing.
        let after_requests = random.next_u64() % requests;
        let scale = u64::try_from(duration.as_micros()).unwrap() / requests;
        let delay = Duration::from_micros(random.next_u64() % (3 * scale + 1));
        let moment = format!("{kind:?}, round {round}: killed {delay:?} after request {after_requests}");

        let place = Place::with_key(kind, &provider);
        provider.simulator.clear_requests();
        let mut command = place.command(&BACKFILL);
        let mut child = command.spawn().unwrap();
        if after_requests > 0 {
            provider.wait_for(|requests| requests.len() as u64 >= after_requests);
        }
        std::thread::sleep(delay);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        killed += u64::from(status.signal().is_some());

        let left = place.events();
        assert!(truth.events.starts_with(&left), "{moment}: left {left}");
        let covered = place.count("usage_coverage");
        partial += u64::from(covered > 0 && covered < undisturbed.count("usage_coverage"));

        let resumed = place.run(&BACKFILL).succeeds();
        assert!(
            !resumed.stderr.contains("waiting"),
            "{moment}: a dead holder is replaced at once: {resumed:#?}"
        );
        assert!(place.contents() == truth, "{moment}: another ledger");
        assert_eq!(place.count("usage_revisions"), 0, "{moment}");

        provider.simulator.clear_requests();
        place.run(&BACKFILL).succeeds();
        assert_eq!(
            provider.simulator.requests(),
            [],
            "{moment}: nothing was left to ask"
        );
    }
    assert!(
        killed > 0 && partial > 0,
        "{kind:?}: {killed} of {rounds} were killed, {partial} half way"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a longer run is asked for by whoever starts the tests"
)]
fn rounds() -> u64 {
    std::env::var("USAGE_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}
