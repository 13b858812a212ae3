//! Starts a private PostgreSQL server, prints the URL of an empty database, and keeps both until standard input ends.

use std::io::{self, Write};

use usage_testkit::PostgresCluster;

fn main() -> io::Result<()> {
    let cluster = PostgresCluster::start()?;
    let database = cluster.create_database();
    writeln!(io::stdout(), "{}", database.url())?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
