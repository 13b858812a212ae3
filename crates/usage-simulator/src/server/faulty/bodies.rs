//! Bodies that are not sent as they should be.

use std::io;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream::{self, Stream, StreamExt};

use super::connection::{Connection, Ending};

/// The spaces before a huge body: one gibibyte.
pub(super) const HUGE: u64 = 1 << 30;

const CHUNK: u64 = 1 << 16;
const INTERVAL: Duration = Duration::from_millis(200);

/// The first half of a body; then the connection ends.
pub(super) fn first_half(body: &Bytes, connection: Connection, ending: Ending) -> Body {
    let mut half = Some(body.slice(..body.len() / 2));
    Body::from_stream(stream::poll_fn(move |_| {
        if let Some(bytes) = half.take() {
            return Poll::Ready(Some(io::Result::Ok(bytes)));
        }
        // The server now sends what it has, and then the connection fails: nobody has to be woken.
        connection.end(ending);
        Poll::Pending
    }))
}

/// A body byte by byte, until it is told to stop.
pub(super) fn slowly(body: Bytes, stopping: impl Future<Output = ()> + Send + 'static) -> Body {
    let bytes = stream::unfold(body, |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        let byte = rest.split_to(1);
        tokio::time::sleep(INTERVAL).await;
        Some((byte, rest))
    });
    until(bytes, stopping)
}

/// [`HUGE`] spaces and then the body, until it is told to stop.
pub(super) fn huge(body: Bytes, stopping: impl Future<Output = ()> + Send + 'static) -> Body {
    let chunk = Bytes::from(vec![b' '; 1 << 16]);
    let spaces = stream::iter((0..HUGE / CHUNK).map(move |_| chunk.clone()));
    until(spaces.chain(stream::iter([body])), stopping)
}

fn until(
    chunks: impl Stream<Item = Bytes> + Send + 'static,
    stopping: impl Future<Output = ()> + Send + 'static,
) -> Body {
    Body::from_stream(chunks.map(io::Result::Ok).take_until(Box::pin(stopping)))
}
