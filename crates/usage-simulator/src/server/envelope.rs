//! What pages of usage and of costs have in common.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use usage_core::Window;

pub(super) fn begin_page(body: &mut Vec<u8>) -> io::Result<()> {
    body.write_all(br#"{"object":"page","data":["#)
}

/// A bucket up to its results. Quiet ones come without times as text, as seen live.
pub(super) fn begin_bucket(body: &mut Vec<u8>, window: Window, is_quiet: bool) -> io::Result<()> {
    write!(
        body,
        r#"{{"object":"bucket","start_time":{},"end_time":{}"#,
        window.start_unix(),
        window.end_unix()
    )?;
    if !is_quiet {
        write!(
            body,
            r#","start_time_iso":"{}","end_time_iso":"{}""#,
            iso_without_zone(window.start()),
            iso_without_zone(window.end())
        )?;
    }
    body.write_all(br#","results":["#)
}

pub(super) fn end_bucket(body: &mut Vec<u8>) -> io::Result<()> {
    body.write_all(b"]}")
}

pub(super) fn end_page(body: &mut Vec<u8>, next_page: Option<&str>) -> io::Result<()> {
    let has_more = next_page.is_some();
    write!(body, r#"],"has_more":{has_more},"next_page":"#)?;
    serde_json::to_writer(&mut *body, &next_page)?;
    body.write_all(b"}")
}

/// What stands before an item but the first.
pub(super) fn separate(body: &mut Vec<u8>, index: usize) -> io::Result<()> {
    if index > 0 { body.write_all(b",") } else { Ok(()) }
}

/// Live answers leave out the zone here, although they mean UTC.
fn iso_without_zone(instant: DateTime<Utc>) -> impl std::fmt::Display {
    instant.naive_utc().format("%Y-%m-%dT%H:%M:%S")
}
