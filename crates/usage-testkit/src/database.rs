use std::path::PathBuf;
use std::process::Command;

/// An empty database on a [`PostgresCluster`](crate::PostgresCluster), dropped with the value even while connections
/// to it are open.
#[derive(Debug)]
pub struct PostgresDatabase {
    client: Client,
    name: String,
    url: String,
}

impl PostgresDatabase {
    pub(crate) fn create(client: Client, name: String, template: &str) -> Self {
        let url = client.url(&name);
        client
            .execute(
                "postgres",
                &format!("create database {name} template {}", quoted(template)),
            )
            .unwrap_or_else(|error| panic!("cannot create the database {name}: {error}"));
        Self { client, name, url }
    }

    /// Where to connect: `postgres://postgres@127.0.0.1:PORT/NAME`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name, unique on its server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs SQL in a transaction of its own and returns what it selects: a line for each row, columns separated by
    /// `|`. This starts a process (`psql`); it is for setting a scene and for looking behind a repository's back.
    ///
    /// # Panics
    ///
    /// When the SQL fails or the server does not run.
    #[track_caller]
    pub fn execute(&self, sql: &str) -> String {
        self.client
            .execute(&self.name, sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // A test may have killed the server; its directory goes as a whole anyway.
        let _ = self.client.execute(
            "postgres",
            &format!("drop database if exists {} with (force)", self.name),
        );
    }
}

/// How databases of one server are reached.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) psql: PathBuf,
    pub(crate) port: u16,
}

impl Client {
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn execute(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(&self.psql)
            .args([
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "--set=ON_ERROR_STOP=1",
            ])
            .args(["--dbname", &self.url(database), "--command", sql])
            .env_clear()
            .output()
            .map_err(|error| format!("{}: {error}", self.psql.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
