//! Error numbers of WASI, and the host's errors as such numbers.
//!
//! The numbering is the same in both generations. Host errors map one to one where WASI has the same name; what it
//! has no name for is `Io`. cap-std reports an attempt to leave a directory as an error without an OS number and of
//! kind `PermissionDenied`: that is `Perm`.

use std::io;

macro_rules! errnos {
    ($($name:ident = $value:literal $(<- $host:ident)?;)*) => {
        /// An error number as the guest sees it (`errno`, u16).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Errno { $($name = $value,)* }

        impl From<rustix::io::Errno> for Errno {
            fn from(host: rustix::io::Errno) -> Errno {
                match host {
                    $($(rustix::io::Errno::$host => Errno::$name,)?)*
                    _ => Errno::Io,
                }
            }
        }
    };
}

errnos! {
    Success = 0;
    TooBig = 1 <- TOOBIG;
    Acces = 2 <- ACCESS;
    Addrinuse = 3 <- ADDRINUSE;
    Addrnotavail = 4 <- ADDRNOTAVAIL;
    Afnosupport = 5 <- AFNOSUPPORT;
    Again = 6 <- AGAIN;
    Already = 7 <- ALREADY;
    Badf = 8 <- BADF;
    Badmsg = 9 <- BADMSG;
    Busy = 10 <- BUSY;
    Canceled = 11 <- CANCELED;
    Child = 12 <- CHILD;
    Connaborted = 13 <- CONNABORTED;
    Connrefused = 14 <- CONNREFUSED;
    Connreset = 15 <- CONNRESET;
    Deadlk = 16 <- DEADLK;
    Destaddrreq = 17 <- DESTADDRREQ;
    Dom = 18 <- DOM;
    Dquot = 19 <- DQUOT;
    Exist = 20 <- EXIST;
    Fault = 21 <- FAULT;
    Fbig = 22 <- FBIG;
    Hostunreach = 23 <- HOSTUNREACH;
    Idrm = 24 <- IDRM;
    Ilseq = 25 <- ILSEQ;
    Inprogress = 26 <- INPROGRESS;
    Intr = 27 <- INTR;
    Inval = 28 <- INVAL;
    Io = 29;
    Isconn = 30 <- ISCONN;
    Isdir = 31 <- ISDIR;
    Loop = 32 <- LOOP;
    Mfile = 33 <- MFILE;
    Mlink = 34 <- MLINK;
    Msgsize = 35 <- MSGSIZE;
    Multihop = 36 <- MULTIHOP;
    Nametoolong = 37 <- NAMETOOLONG;
    Netdown = 38 <- NETDOWN;
    Netreset = 39 <- NETRESET;
    Netunreach = 40 <- NETUNREACH;
    Nfile = 41 <- NFILE;
    Nobufs = 42 <- NOBUFS;
    Nodev = 43 <- NODEV;
    Noent = 44 <- NOENT;
    Noexec = 45 <- NOEXEC;
    Nolck = 46 <- NOLCK;
    Nolink = 47 <- NOLINK;
    Nomem = 48 <- NOMEM;
    Nomsg = 49 <- NOMSG;
    Noprotoopt = 50 <- NOPROTOOPT;
    Nospc = 51 <- NOSPC;
    Nosys = 52 <- NOSYS;
    Notconn = 53 <- NOTCONN;
    Notdir = 54 <- NOTDIR;
    Notempty = 55 <- NOTEMPTY;
    Notrecoverable = 56 <- NOTRECOVERABLE;
    Notsock = 57 <- NOTSOCK;
    Notsup = 58 <- NOTSUP;
    Notty = 59 <- NOTTY;
    Nxio = 60 <- NXIO;
    Overflow = 61 <- OVERFLOW;
    Ownerdead = 62 <- OWNERDEAD;
    Perm = 63 <- PERM;
    Pipe = 64 <- PIPE;
    Proto = 65 <- PROTO;
    Protonosupport = 66 <- PROTONOSUPPORT;
    Prototype = 67 <- PROTOTYPE;
    Range = 68 <- RANGE;
    Rofs = 69 <- ROFS;
    Spipe = 70 <- SPIPE;
    Srch = 71 <- SRCH;
    Stale = 72 <- STALE;
    Timedout = 73 <- TIMEDOUT;
    Txtbsy = 74 <- TXTBSY;
    Xdev = 75 <- XDEV;
    Notcapable = 76;
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        if let Some(host) = rustix::io::Errno::from_io_error(&error) {
            return host.into();
        }
        match error.kind() {
            io::ErrorKind::NotFound => Errno::Noent,
            io::ErrorKind::PermissionDenied => Errno::Perm,
            io::ErrorKind::AlreadyExists => Errno::Exist,
            io::ErrorKind::InvalidInput => Errno::Inval,
            io::ErrorKind::NotADirectory => Errno::Notdir,
            io::ErrorKind::IsADirectory => Errno::Isdir,
            io::ErrorKind::Unsupported => Errno::Notsup,
            _ => Errno::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_numbers_keep_their_names() {
        assert_eq!(Errno::from(rustix::io::Errno::NOENT), Errno::Noent);
        assert_eq!(Errno::from(rustix::io::Errno::XDEV), Errno::Xdev);
        assert_eq!(Errno::from(rustix::io::Errno::ADV), Errno::Io);
        assert_eq!(Errno::from(io::Error::from_raw_os_error(40)), Errno::Loop);
    }

    #[test]
    fn a_refused_escape_is_perm() {
        let refused = io::Error::new(io::ErrorKind::PermissionDenied, "a path led outside of the filesystem");
        assert_eq!(Errno::from(refused), Errno::Perm);
    }
}
