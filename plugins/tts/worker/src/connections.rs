// SPDX-License-Identifier: MPL-2.0

//! Connections as the service sees them: which one a call came by, and when it is gone.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc::UnboundedSender,
};
use tonic::transport::server::Connected;

use crate::sessions::ConnectionId;

/// In the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Unique in the process; never 0.
    pub id: ConnectionId,
}

/// A connection that tells when it is gone.
pub struct Tracked {
    stream: TcpStream,
    connection: Connection,
    // As many messages as there are connections: bounded by those.
    gone: UnboundedSender<ConnectionId>,
}

impl Tracked {
    /// Tells `gone` of the end of this connection.
    pub fn new(stream: TcpStream, gone: UnboundedSender<ConnectionId>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // A frame is not to wait for the next one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Self {
            stream,
            connection: Connection {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
            },
            gone,
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // Nobody listens only when the worker itself is ending.
        let _ = self.gone.send(self.connection.id);
    }
}

impl Connected for Tracked {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.connection
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
