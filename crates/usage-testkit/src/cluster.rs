use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::database::{Client, PostgresDatabase};
use crate::server::{self, Programs, Supervisor};

/// Settings of every server: reached over loopback only, with room for many tests at once.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200 \
                        -c timezone=UTC -c log_timezone=UTC";

/// Nothing here outlives a power cut, and nothing has to.
const FAST: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB";

/// As an operator runs it: what a benchmark measures is what a ledger gets.
const DURABLE: &str = "-c fsync=on -c synchronous_commit=on -c full_page_writes=on -c shared_buffers=256MB";

/// How often another port is tried when the chosen one was taken in between.
const PORT_ATTEMPTS: usize = 5;

/// A private PostgreSQL server with a directory of its own, both gone when the value is dropped or the process ends,
/// however it ends.
///
/// It listens on a free port of 127.0.0.1 and trusts everybody there; the role is `postgres`.
#[derive(Debug)]
pub struct PostgresCluster {
    supervisor: Mutex<Supervisor>,
    client: Client,
    databases: AtomicU32,
}

impl PostgresCluster {
    /// The server that all tests of this process share, started by the first that asks.
    ///
    /// # Panics
    ///
    /// When no server is installed or it does not start: a test that needs PostgreSQL fails without it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server for tests: quick, and careless about power cuts.
    ///
    /// # Errors
    ///
    /// No server is installed (the message names the package), or it does not start (the message has its log).
    pub fn start() -> io::Result<Self> {
        Self::start_with(FAST)
    }

    /// Starts a server for benchmarks: every commit reaches the disk, as in production, and there are 256 MB of
    /// shared buffers.
    ///
    /// # Errors
    ///
    /// As for [`PostgresCluster::start`].
    pub fn start_durable() -> io::Result<Self> {
        Self::start_with(DURABLE)
    }

    /// Creates an empty database, dropped together with the returned value.
    ///
    /// # Panics
    ///
    /// When the server refuses or does not run.
    pub fn create_database(&self) -> PostgresDatabase {
        self.create_database_from("template1")
    }

    /// Creates a copy of a database of this server, for example of one whose migrations have run. Nobody may be
    /// connected to the template meanwhile.
    ///
    /// # Panics
    ///
    /// When the server refuses or does not run.
    pub fn create_database_from(&self, template: &str) -> PostgresDatabase {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        PostgresDatabase::create(self.client.clone(), format!("test_{number}"), template)
    }

    /// The URL of a database of this server: `postgres://postgres@127.0.0.1:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        self.client.url(database)
    }

    /// Ends every process of the server with SIGKILL: connections break, nothing is written out, and the next start
    /// recovers from the log. Never do this to [`PostgresCluster::shared`], which other tests are using.
    ///
    /// # Panics
    ///
    /// When the server does not run.
    pub fn kill_server(&self) {
        self.command("kill");
    }

    /// Starts a killed server again, with the same data, on the same port.
    ///
    /// # Panics
    ///
    /// When the server runs already or does not come up.
    pub fn restart_server(&self) {
        self.command(&format!("start {}", self.client.port));
    }

    /// Ends the server and removes its directory, as dropping does, and returns when both are gone.
    pub fn stop(self) {
        drop(self);
    }

    fn start_with(settings: &str) -> io::Result<Self> {
        let programs = Programs::find()?;
        let mut supervisor = Supervisor::start(&programs, &format!("{SETTINGS} {settings}"))?;
        supervisor.command("initialize")?;
        let port = start_on_free_port(&mut supervisor)?;
        Ok(Self {
            supervisor: Mutex::new(supervisor),
            client: Client {
                psql: programs.psql(),
                port,
            },
            databases: AtomicU32::new(0),
        })
    }

    fn command(&self, command: &str) {
        self.supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .command(command)
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

fn start_on_free_port(supervisor: &mut Supervisor) -> io::Result<u16> {
    let mut attempt = 1;
    loop {
        // The port is free again once this listener is dropped; another process may take it before the server does.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        match supervisor.command(&format!("start {port}")) {
            Ok(()) => return Ok(port),
            Err(error) if attempt == PORT_ATTEMPTS || !port_was_taken(supervisor) => return Err(error),
            Err(_) => attempt += 1,
        }
    }
}

fn port_was_taken(supervisor: &Supervisor) -> bool {
    fs::read_to_string(supervisor.directory().join(server::SERVER_LOG))
        .is_ok_and(|log| log.contains("Address already in use"))
}
