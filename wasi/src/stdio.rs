//! The three standard streams: inherited, files, pipes, or buffers in memory.
//!
//! Streams of the process are used by descriptor, past the buffers and locks of Rust's own `std::io`; an embedder
//! that prints to the same stream flushes its own text first.

use std::io::{IoSlice, IoSliceMut, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use crate::errno::Errno;
use crate::error::Fail;
use crate::interrupt::Interrupt;

/// Where the guest's standard input comes from.
#[derive(Debug, Default)]
pub enum Input {
    /// Always at its end.
    #[default]
    Empty,
    /// The standard input of this process.
    Inherit,
    /// A file, pipe or terminal.
    Fd(OwnedFd),
    /// These bytes, from `position` on.
    Bytes {
        /// The whole input.
        data: Vec<u8>,
        /// Bytes read so far.
        position: usize,
    },
}

impl Input {
    /// An input of these bytes.
    pub fn bytes(data: impl Into<Vec<u8>>) -> Input {
        Input::Bytes { data: data.into(), position: 0 }
    }

    /// The descriptor behind it; `None` where reading never blocks.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Input::Empty | Input::Bytes { .. } => None,
            Input::Inherit => Some(rustix::stdio::stdin()),
            Input::Fd(fd) => Some(fd.as_fd()),
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.fd().is_some_and(|fd| fd.is_terminal())
    }

    pub(crate) fn read(&mut self, interrupt: &Interrupt, bufs: &mut [IoSliceMut<'_>]) -> Result<usize, Fail> {
        if let Input::Bytes { data, position } = self {
            let read = std::io::Read::read_vectored(&mut &data[*position..], bufs)?;
            *position += read;
            return Ok(read);
        }
        let Some(fd) = self.fd() else { return Ok(0) };
        if interrupt.is_watched() {
            interrupt.wait(fd, PollFlags::IN)?;
        }
        loop {
            match interrupt.retry(|| rustix::io::readv(fd, bufs)) {
                Err(Fail::Errno(Errno::Again)) => interrupt.wait(fd, PollFlags::IN)?,
                result => return result,
            }
        }
    }
}

impl From<OwnedFd> for Input {
    fn from(fd: OwnedFd) -> Input {
        Input::Fd(fd)
    }
}

impl From<std::fs::File> for Input {
    fn from(file: std::fs::File) -> Input {
        Input::Fd(file.into())
    }
}

/// Where the guest's standard output or standard error goes.
#[derive(Debug, Default)]
pub enum Output {
    /// Nowhere.
    #[default]
    Discard,
    /// The standard output of this process.
    Stdout,
    /// The standard error of this process.
    Stderr,
    /// A file, pipe or terminal.
    Fd(OwnedFd),
    /// A buffer that the embedder reads.
    Buffer(OutputBuffer),
}

impl Output {
    /// The descriptor behind it; `None` where writing never blocks.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Output::Discard | Output::Buffer(_) => None,
            Output::Stdout => Some(rustix::stdio::stdout()),
            Output::Stderr => Some(rustix::stdio::stderr()),
            Output::Fd(fd) => Some(fd.as_fd()),
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.fd().is_some_and(|fd| fd.is_terminal())
    }

    pub(crate) fn write(&self, interrupt: &Interrupt, bufs: &[IoSlice<'_>]) -> Result<usize, Fail> {
        let Some(fd) = self.fd() else {
            if let Output::Buffer(buffer) = self {
                let mut bytes = buffer.lock();
                bufs.iter().for_each(|buf| bytes.extend_from_slice(buf));
            }
            return Ok(bufs.iter().map(|buf| buf.len()).sum());
        };
        loop {
            match interrupt.retry(|| rustix::io::writev(fd, bufs)) {
                Err(Fail::Errno(Errno::Again)) => interrupt.wait(fd, PollFlags::OUT)?,
                result => return result,
            }
        }
    }
}

impl From<OwnedFd> for Output {
    fn from(fd: OwnedFd) -> Output {
        Output::Fd(fd)
    }
}

impl From<std::fs::File> for Output {
    fn from(file: std::fs::File) -> Output {
        Output::Fd(file.into())
    }
}

impl From<&OutputBuffer> for Output {
    fn from(buffer: &OutputBuffer) -> Output {
        Output::Buffer(buffer.clone())
    }
}

/// What a guest wrote, shared between the guest's context and the embedder; clones are the same buffer.
#[derive(Debug, Clone, Default)]
pub struct OutputBuffer(Arc<Mutex<Vec<u8>>>);

impl OutputBuffer {
    /// A copy of what was written so far.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
