//! Lists that may become longer than memory.

use std::io::{self, Read as _, Seek as _, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::SpooledTempFile;

/// How many bytes of a list stay in memory.
const IN_MEMORY: usize = 1 << 20;

/// A list of JSON objects, one a line, which moves into a temporary file when it grows.
#[derive(Debug)]
pub(crate) struct Spool {
    file: SpooledTempFile,
    count: u64,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            file: SpooledTempFile::new(IN_MEMORY),
            count: 0,
        }
    }
}

impl Spool {
    /// Adds an item.
    pub(crate) fn push(&mut self, item: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(item)?;
        line.push(b'\n');
        self.count += 1;
        self.file.write_all(&line)
    }

    /// Writes the list as a JSON array, an item a line.
    pub(crate) fn write(&mut self, out: &mut dyn Write, indent: &str) -> io::Result<()> {
        if self.count == 0 {
            return out.write_all(b"[]");
        }
        out.write_all(b"[\n")?;
        self.file.rewind()?;
        let mut input = io::BufReader::new(&mut self.file);
        let mut line = Vec::new();
        for item in 1..=self.count {
            line.clear();
            io::BufRead::read_until(&mut input, b'\n', &mut line)?;
            let comma = if item == self.count { "" } else { "," };
            write!(out, "{indent}  ")?;
            out.write_all(line.trim_ascii_end())?;
            writeln!(out, "{comma}")?;
        }
        // What is added later belongs behind what stands there.
        io::copy(&mut input.by_ref(), &mut io::sink())?;
        write!(out, "{indent}]")
    }

    /// Reads the items in the order in which they were added.
    pub(crate) fn each<T: DeserializeOwned>(
        &mut self,
        mut each: impl FnMut(&T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.file.rewind()?;
        let mut input = io::BufReader::new(&mut self.file);
        let mut line = Vec::new();
        for _ in 0..self.count {
            line.clear();
            io::BufRead::read_until(&mut input, b'\n', &mut line)?;
            each(&serde_json::from_slice(&line)?)?;
        }
        // What is added later belongs behind what stands there.
        io::copy(&mut input.by_ref(), &mut io::sink()).map(drop)
    }
}
