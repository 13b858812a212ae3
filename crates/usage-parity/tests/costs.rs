//! The provider's costs export, read and written.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::io::{self, Read};

use proptest::prelude::*;
use usage_core::{Decimal, NanoUsd, Width, Window, parse_day};
use usage_parity::costs::{
    CostColumn, CostCsvError, CostCsvReader, CostCsvWriteError, CostCsvWriter, CostLayout, CostRow, CostSums,
};

/// As exported before September 2026.
const TEN_COLUMNS: &str = "\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id,organization_name
1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00,0.060000000000000000000000000000000000001,usd,\"gpt-5, input\",proj_a,org-a,Acme
1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00,0E-6176,usd,\"gpt-5, cached input\",proj_a,org-a,Acme
1756771200,1756857600,2025-09-02T00:00:00+00:00,2025-09-03T00:00:00+00:00,,,,,,
";

/// The newer layout with every quirk seen in a file: byte order mark, CR LF, ISO times without a zone, a credit, a blank
/// amount, quoted commas, quotes and line breaks, and a column that nobody has heard of.
const SEVENTEEN_COLUMNS: &str = "\u{feff}\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,news,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\r\n\
1756684800,1756771200,2025-09-01T00:00:00,2025-09-02T00:00:00,163.7645785,usd,1250.5,1000_tokens,\"gpt-5, input\",?,user-a,key_a,proj_a,org-a,\"Research, \"\"new\"\"\",\"Acme\r\nHoldings\",ada@example.test,unlabeled\r\n\
1756684800.0,1756771200.0,2025-09-01T00:00:00,2025-09-02T00:00:00,-12.5,usd,,,credit,,,,,org-a,,Acme,,\r\n\
1756684800,1756771200,2025-09-01T00:00:00,2025-09-02T00:00:00,,usd,3,images,image models,,,,,org-a,,Acme,,agents_api\r\n\
\r\n\
1756771200,1756857600,2025-09-02T00:00:00,2025-09-03T00:00:00,,,,,,,,,,,,,,\r\n";

#[test]
fn the_older_layout_is_read_and_written_as_the_same_file() {
    let reader = CostCsvReader::new(TEN_COLUMNS.as_bytes()).unwrap();
    assert_eq!(reader.unknown_columns().count(), 0);
    assert!(
        reader
            .columns()
            .eq(CostLayout::TenColumns.columns().iter().copied())
    );
    let rows = rows(TEN_COLUMNS);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].line_item.as_deref(), Some("gpt-5, input"));
    assert_eq!(
        rows[0].get(CostColumn::Amount),
        Some("0.060000000000000000000000000000000000001")
    );
    assert_eq!(rows[1].get(CostColumn::Amount), Some("0E-6176"));
    assert_eq!(rows[1].amount.as_ref().unwrap().value(), &Decimal::default());
    assert_eq!(
        (
            rows[0].quantity.as_ref(),
            rows[0].user_id.as_ref(),
            rows[0].api_source.as_ref()
        ),
        (None, None, None),
        "the file has no such columns"
    );
    assert!(rows[2].is_idle() && !rows[1].is_idle());
    assert_eq!(rows[2], CostRow::idle(day("2025-09-02")));
    assert_eq!(write(&rows, CostLayout::TenColumns), TEN_COLUMNS);
}

