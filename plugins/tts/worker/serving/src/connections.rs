// SPDX-License-Identifier: MPL-2.0

//! Connections as the service sees them: which one a call came by, and when it is gone. And as the
//! system sees them: writes that belong together leave together.
//!
//! An HTTP/2 connection writes each frame of sound by a call of its own, which costs more than all the
//! rest of sending it. Where a tick of the timer lets a hundred calls of a connection go, their frames
//! are collected here, and leave once the connection's task runs again, which it is asked to do at
//! once: behind the calls that were woken with it, and not a microsecond later than those take.

use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use futures_util::ready;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc::UnboundedSender,
};
use tonic::transport::server::Connected;

use crate::sessions::ConnectionId;

/// Collected bytes that leave without waiting for more.
const ENOUGH: usize = 64 * 1024;

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
    /// Written, but not to the system yet; at most [`ENOUGH`] and one write more.
    collected: BytesMut,
    /// The task was asked to run again.
    asked: bool,
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
            collected: BytesMut::new(),
            asked: false,
        }
    }

    /// Hands the system what was collected.
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.collected.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.collected))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.collected.advance(written);
        }
        self.asked = false;
        Poll::Ready(Ok(()))
    }

    /// Makes sure that there is room for a write.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.collected.len() < ENOUGH {
            return Poll::Ready(Ok(()));
        }
        self.poll_release(context)
    }

    /// Unique in the process.
    pub fn id(&self) -> ConnectionId {
        self.connection.id
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
    /// The first that a connection's task does when it runs.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_release(context) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(context))?;
        self.collected.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(context))?;
        for bytes in bytes {
            self.collected.extend_from_slice(bytes);
        }
        Poll::Ready(Ok(bytes.iter().map(|bytes| bytes.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does so soon: see the head of this file.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.collected.len() >= ENOUGH {
            return self.poll_release(context);
        }
        if !self.collected.is_empty() && !std::mem::replace(&mut self.asked, true) {
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
