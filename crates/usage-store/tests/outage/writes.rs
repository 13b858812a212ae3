//! Every write of the ledger, cut off before its commit and after it: the caller is told what it would have been told, and
//! the ledger holds what it would have held.

use std::sync::Arc;

use secrecy::{SecretBox, SecretString};
use usage_core::{
    CostGroup, CostRow, DimensionSet, Directory, DirectoryEntry, DirectoryKind, Endpoint, NanoUsd,
    ProjectFilter, Scope, UsageRow, Width, WindowRange, parse_instant,
};
use usage_store::{
    AccountScope, CostReplacement, CostWindowRows, IMPORT_RUN, KeyStatus, LeaseAttempt, MasterKey,
    NewApiToken, NewIncident, NewProviderKey, PriceRecord, Reprice, Repriced, RowPrice, RowPricer,
    RowToPrice, RunStatus, TokenRole, WindowRows,
};
use usage_testkit::Then;

use crate::world::{LONG, NOW, World, day, new_run, openai, rows};

/// A write: sets its scene directly, then says what was done through the cut.
macro_rules! every_write_survives {
    ($($name:ident),+ $(,)?) => {
        mod cut_before_the_commit {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::writes::compare(stringify!($name), usage_testkit::Then::CutBefore).await;
            })+
        }
        mod cut_before_the_answer_to_the_commit {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::writes::compare(stringify!($name), usage_testkit::Then::CutBehind).await;
            })+
        }
        async fn tell(name: &str, world: &World, then: Option<Then>) -> String {
            match name {
                $(stringify!($name) => $name(world, then).await,)+
                other => panic!("{other}"),
            }
        }
    };
}

every_write_survives!(
    a_new_account,
    a_new_run,
    the_end_of_a_run,
    an_interrupted_run,
    a_first_read,
    a_restatement,
    costs,
    an_import,
    a_cleanup,
    new_prices,
    an_incident,
    the_end_of_an_incident,
    a_claim,
    a_lease,
    a_renewal,
    a_release,
    names,
    an_erased_user,
    erased_names,
    a_new_key,
    the_status_of_a_key,
    another_secret,
    another_master_key,
    a_removed_key,
    a_new_token,
    the_use_of_a_token,
    a_revoked_token,
);

async fn compare(name: &str, then: Then) {
    let undisturbed = World::new().await;
    let told = tell(name, &undisturbed, None).await;
    let disturbed = World::new().await;
    assert_eq!(tell(name, &disturbed, Some(then)).await, told);
    assert_eq!(rows_held(&disturbed), rows_held(&undisturbed));
}

/// Does something undisturbed, or with the network cut at its COMMIT.
async fn done<T>(world: &World, then: Option<Then>, work: impl Future<Output = T>) -> T {
    match then {
        None => work.await,
        Some(then) => world.cut(then, work).await,
    }
}

/// How many rows each table has, and how often rows were changed.
fn rows_held(world: &World) -> String {
    let tables = world.database.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
         AND table_type = 'BASE TABLE' AND table_name <> 'write_marks' ORDER BY table_name",
    );
    let counts = tables.lines().map(|table| {
        let rows = world.database.execute(&format!("SELECT count(*) FROM {table}"));
        format!("{table} {rows}\n")
    });
    let changes = world.database.execute(
        "SELECT (SELECT sum(revision) FROM usage_events), (SELECT sum(revision) FROM cost_events), \
         (SELECT sum(fencing) FROM leases), (SELECT sum(claim) FROM incidents), \
         (SELECT string_agg(status, ' ') FROM runs), (SELECT string_agg(status || mask, ' ') FROM provider_keys), \
         (SELECT count(*) FROM usage_events WHERE cost_nano_usd IS NOT NULL), \
         (SELECT count(*) FROM directory_names WHERE name IS NOT NULL), \
         (SELECT count(*) FROM leases WHERE expires_at_ms = 0), \
         (SELECT count(*) FROM incidents WHERE closed_at IS NULL)",
    );
    counts.chain([changes]).collect()
}

