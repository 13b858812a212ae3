//! Connections: how many there are, how long each may last, and how they end.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::limits::Limits;
use crate::stream::ReadByClient;

/// The head of a request, in bytes.
const MAX_HEAD: usize = 32 * 1024;
/// How long to wait before the system, which is short of something, is asked for a connection again.
const SHORT_OF_SOMETHING: Duration = Duration::from_millis(100);
/// How often room is looked for while every connection is busy.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Serves whoever connects until told to stop. Connections that are under way then are left to `tasks`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &Limits,
    tasks: &TaskTracker,
    mut stop: watch::Receiver<bool>,
) {
    let connections = Arc::new(Connections {
        // One alone is never too many.
        most_unread: (limits.connections / 2).max(1),
        ..Connections::default()
    });
    let room = Arc::new(Semaphore::new(limits.connections));
    let stopping = stop.clone();
    let accept = async {
        loop {
            let stream = accept(&listener).await;
            let permit = make_room(&room, &connections).await;
            tasks.spawn(serve_one(
                stream,
                permit,
                router.clone(),
                *limits,
                connections.clone(),
                stopping.clone(),
            ));
        }
    };
    tokio::select! {
        () = told(&mut stop) => {}
        () = accept => {}
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client has gone before it was let in.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => {
                tracing::warn!("no connection can be taken: {error}");
                tokio::time::sleep(SHORT_OF_SOMETHING).await;
            }
        }
    }
}

/// Waits until there is room for a connection, and lets the one that has been idle longest make it.
async fn make_room(room: &Arc<Semaphore>, connections: &Connections) -> OwnedSemaphorePermit {
    let mut wanted = pin!(room.clone().acquire_owned());
    let mut look_again = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            permit = &mut wanted => match permit {
                Ok(permit) => return permit,
                // Nobody closes it.
                Err(_) => std::future::pending().await,
            },
            () = tokio::time::sleep(look_again) => connections.close_idlest(),
        }
        look_again = LOOK_AGAIN;
    }
}

async fn serve_one(
    stream: TcpStream,
    _room: OwnedSemaphorePermit,
    router: Router,
    limits: Limits,
    connections: Arc<Connections>,
    mut stop: watch::Receiver<bool>,
) {
    // Without it, the end of a small answer waits for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = connections.add();
    let (router, of, on) = (
        TowerToHyperService::new(router),
        connections.clone(),
        connection.clone(),
    );
    let service = service_fn(move |mut request: Request<Incoming>| {
        let arrival = Arrival::new(&of, &on);
        request.extensions_mut().insert(arrival.clone());
        let answer = router.call(request);
        async move {
            answer.await.map(|response| {
                arrival.is_whole();
                held_until_sent(response, arrival)
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD);
    let stream = TokioIo::new(ReadByClient::new(
        stream,
        limits.unread,
        connection.is_unread.clone(),
    ));
    let mut served = pin!(builder.serve_connection(stream, service));
    let is_over = tokio::select! {
        // What is wrong with a connection is the client's affair: it went, or was too slow.
        _ = served.as_mut() => true,
        () = connection.closed.notified() => true,
        () = told(&mut stop) => false,
    };
    if !is_over {
        served.as_mut().graceful_shutdown();
        let _ = served.await;
    }
    connections.remove(&connection);
}

/// Returns once told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Whoever could have told is gone.
        std::future::pending::<()>().await;
    }
}

/// The connections that are open.
#[derive(Default)]
struct Connections {
    /// By number, in the order in which they came.
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// How often something happened on any of them.
    events: AtomicU64,
    /// How many whose clients have yet to read something are left alone when there is no room.
    most_unread: usize,
}

/// A connection that is open.
struct Connection {
    number: u64,
    /// Requests of which the answer is not handed over yet.
    under_way: AtomicUsize,
    /// Whether the client has yet to read what was handed over.
    is_unread: Arc<AtomicBool>,
    /// The event that was the last to happen on it.
    last_event: AtomicU64,
    closed: Notify,
}

impl Connections {
    fn add(&self) -> Arc<Connection> {
        let number = self.event();
        let connection = Arc::new(Connection {
            number,
            under_way: AtomicUsize::new(0),
            is_unread: Arc::default(),
            last_event: AtomicU64::new(number),
            closed: Notify::new(),
        });
        self.lock().insert(number, connection.clone());
        connection
    }

    fn remove(&self, connection: &Connection) {
        self.lock().remove(&connection.number);
    }

    /// Closes the connection that has been idle longest, if there is one; else, where more than their share are held by clients
    /// that are slow to read, the one of these that has been so longest.
    fn close_idlest(&self) {
        let mut open = self.lock();
        let oldest = |is_meant: fn(&Connection) -> bool| {
            let meant = open.values().filter(|connection| is_meant(connection));
            meant
                .min_by_key(|connection| connection.last_event.load(Ordering::SeqCst))
                .map(|connection| connection.number)
        };
        let idlest = oldest(Connection::is_idle).or_else(|| {
            let unread = open.values().filter(|connection| connection.is_unread());
            (unread.count() > self.most_unread)
                .then(|| oldest(Connection::is_unread))
                .flatten()
        });
        // Taken out at once, so that the next to come finds another one.
        if let Some(connection) = idlest.and_then(|number| open.remove(&number)) {
            connection.closed.notify_one();
        }
    }

    fn begin_request(self: &Arc<Self>, connection: &Arc<Connection>) -> UnderWay {
        connection.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay {
            connections: self.clone(),
            connection: connection.clone(),
        }
    }

    fn event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        // A map is whole whoever panicked.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) == 0 && !self.is_unread()
    }

    fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::SeqCst)
    }
}

/// A request whose head has arrived. Until the rest has, its connection counts as idle: a client that is slow to send keeps
/// nobody out.
#[derive(Clone)]
pub(crate) struct Arrival {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
    under_way: Arc<OnceLock<UnderWay>>,
}

impl Arrival {
    fn new(connections: &Arc<Connections>, connection: &Arc<Connection>) -> Self {
        connection.last_event.store(connections.event(), Ordering::SeqCst);
        Self {
            connections: connections.clone(),
            connection: connection.clone(),
            under_way: Arc::default(),
        }
    }

    /// All of the request is here: from now on it is under way, until its answer is handed over.
    pub(crate) fn is_whole(&self) {
        self.under_way
            .get_or_init(|| self.connections.begin_request(&self.connection));
    }
}

/// A request under way; it ends when this is dropped.
struct UnderWay {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.connection
            .last_event
            .store(self.connections.event(), Ordering::SeqCst);
        self.connection.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection is busy until the last of an answer is handed over.
fn held_until_sent(response: Response<Body>, arrival: Arrival) -> Response<Body> {
    response.map(|body| {
        Body::new(body.map_err(move |error| {
            let _ = &arrival;
            error
        }))
    })
}
