//! Whether the rows of an export are in time order.

use std::io::{self, BufRead, BufReader, Read};

/// Whether every line begins with an integer that is not less than the one before.
///
/// This looks at lines, not at rows, and so needs no parser: a row may span several lines, but every row begins a
/// line, so if all lines are in order, all rows are. A `false` may be wrong, and then costs only an unneeded sort.
pub(super) fn lines_are_in_order(input: impl Read) -> io::Result<bool> {
    let mut input = BufReader::with_capacity(1 << 17, input);
    let mut last: Vec<u8> = Vec::new();
    let mut last_time = i64::MIN;
    let mut is_header = true;
    let mut line_begins = true;
    let mut first_cell: Vec<u8> = Vec::new();
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if line_begins {
                let end = memchr::memchr2(b',', b'\n', rest);
                let cell = &rest[..end.unwrap_or(rest.len())];
                if first_cell.len() + cell.len() > CELL_LIMIT {
                    return Ok(false);
                }
                first_cell.extend_from_slice(cell);
                let Some(end) = end else { break };
                rest = &rest[end..];
                line_begins = false;
                if is_header {
                    is_header = false;
                } else if first_cell != last {
                    match time(&first_cell) {
                        Some(time) if time >= last_time => last_time = time,
                        _ if first_cell.trim_ascii().is_empty() => {}
                        _ => return Ok(false),
                    }
                    std::mem::swap(&mut last, &mut first_cell);
                }
                first_cell.clear();
            }
            match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    rest = &rest[end + 1..];
                    line_begins = true;
                }
                None => break,
            }
        }
        let length = bytes.len();
        input.consume(length);
    }
}

/// A time has no more digits, whatever stands behind it.
const CELL_LIMIT: usize = 64;

fn time(cell: &[u8]) -> Option<i64> {
    super::value::unix_seconds(cell).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_first_cells() {
        for (text, expected) in [
            ("start_time,x\n1,a\n1,b\n2,c\n", true),
            ("start_time,x\r\n1,a\r\n2,b", true),
            ("start_time,x\n1.0,a\n2.0,b\n\n", true),
            ("start_time,x\n2,a\n1,b\n", false),
            ("start_time,x\n1,\"a\nb\"\n2,c\n", false),
            ("start_time,x\n10,\"a\n5,b\"\n20,c\n", false),
            ("start_time\n1\n2\n", true),
            ("start_time,x\n", true),
            ("", true),
        ] {
            assert_eq!(lines_are_in_order(text.as_bytes()).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cell_may_lie_across_the_end_of_a_buffer() {
        let line = format!("1756684800,{}\n", "x".repeat(1_000));
        let sorted = format!("start_time,x\n{}", line.repeat(400));
        assert!(lines_are_in_order(sorted.as_bytes()).unwrap());
        assert!(!lines_are_in_order(format!("{sorted}1756684799,x\n").as_bytes()).unwrap());
    }
}
