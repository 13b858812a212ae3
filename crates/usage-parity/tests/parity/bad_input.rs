//! What cannot be compared is refused in one line that names file and line.

use crate::support::{FIRST, HEADER, refused};

const START: i64 = FIRST;
const END: i64 = FIRST + 86_400;

fn row(rest: &str) -> String {
    format!("{HEADER}\n{START},{END},,,{rest}\n")
}

#[test]
fn every_fault_is_named_with_its_line() {
    let good = format!("{START},{END},,,proj_a,1,user-a,key_a,gpt-5,False,default,5,6,0");
    for (text, message) in [
        (String::new(), "completions.csv is empty; download the export again".to_owned()),
        ("\n\n".to_owned(), "completions.csv is empty; download the export again".to_owned()),
        (
            "{\"object\":\"page\",\"data\":[]}\n".to_owned(),
            "completions.csv line 1: has no column `start_time`, so it is not the header of a usage export".to_owned(),
        ),
        (
            "start_time,end_time,colour\n".to_owned(),
            "completions.csv line 1: is the header of no known usage export: it has the columns colour".to_owned(),
        ),
        (
            format!("{HEADER}\n{good}\n{START},{END},,,proj_a,1\n"),
            "completions.csv line 3: has 6 values where the header names 14 columns".to_owned(),
        ),
        (
            row("proj_a,-1,user-a,key_a,gpt-5,False,default,5,6,0"),
            "completions.csv line 2: num_model_requests is `-1`; a count is never negative".to_owned(),
        ),
        (
            row("proj_a,1,user-a,key_a,gpt-5,False,default,5.5,6,0"),
            "completions.csv line 2: input_tokens is `5.5`; a count is a whole number".to_owned(),
        ),
        (
            row("proj_a,1,user-a,key_a,gpt-5,False,default,1.7E+08,6,0"),
            "completions.csv line 2: input_tokens is `1.7E+08`; it must be a whole number in plain digits".to_owned(),
        ),
        (
            row("proj_a,1,user-a,key_a,gpt-5,False,default,9223372036854775808,6,0"),
            "completions.csv line 2: input_tokens is `9223372036854775808`; it is beyond 64 bits".to_owned(),
        ),
        (
            row("proj_a,1,user-a,key_a,gpt-5,perhaps,default,5,6,0"),
            "completions.csv line 2: batch is `perhaps`; it must be True, False or empty".to_owned(),
        ),
        (
            format!("{HEADER}\n{good}\nsoon,{END},,,proj_a,1,,,,,,5,6,0\n"),
            "completions.csv line 3: start_time is `soon`, which is no time".to_owned(),
        ),
        (
            format!("{HEADER}\n,{END},,,proj_a,1,,,,,,5,6,0\n"),
            "completions.csv line 2: start_time is ``, which is no time".to_owned(),
        ),
        (
            format!("{HEADER}\n{START},{END},2025-09-02T00:00:00,,proj_a,1,,,,,,5,6,0\n"),
            "completions.csv line 2: start_time and start_time_iso are different times".to_owned(),
        ),
        (
            format!("{HEADER}\n{START},{},,,proj_a,1,,,,,,5,6,0\n", END - 1),
            format!("completions.csv line 2: runs from {START} to {}, which is no UTC day, hour or minute", END - 1),
        ),
        (
            format!("{HEADER}\n{},{},,,proj_a,1,,,,,,5,6,0\n", START + 60, END + 60),
            format!(
                "completions.csv line 2: runs from {} to {}, which is no UTC day, hour or minute",
                START + 60,
                END + 60
            ),
        ),
        (
            format!("{HEADER}\n{good}\n{END},{},,,proj_a,1,,,,,,5,6,0\n", END + 3_600),
            "completions.csv line 3: is a window of 1h, while the rows before it are of 1d; export each width into a \
             file of its own"
                .to_owned(),
        ),
        (
            format!("start_time,end_time,model,model\n{START},{END},a,b\n"),
            "completions.csv line 1: names the column `model` twice".to_owned(),
        ),
        (
            "start_time,end_time,amount_value,amount_currency\n".to_owned(),
            "completions.csv line 1: is the header of a costs export; usage is compared here".to_owned(),
        ),
    ] {
        assert_eq!(refused(text.clone()), message, "{text}");
    }
}

#[test]
fn a_line_in_a_quoted_value_counts() {
    let text = format!(
        "{HEADER}\n{START},{END},,,\"proj\n\n_a\",1,,,,,,5,6,0\n{START},{END},,,proj_a,x,,,,,,5,6,0\n"
    );
    let message = refused(text);
    assert!(
        message.starts_with("completions.csv line 5: num_model_requests"),
        "{message}"
    );
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let good = format!("{START},{END},,,proj_a,1,user-a,key_a,gpt-5,False,default,5,6,0");
    for bad in ["1,2,3", &good.replace(",5,6,0", ",-5,6,0")] {
        for (text, line) in [
            (format!("{HEADER}\n{good}\n{bad}\n"), 3),
            (format!("{HEADER}\r\n{good}\r\n{bad}\r\n"), 3),
            (format!("\n{HEADER}\n\n{good}\n\n\n{bad}"), 7),
        ] {
            let message = refused(text.clone());
            assert!(
                message.starts_with(&format!("completions.csv line {line}: ")),
                "{text:?}: {message}"
            );
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let mut text = row("proj_a,1,user-a,key_a,gpt-5,False,default,5,6,0").into_bytes();
    let place = text.windows(6).position(|bytes| bytes == b"proj_a").unwrap();
    text[place] = 0xff;
    assert_eq!(refused(text), "completions.csv line 2: is not UTF-8 text");
    let message = refused(vec![0x1f, 0x8b, 0x08, 0x00, 0xff, 0xfe, b'\n']);
    assert_eq!(message, "completions.csv line 1: is not UTF-8 text");
}

#[test]
fn a_gigabyte_on_one_line_is_refused_before_it_is_held() {
    use std::io::{self, Read};
    use usage_parity::{ExportSource, UsageExport};

    /// A header, then one value without end: whoever reads it to the end would never return.
    struct Endless;
    impl ExportSource for Endless {
        fn name(&self) -> &'static str {
            "endless.csv"
        }
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            let head = format!("{HEADER}\n{START},{END},,,\"");
            Ok(Box::new(io::Cursor::new(head).chain(io::repeat(b'x'))))
        }
    }
    let error = UsageExport::open(Box::new(Endless), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "endless.csv line 2: is longer than 1024 KiB; this is no CSV export, or a quote is left open"
    );
}

#[test]
fn a_sum_beyond_64_bits_is_refused() {
    let huge = format!("{START},{END},,,proj_a,1,,,,,,{},6,0", i64::MAX);
    let message = refused(format!("{HEADER}\n{huge}\n{huge}\n"));
    assert_eq!(
        message,
        "completions.csv the sum of input_tokens in the window 2025-09-01T00:00:00Z/1d is beyond 64 bits"
    );
}
