//! The body of an answer, up to its limit.

use futures_util::StreamExt;

use super::traffic::Counters;

/// How much of the memory an announced length asks for is reserved before the first byte has come.
const RESERVED_AT_ONCE: u64 = 8 * 1024 * 1024;
/// A body is kept in parts of about so many bytes until it is whole: one that grew in place would be copied each time, and take
/// three times its size while it is.
const PART: usize = 8 * 1024 * 1024;

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// More bytes than the limit, which is given.
    TooLarge(usize),
    /// Cut off, broken compression, or too slow.
    Transport(reqwest::Error),
}

/// Reads the body to its end. The limit counts decompressed bytes, as they come.
pub(crate) async fn read(
    response: reqwest::Response,
    limit: usize,
    traffic: &Counters,
) -> Result<Vec<u8>, BodyFault> {
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |length| length > limit) {
        return Err(BodyFault::TooLarge(limit));
    }
    let reserved = usize::try_from(announced.min(RESERVED_AT_ONCE)).unwrap_or(0);
    let mut parts = Vec::new();
    let mut before = 0;
    let mut part = Vec::with_capacity(reserved);
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(BodyFault::Transport)?;
        traffic.count_bytes(chunk.len());
        if chunk.len() > limit - before - part.len() {
            return Err(BodyFault::TooLarge(limit));
        }
        if part.len() + chunk.len() > PART && !part.is_empty() {
            before += part.len();
            parts.push(std::mem::replace(&mut part, Vec::with_capacity(PART)));
        }
        part.extend_from_slice(&chunk);
    }
    if parts.is_empty() {
        return Ok(part);
    }
    parts.push(part);
    Ok(parts.concat())
}