async fn a_new_account(world: &World, then: Option<Then>) -> String {
    let added = done(world, then, world.ledger.add_account(openai("org-second"))).await;
    added.unwrap().account.to_string()
}

async fn a_new_run(world: &World, then: Option<Then>) -> String {
    let id = done(world, then, world.ledger.start_run(new_run("backfill")))
        .await
        .unwrap();
    let run = world.direct.runs(1).await.unwrap().remove(0);
    assert_eq!(run.id, id, "the number that was told is the one that stands");
    run.kind
}

async fn the_end_of_a_run(world: &World, then: Option<Then>) -> String {
    let id = world.direct.start_run(new_run("backfill")).await.unwrap();
    let end = world
        .ledger
        .finish_run(id, RunStatus::Succeeded, "{}".to_owned(), "[]".to_owned());
    format!("{:?}", done(world, then, end).await)
}

async fn an_interrupted_run(world: &World, then: Option<Then>) -> String {
    let id = world.direct.start_run(new_run("backfill")).await.unwrap();
    format!("{:?}", done(world, then, world.ledger.mark_interrupted(id)).await)
}

/// Enough rows for COPY.
async fn a_first_read(world: &World, then: Option<Then>) -> String {
    let read = world.read(NOW, rows(300, 10));
    let outcomes = done(world, then, world.ledger.replace_windows(&world.lease, read)).await;
    format!("{outcomes:?}")
}

/// Of four rows one goes, two change and one stays.
async fn a_restatement(world: &World, then: Option<Then>) -> String {
    let first = world.read(NOW, rows(4, 10));
    world.direct.replace_windows(&world.lease, first).await.unwrap();
    let mut restated = rows(3, 10);
    for row in &mut restated[..2] {
        row.metrics.input_tokens = Some(9);
    }
    let read = world.read("2025-10-20T13:00:00Z", restated);
    let outcomes = done(world, then, world.ledger.replace_windows(&world.lease, read)).await;
    format!("{outcomes:?}")
}

async fn costs(world: &World, then: Option<Then>) -> String {
    let cost = CostRow {
        group: CostGroup {
            project_id: Some("proj_a".to_owned()),
            api_key_id: None,
            line_item: Some("gpt-5, input".to_owned()),
            currency: Some("usd".to_owned()),
        },
        amount: Some("0.06".parse().unwrap()),
        quantity: None,
        quantity_unit: None,
    };
    let read = CostReplacement {
        scope: Scope {
            account: world.account.account.clone(),
            endpoint: Endpoint::Costs,
            width: Width::Day,
            filter: ProjectFilter::ALL,
            grouped_by: Endpoint::Costs.dimensions(),
        },
        refused: DimensionSet::EMPTY,
        empty: DimensionSet::EMPTY,
        read_started_at: parse_instant(NOW).unwrap(),
        run_id: 1,
        accept_retractions: false,
        windows: vec![CostWindowRows {
            window: day("2025-09-01"),
            rows: vec![cost],
        }],
    };
    let outcomes = done(world, then, world.ledger.replace_costs(&world.lease, read)).await;
    format!("{outcomes:?}")
}

fn old_rows(rows: Vec<UsageRow>) -> Vec<WindowRows> {
    let window = day("2025-09-01");
    vec![WindowRows { window, rows }]
}

async fn an_import(world: &World, then: Option<Then>) -> String {
    let run = world.direct.start_run(new_run(IMPORT_RUN)).await.unwrap();
    let (account, windows) = (&world.account, old_rows(rows(2, 10)));
    let import = world
        .ledger
        .import_windows(&world.lease, account, Endpoint::Completions, run, windows);
    format!("{:?}", done(world, then, import).await)
}

