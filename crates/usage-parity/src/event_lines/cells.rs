//! Cells of the CSV forms that people open in spreadsheets.

use std::borrow::Cow;

/// A text that no spreadsheet runs: led by an apostrophe where one would.
pub fn unrunnable(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A text as a cell: quoted where CSV needs it, and led by an apostrophe where a spreadsheet would run it.
pub fn text(text: &str) -> String {
    let text = unrunnable(text);
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

/// Adds cells as a line.
pub fn push_line(bytes: &mut Vec<u8>, cells: impl IntoIterator<Item = String>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(cell.as_bytes());
    }
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_and_never_run() {
        let cells: Vec<String> = ["gpt-5", "a,b", "say \"hi\"", "=1+1", "-x", "@sum", "=a,b", ""]
            .map(text)
            .into();
        assert_eq!(
            cells,
            [
                "gpt-5",
                "\"a,b\"",
                "\"say \"\"hi\"\"\"",
                "'=1+1",
                "'-x",
                "'@sum",
                "\"'=a,b\"",
                ""
            ]
        );
    }
}
