//! A page of costs as JSON.

use std::io::{self, Write};

use usage_core::Decimal;

use super::envelope::{begin_bucket, begin_page, end_bucket, end_page, separate};
use super::shared::{CostSettings, Settings};
use super::surface::Surface;
use super::usage_request::UsageRequest;
use crate::organization::{Bill, Cost, Organization};

/// The body of the answer.
pub(super) fn write_page(
    organization: &Organization,
    request: &UsageRequest,
    settings: &Settings,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let is_grouped = !request.selection.group_by.is_empty();
    let split_every = settings.split_every.filter(|_| is_grouped);
    begin_page(&mut body)?;
    if let Some(page) = request.page {
        let windows = Bill::new(organization, &request.selection, page).into_windows();
        for (index, (window, costs)) in windows.into_iter().enumerate() {
            separate(&mut body, index)?;
            begin_bucket(&mut body, window, costs.is_empty())?;
            for (index, cost) in costs.into_iter().enumerate() {
                separate(&mut body, index)?;
                if split_every.is_some_and(|n| (index + 1) % n == 0) {
                    let (large, small) = cost.split();
                    write_result(&mut body, organization, &large, &settings.costs)?;
                    body.write_all(b",")?;
                    write_result(&mut body, organization, &small, &settings.costs)?;
                } else {
                    write_result(&mut body, organization, &cost, &settings.costs)?;
                }
            }
            end_bucket(&mut body)?;
        }
    }
    end_page(&mut body, request.next_page.as_deref())?;
    Ok(body)
}

fn write_result(
    body: &mut Vec<u8>,
    organization: &Organization,
    cost: &Cost,
    settings: &CostSettings,
) -> io::Result<()> {
    write!(
        body,
        r#"{{"object":"{}","amount":{{"value":"#,
        Surface::COSTS.object
    )?;
    if settings.amounts_are_numbers {
        write_number(body, cost.amount.as_ref())?;
    } else {
        serde_json::to_writer(&mut *body, &cost.amount_text())?;
    }
    body.write_all(br#","currency":"#)?;
    serde_json::to_writer(&mut *body, &cost.currency)?;
    body.write_all(b"}")?;
    for dimension in Surface::COSTS.dimensions {
        write_text(body, dimension.as_str(), cost.get(*dimension))?;
    }
    body.write_all(br#","quantity":"#)?;
    write_number(body, cost.quantity.as_ref())?;
    write_text(body, "quantity_unit", cost.quantity_unit.as_deref())?;
    if settings.has_live_fields {
        write_text(body, "organization_id", Some(organization.id()))?;
        write_text(body, "organization_name", Some(&organization.name()))?;
        write_text(body, "project_name", organization.project_name(cost))?;
        write_text(body, "user_email", organization.user_email(cost))?;
    }
    body.write_all(b"}")
}

fn write_text(body: &mut Vec<u8>, name: &str, value: Option<&str>) -> io::Result<()> {
    write!(body, r#","{name}":"#)?;
    serde_json::to_writer(body, &value)?;
    Ok(())
}

/// A decimal is spelled as JSON spells numbers, digit by digit.
fn write_number(body: &mut Vec<u8>, number: Option<&Decimal>) -> io::Result<()> {
    match number {
        Some(number) => write!(body, "{number}"),
        None => body.write_all(b"null"),
    }
}