async fn a_cleanup(world: &World, then: Option<Then>) -> String {
    let run = world.direct.start_run(new_run(IMPORT_RUN)).await.unwrap();
    let mut old = rows(2, 10);
    let mut blank = rows(1, 20).remove(0);
    blank.dimensions.project_id = None;
    blank.dimensions.api_key_id = None;
    blank.dimensions.user_id = None;
    old.push(blank);
    world
        .direct
        .import_windows(
            &world.lease,
            &world.account,
            Endpoint::Completions,
            run,
            old_rows(old),
        )
        .await
        .unwrap();
    let blank = world.direct.blank_rows(AccountScope::All).await.unwrap();
    let leases = [world.lease.clone()];
    let cleanup = world.ledger.delete_doubled_rows(&leases, run, &blank);
    format!("{:?}", done(world, then, cleanup).await)
}

/// A nano-dollar a token.
struct Flat;

impl RowPricer for Flat {
    fn price(&self, row: &RowToPrice<'_>) -> RowPrice {
        RowPrice {
            cost: row.metrics.input_tokens.map(NanoUsd::new),
            record: Arc::new(PriceRecord {
                price_id: "flat".to_owned(),
                catalogue_version: "1".to_owned(),
                record: "{}".to_owned(),
            }),
            note: None,
        }
    }

    fn price_again(&self, _: &Arc<PriceRecord>, row: &RowToPrice<'_>) -> Result<RowPrice, String> {
        Ok(self.price(row))
    }
}

async fn new_prices(world: &World, then: Option<Then>) -> String {
    let read = world.read(NOW, rows(3, 10));
    world.direct.replace_windows(&world.lease, read).await.unwrap();
    let ledger = world.ledger.clone().with_pricer(Arc::new(Flat));
    let reprice = Reprice {
        account: world.account.clone(),
        endpoint: Endpoint::Completions,
        windows: WindowRange::of(day("2025-09-01")),
        run_id: 2,
        dry_run: false,
    };
    let mut repriced = Repriced::default();
    done(world, then, ledger.reprice(&world.lease, reprice, &mut repriced))
        .await
        .unwrap();
    format!("{repriced:?}")
}

fn found() -> Vec<NewIncident> {
    vec![NewIncident {
        kind: "parity",
        subject: "completions".to_owned(),
        account_id: None,
        message: "3 groups differ".to_owned(),
        details: "{}".to_owned(),
    }]
}

async fn an_incident(world: &World, then: Option<Then>) -> String {
    let raised = done(world, then, world.ledger.raise_incidents(found()))
        .await
        .unwrap();
    format!("opened {}", raised[0].opened)
}

async fn the_end_of_an_incident(world: &World, then: Option<Then>) -> String {
    let raised = world.direct.raise_incidents(found()).await.unwrap();
    let ids = vec![raised[0].incident.id];
    let ended = done(
        world,
        then,
        world.ledger.end_incidents(ids, parse_instant(NOW).unwrap()),
    )
    .await;
    format!("{ended:?}")
}

async fn a_claim(world: &World, then: Option<Then>) -> String {
    let raised = world.direct.raise_incidents(found()).await.unwrap();
    let claim = world.ledger.claim_notices(raised[0].incident.id, LONG);
    format!("{:?}", done(world, then, claim).await)
}

async fn a_lease(world: &World, then: Option<Then>) -> String {
    let other = world.direct.add_account(openai("org-second")).await.unwrap();
    let attempt = done(
        world,
        then,
        world.ledger.acquire_lease(other.id, "another", LONG, None),
    )
    .await;
    match attempt.unwrap() {
        LeaseAttempt::Acquired(lease) => format!("fencing {}", lease.fencing),
        held @ LeaseAttempt::Held { .. } => panic!("held by ourselves: {held:?}"),
    }
}

async fn a_renewal(world: &World, then: Option<Then>) -> String {
    format!(
        "{:?}",
        done(world, then, world.ledger.renew_lease(&world.lease)).await
    )
}

async fn a_release(world: &World, then: Option<Then>) -> String {
    format!(
        "{:?}",
        done(world, then, world.ledger.release_lease(&world.lease)).await
    )
}

fn directory() -> Directory {
    let entry = |id: &str| DirectoryEntry {
        kind: DirectoryKind::User,
        id: id.to_owned(),
        name: Some("Ada".to_owned()),
        email: None,
        project_id: None,
        status: None,
        created_at: None,
    };
    Directory {
        entries: vec![entry("user-1"), entry("user-2")],
    }
}

