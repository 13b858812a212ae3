//! Reading with a limit on the length of a row, and a hash of everything read.

use std::fmt::Write as _;
use std::io::{self, Read};

use memchr::{memchr, memchr2};
use sha2::{Digest, Sha256};

/// No row of any export comes near it.
pub(crate) const RECORD_LIMIT: usize = 1 << 20;

/// Passes bytes on, hashes them, and stops where a row becomes absurdly long: a parser would hold all of it in memory.
pub(crate) struct Guard<R> {
    input: R,
    hasher: Sha256,
    in_quotes: bool,
    in_record: usize,
    line: u64,
    record_line: u64,
}

/// The row that begins at this line passes [`RECORD_LIMIT`].
#[derive(Debug, thiserror::Error)]
#[error("the row at line {line} is too long")]
pub(crate) struct RecordTooLong {
    pub(crate) line: u64,
}

impl<R: Read> Guard<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            hasher: Sha256::new(),
            in_quotes: false,
            in_record: 0,
            line: 1,
            record_line: 1,
        }
    }

    /// SHA-256 of the bytes read so far, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        let digest = self.hasher.clone().finalize();
        let mut text = String::with_capacity(2 * digest.len());
        for byte in digest {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn measure(&mut self, mut bytes: &[u8]) -> Result<(), RecordTooLong> {
        while !bytes.is_empty() {
            let stop = if self.in_quotes {
                memchr2(b'"', b'\n', bytes)
            } else {
                // Quotes are rare and line breaks frequent: the nearest of the two ends the step.
                memchr(b'\n', bytes)
                    .map(|end| memchr(b'"', &bytes[..end]).unwrap_or(end))
                    .or_else(|| memchr(b'"', bytes))
            };
            let step = stop.map_or(bytes.len(), |stop| stop + 1);
            self.in_record += step;
            if self.in_record > RECORD_LIMIT {
                return Err(RecordTooLong {
                    line: self.record_line,
                });
            }
            match stop.map(|stop| bytes[stop]) {
                Some(b'"') => self.in_quotes = !self.in_quotes,
                Some(_) => {
                    self.line += 1;
                    if !self.in_quotes {
                        self.in_record = 0;
                        self.record_line = self.line;
                    }
                }
                None => {}
            }
            bytes = &bytes[step..];
        }
        Ok(())
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let bytes = &buffer[..read];
        self.hasher.update(bytes);
        self.measure(bytes).map_err(io::Error::other)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<String, u64> {
        let mut guard = Guard::new(text);
        match io::copy(&mut guard, &mut io::sink()) {
            Ok(_) => Ok(guard.sha256()),
            Err(error) => Err(error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<RecordTooLong>())
                .unwrap()
                .line),
        }
    }

    #[test]
    fn hashes_what_it_passes_on() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(read(b""), Ok(empty.to_owned()));
    }

    #[test]
    fn a_row_without_end_is_refused_where_it_begins() {
        let long = "x".repeat(RECORD_LIMIT + 1);
        assert_eq!(read(format!("a\nb\n{long}").as_bytes()), Err(3));
        let broken = "\n".repeat(RECORD_LIMIT + 1);
        assert_eq!(
            read(format!("a\n\"b{broken}").as_bytes()),
            Err(2),
            "an open quote"
        );
        let short = "a,\"b\nc\",d\n".repeat(RECORD_LIMIT / 8);
        assert!(read(short.as_bytes()).is_ok(), "rows are short, the file is not");
    }
}
