#![expect(clippy::unwrap_used, reason = "a test without a network of its own fails")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For as long as a loaded machine may need.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// A network in the way: a TCP proxy on a free port of 127.0.0.1, gone with the value, which passes bytes until it is told to
/// hold or to cut them.
///
/// Its methods panic where the system has no port or no thread for it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Client,
    Server,
}

/// What happens when the last of the awaited texts has been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// What carries the text is held, and everything behind it.
    HoldBefore,
    /// It is passed on, and everything that comes back is held.
    HoldBehind,
    /// Connections are cut before what carries the text is passed on.
    CutBefore,
    /// It is passed on, and connections are cut before anything comes back.
    CutBehind,
    /// It is passed on, and connections are cut at once, while the server is at work on it.
    CutAtWork,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Texts that must pass from the client, one after the other, and what then happens.
    awaited: Vec<Vec<u8>>,
    then: Option<Then>,
    seen: bool,
    /// How often a client has come.
    arrivals: u64,
    /// How many bytes may still come from the server.
    budget: Option<usize>,
    held: bool,
    cut: bool,
    /// Whether to cut as soon as what is in hand was passed on.
    cut_next: bool,
    connections: Vec<TcpStream>,
}

impl Proxy {
    /// A proxy that passes everything.
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
            changed: Condvar::new(),
            closed: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    accepting.connect(&client);
                }
            }
        });
        Self { address, shared }
    }

    /// The URL with this proxy's address in place of the server's.
    pub fn lead(&self, url: &str) -> String {
        let server = self.shared.upstream.to_string();
        assert!(url.contains(&server), "{url} does not lead to {server}");
        url.replace(&server, &self.address.to_string())
    }

    /// Acts when the client has sent these texts, one after the other, each in a write of its own.
    pub fn when_client_sends(&self, texts: &[&str], then: Then) {
        let mut state = self.shared.state();
        state.awaited = texts.iter().rev().map(|text| text.as_bytes().to_vec()).collect();
        state.then = Some(then);
        state.seen = false;
    }

    /// Cuts every connection after so many more bytes from the server.
    pub fn cut_after(&self, bytes: usize) {
        self.shared.state().budget = Some(bytes);
    }

    /// Holds what the server sends from now on.
    pub fn hold(&self) {
        self.shared.state().held = true;
    }

    /// Passes everything again, held bytes first.
    pub fn mend(&self) {
        let mut state = self.shared.state();
        (state.held, state.cut, state.budget, state.then) = (false, false, None, None);
        state.awaited.clear();
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Returns when the awaited texts have been seen, or the connections have been cut.
    ///
    /// # Panics
    ///
    /// When that does not happen within two minutes.
    #[track_caller]
    pub fn wait_until_acted(&self) {
        self.wait_until("the proxy acts", |state| match state.then {
            Some(Then::CutBefore | Then::CutBehind | Then::CutAtWork) | None => state.cut,
            Some(Then::HoldBefore | Then::HoldBehind) => state.seen,
        });
    }

    /// Returns when so many more clients have come, whether or not they could be led to the server.
    ///
    /// # Panics
    ///
    /// When that does not happen within two minutes.
    #[track_caller]
    pub fn wait_for_clients(&self, more: u64) {
        let expected = self.shared.state().arrivals + more;
        self.wait_until("clients come", |state| state.arrivals >= expected);
    }

    #[track_caller]
    fn wait_until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), LONGEST_WAIT, |state| !is_so(state))
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        assert!(!waited.timed_out(), "it never comes to this: {what}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.mend();
        self.shared.state().close_all();
        // The listener wakes up for this and sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self: &Arc<Self>, client: &TcpStream) {
        self.state().arrivals += 1;
        self.changed.notify_all();
        let Ok(server) = TcpStream::connect(self.upstream) else {
            return;
        };
        {
            let mut state = self.state();
            if state.cut {
                return;
            }
            state.connections.push(client.try_clone().unwrap());
            state.connections.push(server.try_clone().unwrap());
        }
        for (from, to, side) in [(client, &server, From::Client), (&server, client, From::Server)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.copy(from, to, side));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, side: From) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = from.read(&mut buffer) {
            if length == 0 {
                break;
            }
            let Some(passed) = self.judge(&buffer[..length], side) else {
                break;
            };
            if to.write_all(&buffer[..passed]).is_err() {
                break;
            }
            if side == From::Client && std::mem::take(&mut self.state().cut_next) {
                self.state().close_all();
                self.changed.notify_all();
                break;
            }
            if passed < length {
                // The proxy may have been mended since it was judged, and must not be cut again.
                self.state().shut_down();
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// How many of these bytes to pass on, once they may be; `None` if the connections are cut.
    fn judge(&self, bytes: &[u8], side: From) -> Option<usize> {
        let mut state = self.state();
        match side {
            From::Client => {
                let awaited = state.awaited.last();
                if awaited.is_some_and(|text| bytes.windows(text.len()).any(|window| window == text)) {
                    state.awaited.pop();
                    if state.awaited.is_empty() {
                        state.seen = true;
                        self.changed.notify_all();
                        match state.then {
                            Some(Then::HoldBefore | Then::HoldBehind) => state.held = true,
                            Some(Then::CutBefore) => state.close_all(),
                            Some(Then::CutBehind) => state.budget = Some(0),
                            Some(Then::CutAtWork) => state.cut_next = true,
                            None => {}
                        }
                    }
                }
                let holds = |state: &State| state.held && state.then == Some(Then::HoldBefore);
                while holds(&state) {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
            From::Server => {
                while state.held {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        if state.cut {
            return None;
        }
        let Some(budget) = state.budget.filter(|_| side == From::Server) else {
            return Some(bytes.len());
        };
        let passed = budget.min(bytes.len());
        state.budget = Some(budget - passed);
        state.cut |= passed < bytes.len();
        self.changed.notify_all();
        Some(passed)
    }
}

impl State {
    /// Ends every connection, and refuses further ones until the proxy is mended.
    fn close_all(&mut self) {
        self.cut = true;
        self.shut_down();
    }

    fn shut_down(&mut self) {
        for connection in self.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