async fn names(world: &World, then: Option<Then>) -> String {
    let save = world.ledger.save_directory(world.account.id, directory());
    format!("{:?}", done(world, then, save).await)
}

async fn an_erased_user(world: &World, then: Option<Then>) -> String {
    world
        .direct
        .save_directory(world.account.id, directory())
        .await
        .unwrap();
    format!("{:?}", done(world, then, world.ledger.erase_user("user-1")).await)
}

async fn erased_names(world: &World, then: Option<Then>) -> String {
    world
        .direct
        .save_directory(world.account.id, directory())
        .await
        .unwrap();
    format!("{:?}", done(world, then, world.ledger.erase_user_names()).await)
}

fn master(byte: u8) -> MasterKey {
    MasterKey::new(&SecretBox::new(Box::new([byte; 32])))
}

fn key(world: &World) -> NewProviderKey {
    NewProviderKey {
        account: world.account.account.clone(),
        label: None,
        filter: ProjectFilter::ALL,
        secret: SecretString::from("sk-admin-test-not-a-real-key-1111"),
        status: KeyStatus::Active,
    }
}

async fn stored_key(world: &World) -> i64 {
    world
        .direct
        .add_key(Arc::new(master(1)), key(world))
        .await
        .unwrap()
        .id
}

async fn a_new_key(world: &World, then: Option<Then>) -> String {
    let added = done(world, then, world.ledger.add_key(Arc::new(master(1)), key(world))).await;
    added.unwrap().mask
}

async fn the_status_of_a_key(world: &World, then: Option<Then>) -> String {
    let id = stored_key(world).await;
    let status = KeyStatus::Refused("401".to_owned());
    format!(
        "{:?}",
        done(world, then, world.ledger.set_key_status(id, status)).await
    )
}

async fn another_secret(world: &World, then: Option<Then>) -> String {
    let id = stored_key(world).await;
    let secret = SecretString::from("sk-admin-test-not-a-real-key-2222");
    let rotation = world
        .ledger
        .rotate_key(Arc::new(master(1)), id, secret, KeyStatus::Active);
    done(world, then, rotation).await.unwrap().mask
}

async fn another_master_key(world: &World, then: Option<Then>) -> String {
    stored_key(world).await;
    let both = master(2).with_previous(&SecretBox::new(Box::new([1; 32])));
    format!(
        "{:?}",
        done(world, then, world.ledger.reseal_next(Arc::new(both), 0)).await
    )
}

async fn a_removed_key(world: &World, then: Option<Then>) -> String {
    let id = stored_key(world).await;
    format!("{:?}", done(world, then, world.ledger.remove_key(id)).await)
}

fn token() -> NewApiToken {
    NewApiToken {
        name: "reporting".to_owned(),
        role: TokenRole::Reader,
        scope: AccountScope::All,
        expires_at: None,
    }
}

/// The secret that was told is the one that stands.
async fn a_new_token(world: &World, then: Option<Then>) -> String {
    let (added, secret) = done(world, then, world.ledger.add_api_token(token()))
        .await
        .unwrap();
    assert_eq!(
        world.direct.find_api_token(&secret).await.unwrap().as_ref(),
        Some(&added)
    );
    added.name
}

async fn the_use_of_a_token(world: &World, then: Option<Then>) -> String {
    let (added, _) = world.direct.add_api_token(token()).await.unwrap();
    let note = world
        .ledger
        .note_api_token_used(added.id, parse_instant(NOW).unwrap());
    done(world, then, note).await.unwrap();
    format!("{:?}", world.direct.api_tokens().await.unwrap()[0].last_used_at)
}

async fn a_revoked_token(world: &World, then: Option<Then>) -> String {
    let (added, _) = world.direct.add_api_token(token()).await.unwrap();
    format!(
        "{:?}",
        done(world, then, world.ledger.revoke_api_token(added.id)).await
    )
}