#[test]
fn the_newer_layout_is_read_with_all_its_quirks() {
    let reader = CostCsvReader::new(SEVENTEEN_COLUMNS.as_bytes()).unwrap();
    assert_eq!(reader.unknown_columns().collect::<Vec<_>>(), ["news"]);
    assert!(reader.columns().eq(CostColumn::ALL));
    let rows = rows(SEVENTEEN_COLUMNS);
    assert_eq!(rows.len(), 4);
    assert_eq!(
        rows[0],
        CostRow {
            amount: Some("163.7645785".parse().unwrap()),
            currency: text("usd"),
            quantity: Some("1250.5".parse().unwrap()),
            quantity_unit: text("1000_tokens"),
            line_item: text("gpt-5, input"),
            project_id: text("proj_a"),
            user_id: text("user-a"),
            api_key_id: text("key_a"),
            api_source: text("unlabeled"),
            organization_id: text("org-a"),
            organization_name: text("Acme\r\nHoldings"),
            project_name: text("Research, \"new\""),
            user_email: text("ada@example.test"),
            unknown: vec!["?".to_owned()],
            ..CostRow::idle(day("2025-09-01"))
        }
    );
    assert!(rows[1].amount.as_ref().unwrap().value().is_negative());
    assert_eq!(
        (&rows[2].amount, rows[2].is_idle()),
        (&None, false),
        "blank, not zero"
    );
    assert!(rows[3].is_idle());

    let sums = sums(&rows);
    assert_eq!(sums.get(Some("USD")).unwrap().to_string(), "151.2645785");
    assert_eq!((sums.rows(), sums.rows_without_amount()), (4, 2));
}

#[test]
fn columns_are_found_by_name_in_any_order_and_times_by_either_form() {
    let rows = rows(
        "amount_currency,end_time_iso,amount_value, start_time \nusd,2025-09-01T10:01:00Z,1e-2,1756720800\n",
    );
    let minute = Window::from_unix(1_756_720_800, Width::Minute).unwrap();
    assert_eq!(rows[0].window, minute);
    assert_eq!(rows[0].get(CostColumn::Amount), Some("1e-2"));
}

#[test]
fn a_file_in_which_nothing_was_charged_has_the_times_only() {
    let file = "start_time,end_time,start_time_iso,end_time_iso\n\
                1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n";
    assert_eq!(rows(file), [CostRow::idle(day("2025-09-01"))]);
    assert_eq!(rows("start_time,end_time"), []);
}

#[test]
fn currencies_are_never_added_up() {
    let file = "start_time,end_time,amount_value,amount_currency\n\
                0,86400,1,usd\n0,86400,2,eur\n0,86400,0.5,USD\n0,86400,7,\n";
    let sums = sums(&rows(file));
    let shown: Vec<String> = sums
        .iter()
        .map(|(currency, sum)| format!("{} {sum}", currency.unwrap_or("?")))
        .collect();
    assert_eq!(shown, ["? 7", "eur 2", "usd 1.5"]);
    assert_eq!(sums.get(Some("gbp")), None, "no amount is not zero");
}

