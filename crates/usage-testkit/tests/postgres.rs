//! The private server: what it offers, and that nothing of it is left behind.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use usage_testkit::{PostgresCluster, PostgresDatabase};

#[test]
fn databases_are_empty_separate_and_dropped() {
    let cluster = PostgresCluster::shared();
    let (first, second) = (cluster.create_database(), cluster.create_database());
    first.execute("create table events (id int)");
    assert_eq!(tables(&first), "events");
    assert_eq!(tables(&second), "");

    let name = first.name().to_owned();
    let listed = format!("select count(*) from pg_database where datname = '{name}'");
    assert_eq!(second.execute(&listed), "1");
    drop(first);
    assert_eq!(second.execute(&listed), "0");
}

#[test]
fn a_database_goes_although_somebody_is_connected() {
    let cluster = PostgresCluster::shared();
    let (doomed, other) = (cluster.create_database(), cluster.create_database());
    let session = format!(
        "select count(*) from pg_stat_activity where datname = '{}'",
        doomed.name()
    );
    let mut connection = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", doomed.url()])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("somebody connects", || other.execute(&session) == "1");
    drop(doomed);
    assert_eq!(other.execute(&session), "0");
    drop(connection.stdin.take());
    connection.wait().unwrap();
}

#[test]
fn a_database_can_start_as_a_copy() {
    let cluster = PostgresCluster::shared();
    let template = cluster.create_database();
    template.execute("create table events as select generate_series(1, 3) as id");
    let copy = cluster.create_database_from(template.name());
    assert_eq!(copy.execute("select sum(id) from events"), "6");
    copy.execute("delete from events");
    assert_eq!(template.execute("select count(*) from events"), "3");
}

#[test]
fn the_url_names_role_host_port_and_database() {
    let database = PostgresCluster::shared().create_database();
    assert_eq!(database.url(), PostgresCluster::shared().url(database.name()));
    assert!(
        database.url().starts_with("postgres://postgres@127.0.0.1:"),
        "{}",
        database.url()
    );
    assert_eq!(
        database.execute("select current_user, current_database()"),
        format!("postgres|{}", database.name())
    );
}

#[test]
#[should_panic(expected = "relation \"nothing\" does not exist")]
fn failing_sql_fails_the_test_with_the_servers_words() {
    PostgresCluster::shared()
        .create_database()
        .execute("select * from nothing");
}

#[test]
fn committed_data_survives_a_crash() {
    let cluster = PostgresCluster::start_durable().unwrap();
    let database = cluster.create_database();
    assert_eq!(database.execute("show fsync"), "on");
    database.execute("create table events as select 7 as id");

    cluster.kill_server();
    assert!(!listens(database.url()));
    cluster.restart_server();
    assert_eq!(database.execute("select id from events"), "7");
}

#[test]
fn stopping_removes_server_and_directory() {
    let cluster = PostgresCluster::start().unwrap();
    let (url, directory) = {
        let database = cluster.create_database();
        (database.url().to_owned(), data_directory(&database))
    };
    assert!(listens(&url) && directory.exists());
    cluster.stop();
    assert!(!listens(&url));
    assert!(!directory.exists());
}

#[test]
fn nothing_is_left_of_a_process_that_ends() {
    let mut process = Process::start();
    drop(process.child.stdin.take());
    assert!(process.child.wait().unwrap().success());
    process.assert_nothing_left();
}

#[test]
fn nothing_is_left_of_a_process_that_is_killed() {
    let mut process = Process::start();
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    process.assert_nothing_left();
}

#[test]
fn nothing_is_left_of_a_process_group_that_is_interrupted() {
    let mut process = Process::start();
    // Ctrl-C reaches everybody in the group; the server's supervisor is in a group of its own.
    let interrupted = Command::new("/bin/kill")
        .arg("-INT")
        .arg(process.child.id().to_string())
        .status()
        .unwrap();
    assert!(interrupted.success());
    process.child.wait().unwrap();
    process.assert_nothing_left();
}

/// Another process with a server of its own.
struct Process {
    child: Child,
    url: String,
    directory: PathBuf,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_usage-testkit"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let url = url.trim_end().to_owned();
        let shown = Command::new("psql")
            .args([
                "--no-psqlrc",
                "--no-align",
                "--tuples-only",
                &url,
                "--command",
                "show data_directory",
            ])
            .output()
            .unwrap();
        let directory = PathBuf::from(String::from_utf8(shown.stdout).unwrap().trim_end());
        assert!(
            listens(&url) && directory.exists(),
            "{url} {}",
            directory.display()
        );
        Self {
            child,
            url,
            directory,
        }
    }

    fn assert_nothing_left(&self) {
        eventually("the server stops and its directory goes", || {
            !listens(&self.url) && !self.directory.exists() && !self.directory.parent().unwrap().exists()
        });
    }
}

fn tables(database: &PostgresDatabase) -> String {
    database.execute("select tablename from pg_tables where schemaname = 'public'")
}

fn data_directory(database: &PostgresDatabase) -> PathBuf {
    database.execute("show data_directory").into()
}

fn listens(url: &str) -> bool {
    let address = url.split(['@', '/']).nth(3).unwrap();
    TcpStream::connect(address).is_ok()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
