//! Connections that can be broken from within an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Reset before another byte is sent.
    ResetNow = 1,
    /// Reset once everything so far is sent.
    ResetAfterFlush = 2,
    /// Closed in good order once everything so far is sent.
    CloseAfterFlush = 3,
}

/// The handle by which a request ends its connection.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Connection(Arc<AtomicU8>);

impl Connection {
    pub(super) fn end(&self, ending: Ending) {
        self.0.store(ending as u8, Ordering::SeqCst);
    }

    fn is_to(&self, ending: Ending) -> bool {
        self.0.load(Ordering::SeqCst) == ending as u8
    }
}

impl Connected<IncomingStream<'_, Connections>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().connection.clone()
    }
}

/// A listener whose connections can be ended.
pub(in crate::server) struct Connections(pub(in crate::server) TcpListener);

impl Listener for Connections {
    type Io = BreakableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The trait's way waits and tries again where accepting fails.
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Single bytes are to be sent as such.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off the delay of small packets");
        }
        let connection = Connection::default();
        (BreakableStream { stream, connection }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A TCP stream that fails when its [`Connection`] says so; the server then drops it.
pub(in crate::server) struct BreakableStream {
    stream: TcpStream,
    connection: Connection,
}

impl BreakableStream {
    fn reset(&self) -> io::Error {
        // Without lingering, dropping the socket sends a reset instead of an orderly end.
        match self.stream.set_zero_linger() {
            Ok(()) => io::ErrorKind::ConnectionReset.into(),
            Err(error) => error,
        }
    }

    fn check_write(&self) -> io::Result<()> {
        if self.connection.is_to(Ending::ResetNow) {
            return Err(self.reset());
        }
        Ok(())
    }
}

impl AsyncRead for BreakableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for BreakableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_write()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_write()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// The server flushes when it has handed over everything it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_write()?;
        if self.connection.is_to(Ending::ResetAfterFlush) {
            return Poll::Ready(Err(self.reset()));
        }
        if self.connection.is_to(Ending::CloseAfterFlush) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