#[test]
fn a_broken_file_is_refused_by_line_and_column() {
    const HEADER: &str = "start_time,end_time,start_time_iso,amount_value,amount_currency,line_item,line\n";
    const FINE: &str = "0,86400,,1,usd,\"two\nlines\",\n";
    for (file, message) in [
        (
            "",
            "line 1: there is no column `start_time`; give a costs export of the provider's dashboard, cost_<from>_<to>.csv",
        ),
        (
            "\n\r\na,b\n",
            "line 3: there is no column `start_time`; give a costs export of the provider's dashboard, cost_<from>_<to>.csv",
        ),
        (
            "start_time,model,end_time,input_tokens\n0,,86400,1\n",
            "line 1: there is no column `amount_value`; give a costs export of the provider's dashboard, cost_<from>_<to>.csv",
        ),
        (
            "start_time,end_time,amount_value\n",
            "line 1: there is no column `amount_currency`; give a costs export of the provider's dashboard, cost_<from>_<to>.csv",
        ),
        (
            "start_time,end_time,start_time\n",
            "line 1: the column `start_time` is there twice; export the file again",
        ),
        (
            "start_time,end_time,user_id,user_id\n",
            "line 1: the column `user_id` is there twice; export the file again",
        ),
        (
            &format!("{HEADER}{FINE}0,86400,,1\n"),
            "line 4: 4 cells where the header has 7; export the file again",
        ),
        (
            &format!("{HEADER}{FINE}{FINE}\n\n0,86400,,1,usd,,,,\n"),
            "line 8: 9 cells where the header has 7; export the file again",
        ),
        (
            &format!("{HEADER}{FINE}0,86400,,1,5,usd,,\n"),
            "line 4: 8 cells where the header has 7; export the file again",
        ),
        (
            &format!("{HEADER}{FINE}0,86400,,\"1,5\",usd,,\n"),
            "line 4, column amount_value: `1,5` is not a decimal number",
        ),
        (
            &format!("{HEADER}{FINE}0,86400,,\"1\n5\",usd,,\n"),
            "line 4, column amount_value: `1 5` is not a decimal number",
        ),
        (
            &format!("{HEADER}{FINE}0,86400,,1e99999,usd,,\n"),
            "line 4, column amount_value: `1e99999` has more than 6200 places before or after its point",
        ),
        (
            &format!("{HEADER}{FINE}noon,86400,,1,usd,,\n"),
            "line 4, column start_time: `noon` is no time in whole Unix seconds",
        ),
        (
            &format!("{HEADER}{FINE}0.5,86400,,1,usd,,\n"),
            "line 4, column start_time: `0.5` is no time in whole Unix seconds",
        ),
        (
            &format!("{HEADER}{FINE},86400,,1,usd,,\n"),
            "line 4, column start_time: the time is blank",
        ),
        (
            &format!("{HEADER}{FINE},86400,01.09.2025,1,usd,,\n"),
            "line 4, column start_time_iso: `01.09.2025` is not an instant; write it as 2025-09-01T00:00:00Z",
        ),
        (
            &format!("{HEADER}{FINE}0,86400,1970-01-02T00:00:00,1,usd,,\n"),
            "line 4, column start_time_iso: `1970-01-02T00:00:00` is another time than the Unix seconds 0 say",
        ),
        (
            &format!("{HEADER}{FINE}60,86400,,1,usd,,\n"),
            "line 4, column end_time: 60 to 86400 is no minute, hour or UTC day",
        ),
        (
            &format!("{HEADER}{FINE}-9223372036854775808,9223372036854775807,,1,usd,,\n"),
            "line 4, column end_time: -9223372036854775808 to 9223372036854775807 is no minute, hour or UTC day",
        ),
    ] {
        assert_eq!(failure(file.as_bytes()).to_string(), message, "{file}");
        // Lines are the same lines when they end with CR LF.
        let crlf = file.replace('\n', "\r\n").replace("\r\r", "\r");
        let message = message.replace("`1 5`", "`1  5`");
        assert_eq!(failure(crlf.as_bytes()).to_string(), message, "{crlf}");
    }

    let not_utf8 = [HEADER.as_bytes(), b"0,86400,,1,usd,\xff,\n"].concat();
    assert_eq!(
        failure(&not_utf8).to_string(),
        "line 2, column line_item: the text is not UTF-8; export the file again, or convert it"
    );
}

#[test]
fn nothing_is_read_after_an_error() {
    let file =
        "start_time,end_time,amount_value,amount_currency\n0,86400,1,usd\n0,86400,x,usd\n0,86400,2,usd\n";
    let read: Vec<bool> = CostCsvReader::new(file.as_bytes())
        .unwrap()
        .map(|row| row.is_ok())
        .collect();
    assert_eq!(read, [true, false]);
}

#[test]
fn a_failing_input_is_an_error_not_an_end() {
    let broken = TEN_COLUMNS.as_bytes().chain(Broken);
    let rows: Vec<_> = CostCsvReader::new(broken).unwrap().collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        rows[3].as_ref().unwrap_err().to_string(),
        "line 4: cannot read on: unplugged"
    );
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("unplugged"))
    }
}

