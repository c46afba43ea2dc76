//! What this process lacked when the system refused a connection or a file.
//!
//! It is no fault of a target, and nothing was sent: such a call costs no attempt, opens no breaker, and is made again
//! soon.

use std::{error::Error, fs::File, io, net::UdpSocket};

use rustix::io::Errno;
use sexton_core::outcome::{Failure, Outcome};

use crate::seldom::Seldom;

/// What may be lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// File descriptors, of the process (`EMFILE`) or of the machine (`ENFILE`).
    Descriptors,
    /// Local ports (`EADDRNOTAVAIL`): as many connections to one address are open, or were closed in the last minute. A
    /// machine without IPv6 says the same of each IPv6 address that a name has, and of all that is said of a name's
    /// addresses one error is left: there it proves nothing.
    Ports,
    /// Memory of the system for sockets (`ENOBUFS`, `ENOMEM`).
    Memory,
}

static NOTED: Seldom = Seldom::new();

impl Lack {
    /// What the system lacked, if an error says so.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Descriptors),
            Errno::ADDRNOTAVAIL if has_ipv6() => Some(Self::Ports),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Memory),
            _ => None,
        }
    }

    /// The same of an error and its causes.
    pub(super) fn of_causes(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let lack = error.downcast_ref::<io::Error>().and_then(Self::of_nested);
            if lack.is_some() {
                return lack;
            }
            cause = error.source();
        }
        None
    }

    /// An error of the system may be wrapped in one without a number.
    fn of_nested(error: &io::Error) -> Option<Self> {
        Self::of(error).or_else(|| error.get_ref()?.downcast_ref::<io::Error>().and_then(Self::of_nested))
    }

    /// What is lacking now. The system's resolver does not say why it knows no name: without descriptors it can neither
    /// read its configuration nor ask a server.
    pub(super) fn now() -> Option<Self> {
        File::open("/dev/null").err().and_then(|error| Self::of(&error))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Descriptors => "no_descriptors",
            Self::Ports => "no_ports",
            Self::Memory => "no_memory",
        }
    }

    /// The outcome of a call that could not be made, noted in the log.
    pub(super) fn outcome(self) -> Outcome {
        let lack = self.as_str();
        let advice = match self {
            Self::Descriptors => "raise the limit of open files (ulimit -n), or lower worker.concurrency",
            Self::Ports => "lower max_in_flight of the target, or have it keep connections open",
            Self::Memory => "the machine has no memory left for connections",
        };
        NOTED.log(|| tracing::warn!(lack, "calls wait because this process lacks something ({lack}): {advice}"));
        Outcome::Starved(Failure { status: None, reason: lack.to_owned() })
    }
}

/// Whether this machine has an address from which it could call one of IPv6. Nothing is sent to the one in question,
/// which is for documentation (RFC 3849).
fn has_ipv6() -> bool {
    UdpSocket::bind("[::]:0").and_then(|socket| socket.connect("[2001:db8::1]:9")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_lacks_is_found_in_the_causes_of_an_error() {
        #[derive(Debug, thiserror::Error)]
        #[error("tcp connect error")]
        struct Wrapped(#[source] io::Error);
        let of_errno = |errno: Errno| io::Error::from(errno);
        for (errno, lack) in [
            (Errno::MFILE, Some(Lack::Descriptors)),
            (Errno::NFILE, Some(Lack::Descriptors)),
            (Errno::ADDRNOTAVAIL, has_ipv6().then_some(Lack::Ports)),
            (Errno::NOBUFS, Some(Lack::Memory)),
            (Errno::CONNREFUSED, None),
            (Errno::TIMEDOUT, None),
        ] {
            assert_eq!(Lack::of_causes(&Wrapped(of_errno(errno))), lack, "{errno:?}");
            assert_eq!(Lack::of_causes(&Wrapped(io::Error::other(of_errno(errno)))), lack, "{errno:?}");
        }
        assert_eq!(Lack::of_causes(&io::Error::other("no number")), None);
    }
}
