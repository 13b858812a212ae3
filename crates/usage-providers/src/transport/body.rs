//! The body of an answer, up to its limit.

use futures_util::StreamExt;

use super::traffic::Counters;

/// How much of the memory an announced length asks for is reserved before the first byte has come.
const RESERVED_AT_ONCE: u64 = 8 * 1024 * 1024;

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
    let mut body = Vec::with_capacity(reserved);
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(BodyFault::Transport)?;
        traffic.count_bytes(chunk.len());
        if chunk.len() > limit - body.len() {
            return Err(BodyFault::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