#[test]
fn what_a_layout_has_no_column_for_is_refused_not_dropped() {
    let row = CostRow {
        user_id: text("user-a"),
        ..CostRow::idle(day("2025-09-01"))
    };
    let mut file = CostCsvWriter::new(Vec::new(), CostLayout::TenColumns);
    file.write(&CostRow::idle(day("2025-09-01"))).unwrap();
    assert_eq!(
        file.write(&row).unwrap_err().to_string(),
        "cannot write row 2: the layout of 10 columns has none for `user_id`"
    );
    let row = CostRow {
        unknown: vec![String::new(), "?".to_owned()],
        ..CostRow::idle(day("2025-09-01"))
    };
    let mut file = CostCsvWriter::new(Vec::new(), CostLayout::SeventeenColumns);
    assert_eq!(
        file.write(&row).unwrap_err().to_string(),
        "cannot write row 1: it has a value of a column that no known layout has"
    );
}

#[test]
fn a_full_disk_names_the_row() {
    let mut file = CostCsvWriter::new(Full, CostLayout::TenColumns);
    file.write(&CostRow::idle(day("2025-09-01"))).unwrap();
    let error = file.finish().unwrap_err();
    assert!(
        matches!(&error, CostCsvWriteError::Output { row: 1, .. }),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "cannot write row 1: disk full");
}

#[derive(Debug)]
struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::StorageFull, "disk full"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decimals as providers write them: signs, exponents, leading and trailing zeros, 39 decimals.
fn decimal_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,12}(\\.[0-9]{1,39})?",
        "[+-]?[0-9]{0,3}\\.[0-9]{1,9}[eE][+-]?[0-9]{1,3}",
        Just("0E-6176".to_owned()),
    ]
}

fn cell() -> impl Strategy<Value = Option<String>> {
    // Everything that CSV has to quote, and texts beyond ASCII.
    proptest::option::of(prop_oneof!["[ -~\r\n\t]{1,12}", "\\PC{1,6}"])
}

fn any_row() -> impl Strategy<Value = CostRow> {
    (
        (
            0_i64..40_000,
            prop_oneof![Just(Width::Day), Just(Width::Hour), Just(Width::Minute)],
        ),
        proptest::option::of(decimal_text()),
        proptest::option::of(decimal_text()),
        proptest::collection::vec(cell(), 11),
    )
        .prop_map(|((index, width), amount, quantity, mut cells)| {
            let mut next = || cells.pop().flatten();
            CostRow {
                amount: amount.map(|text| text.parse().unwrap()),
                quantity: quantity.map(|text| text.parse().unwrap()),
                currency: next(),
                quantity_unit: next(),
                line_item: next(),
                project_id: next(),
                user_id: next(),
                api_key_id: next(),
                api_source: next(),
                organization_id: next(),
                organization_name: next(),
                project_name: next(),
                user_email: next(),
                ..CostRow::idle(Window::from_unix(index * width.seconds(), width).unwrap())
            }
        })
}

