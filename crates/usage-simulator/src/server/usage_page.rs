//! A page of usage as JSON.
//!
//! Written by hand: a page of 31 buckets with 4,000 groups each is more than 90 MB, of which the dimensions of a
//! group are the same in every bucket and are spelled out only once.

use std::io::{self, Write};

use usage_core::{Dimension, Dimensions};

use super::envelope::{begin_bucket, begin_page, end_bucket, end_page, separate};
use super::surface::Surface;
use super::usage_request::UsageRequest;
use crate::organization::{Aggregation, Sum, UsageLog};

/// The body of the answer.
pub(super) fn write_page(
    surface: &Surface,
    usage: &UsageLog,
    request: &UsageRequest,
    split_every: Option<usize>,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let split_every = split_every.filter(|_| !request.selection.group_by.is_empty());
    begin_page(&mut body)?;
    if let Some(page) = request.page {
        let mut aggregation = Aggregation::new(usage, &request.selection, page);
        let groups: Vec<Vec<u8>> = aggregation
            .groups()
            .iter()
            .map(|group| spell_dimensions(surface, group))
            .collect::<io::Result<_>>()?;
        for (index, window) in page.windows().enumerate() {
            let rows = aggregation.numbered_rows(window);
            separate(&mut body, index)?;
            begin_bucket(&mut body, window, rows.is_empty())?;
            for (index, (group, sum)) in rows.into_iter().enumerate() {
                separate(&mut body, index)?;
                if split_every.is_some_and(|n| (index + 1) % n == 0) {
                    let (large, small) = sum.split();
                    write_result(&mut body, surface, &groups[group], &large)?;
                    body.write_all(b",")?;
                    write_result(&mut body, surface, &groups[group], &small)?;
                } else {
                    write_result(&mut body, surface, &groups[group], &sum)?;
                }
            }
            end_bucket(&mut body)?;
        }
    }
    end_page(&mut body, request.next_page.as_deref())?;
    Ok(body)
}

fn write_result(body: &mut Vec<u8>, surface: &Surface, dimensions: &[u8], sum: &Sum) -> io::Result<()> {
    write!(body, r#"{{"object":"{}""#, surface.object)?;
    for metric in surface.required {
        write!(body, r#","{metric}":{}"#, sum.get(*metric).unwrap_or(0))?;
    }
    body.write_all(dimensions)?;
    for metric in surface.optional {
        if let Some(value) = sum.get(*metric) {
            write!(body, r#","{metric}":{value}"#)?;
        }
    }
    body.write_all(b"}")
}

/// `,"project_id":"proj_…","user_id":null` and so on: every dimension of the surface.
fn spell_dimensions(surface: &Surface, dimensions: &Dimensions) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for dimension in surface.dimensions {
        write!(text, r#","{dimension}":"#)?;
        if *dimension == Dimension::Batch {
            serde_json::to_writer(&mut text, &dimensions.batch)?;
        } else {
            serde_json::to_writer(&mut text, &dimensions.get(*dimension))?;
        }
    }
    Ok(text)
}
