//! An organisation that lives: passes follow it day by day, and its own exports prove them.

use usage_app::cron::{PassOptions, PassReport};
use usage_core::{Endpoint, parse_instant};
use usage_simulator::{Generate, LivingOrganization};
use usage_store::AccountScope;

use crate::world::{ORGANIZATION, World, day};

/// In a year of which all costs are told by API key.
fn living() -> LivingOrganization {
    let options = Generate {
        organization: ORGANIZATION.to_owned(),
        first_day: day("2026-09-01"),
        every_endpoint: true,
        ..Generate::default()
    };
    LivingOrganization::new(options, parse_instant("2026-10-09T08:00:00Z").unwrap())
}

pub(crate) async fn passes_follow_a_living_organisation_and_its_exports_prove_them(world: World) {
    let living = living();
    let world = world.with(living.clone()).await;
    let exports = world.folder.path().join("exports");
    let options = PassOptions {
        endpoints: Endpoint::ALL.to_vec(),
        exports: Some(exports.clone()),
        ..world.options()
    };
    let pass = async |time: &str| {
        world.set(time);
        let report = world.pass_with(&options).await.unwrap();
        let account = &report.accounts[0];
        let parity = account.parity.clone().unwrap();
        assert!(report.success && parity.clean, "{time}: {report:#?}");
        assert_eq!(
            (parity.missing_in_db, parity.missing_in_csv, parity.mismatched),
            (0, 0, 0),
            "{time}"
        );
        // Every endpoint's file is recognised, and so are costs.
        assert_eq!(parity.windows_compared, 35 * 12, "{time}: {parity:#?}");
        report
    };
    let export = |time: &str| {
        living
            .write_exports(parse_instant(time).unwrap(), &exports)
            .unwrap();
    };
    let revisions = |report: &PassReport| report.telemetry.counters.revisions;

    export("2026-10-10T01:00:00Z");
    let first = pass("2026-10-10T02:00:00Z").await;
    assert_eq!(revisions(&first), 0, "nothing was read before it was restated");
    // Today goes on; the exports end with yesterday.
    let stored = world.stored().await;
    pass("2026-10-10T14:00:00Z").await;
    assert!(world.stored().await > stored, "today grew");

    export("2026-10-11T01:00:00Z");
    let second = pass("2026-10-11T02:00:00Z").await;
    assert!(revisions(&second) > 0, "{second:#?}");
    // The twelfth is slept through.
    export("2026-10-13T01:00:00Z");
    assert!(revisions(&pass("2026-10-13T02:00:00Z").await) > 0);
    assert!(
        revisions(&pass("2026-10-13T03:00:00Z").await) == 0,
        "nothing is restated twice a day"
    );

    let names = world.ledger().await.names(AccountScope::All).await.unwrap();
    let named = |id: &str| names.iter().any(|name| name.id == id);
    let now = living.at(parse_instant("2026-10-13T03:00:00Z").unwrap());
    assert_eq!(now.projects().len(), 4);
    for project in now.projects() {
        assert!(named(&project.id), "{}", project.id);
    }
    assert!(named(living.deleted_key()), "a deleted key keeps its name");
}