/// The row without what the older layout has no column for.
fn narrowed(row: CostRow) -> CostRow {
    CostRow {
        quantity: None,
        quantity_unit: None,
        user_id: None,
        api_key_id: None,
        api_source: None,
        project_name: None,
        user_email: None,
        ..row
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(rows in proptest::collection::vec(any_row(), 0..12)) {
        prop_assert_eq!(&self::rows(&write(&rows, CostLayout::SeventeenColumns)), &rows);
        let narrow: Vec<CostRow> = rows.into_iter().map(narrowed).collect();
        prop_assert_eq!(&self::rows(&write(&narrow, CostLayout::TenColumns)), &narrow);
    }

    #[test]
    fn sums_do_not_depend_on_the_order((rows, shuffled) in proptest::collection::vec(any_row(), 0..20)
        .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle()))) {
        prop_assert_eq!(sums(&rows), sums(&shuffled));
    }

    /// Against integers: so many units of 10⁻³⁰.
    #[test]
    fn sums_are_exact(amounts in proptest::collection::vec((-999_999_i64..=999_999, 0_u32..=30), 1..50)) {
        let mut units = 0_i128;
        let mut decimals = Vec::new();
        for (coefficient, places) in amounts {
            units += i128::from(coefficient) * 10_i128.pow(30 - places);
            decimals.push(format!("{coefficient}E-{places}").parse::<Decimal>().unwrap());
        }
        let sum: Decimal = decimals.iter().sum();
        prop_assert_eq!(&sum, &format!("{units}E-30").parse::<Decimal>().unwrap());
        let shown: Decimal = sum.to_string().parse().unwrap();
        prop_assert_eq!(&shown, &sum);
        prop_assert_eq!(sum.is_negative(), units < 0);
    }

    /// Where both can hold it, a decimal is within half a nano-dollar of the core's rounded one.
    #[test]
    fn a_decimal_agrees_with_nano_dollars(text in "-?[0-9]{1,9}(\\.[0-9]{1,39})?([eE]-[0-9]{1,2})?") {
        let decimal: Decimal = text.parse().unwrap();
        let nanos = text.parse::<NanoUsd>().unwrap();
        let rounded = Decimal::from(nanos);
        prop_assert!(decimal.is_within(&rounded, NanoUsd::new(1)), "{decimal:?} {rounded:?}");
        prop_assert_eq!(nanos.to_string().parse(), Ok(rounded));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    /// Damage to a file that is nearly right gets further than arbitrary bytes do.
    #[test]
    fn damaged_files_never_panic(
        wide in any::<bool>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let file = if wide { SEVENTEEN_COLUMNS } else { TEN_COLUMNS };
        let mut bytes = file.as_bytes().to_vec();
        for (place, damage) in damage {
            let place = place.index(bytes.len());
            match damage {
                Damage::Overwrite(byte) => bytes[place] = byte,
                Damage::Insert(text) => drop(bytes.splice(place..place, text.bytes())),
                Damage::Cut => bytes.truncate(place.max(1)),
            }
        }
        read_all(&bytes);
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Overwrite(u8),
    Insert(&'static str),
    Cut,
}

fn damage() -> impl Strategy<Value = Damage> {
    let pieces = vec![
        ",",
        "\"",
        "\r",
        "\n",
        "9",
        "-",
        "e",
        "E99999999999",
        ".",
        "\u{feff}",
        "\0",
    ];
    prop_oneof![
        4 => any::<u8>().prop_map(Damage::Overwrite),
        4 => prop::sample::select(pieces).prop_map(Damage::Insert),
        1 => Just(Damage::Cut),
    ]
}

/// Reads everything. An error is one line and names a line of the file.
fn read_all(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let failed = match CostCsvReader::new(bytes) {
        Ok(mut rows) => rows.find_map(Result::err),
        Err(error) => Some(error),
    };
    if let Some(error) = failed {
        let message = error.to_string();
        assert_eq!(message.lines().count(), 1, "{message}");
        let number = message.strip_prefix("line ").unwrap();
        let end = number
            .find(|character: char| !character.is_ascii_digit())
            .unwrap();
        let line: usize = number[..end].parse().unwrap();
        assert!((1..=lines).contains(&line), "{message} of {lines}");
    }
}

fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

#[expect(clippy::unnecessary_wraps, reason = "what rows hold")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn rows(file: &str) -> Vec<CostRow> {
    CostCsvReader::new(file.as_bytes())
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn sums(rows: &[CostRow]) -> CostSums {
    let mut sums = CostSums::default();
    for row in rows {
        sums.add(row);
    }
    sums
}

fn failure(file: &[u8]) -> CostCsvError {
    match CostCsvReader::new(file) {
        Ok(mut rows) => rows.find_map(Result::err).unwrap(),
        Err(error) => error,
    }
}

fn write(rows: &[CostRow], layout: CostLayout) -> String {
    let mut file = CostCsvWriter::new(Vec::new(), layout);
    for row in rows {
        file.write(row).unwrap();
    }
    String::from_utf8(file.finish().unwrap()).unwrap()
}
