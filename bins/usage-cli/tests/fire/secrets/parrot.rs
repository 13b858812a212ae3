//! A provider, or a proxy on the way, that repeats the key it was sent.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::leaks::PROVIDER_KEY;

/// A provider that gives one answer to everything, and closes the connection.
pub(super) struct Parrot {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
}

impl Parrot {
    pub(super) fn refusals() -> Vec<String> {
        let body = format!(
            "{{\"error\":{{\"message\":\"Incorrect API key provided: {PROVIDER_KEY}. You sent \
             {PROVIDER_KEY}\",\"type\":\"{PROVIDER_KEY}\",\"param\":\"{PROVIDER_KEY}\",\"code\":\"{PROVIDER_KEY}\"}}}}"
        );
        // Asking again would only say the same more often.
        let headers = format!("x-should-retry: false\r\nlocation: http://127.0.0.1:1/{PROVIDER_KEY}\r\n");
        [302, 400, 401, 403, 404, 429, 500]
            .into_iter()
            .map(|status| answer(status, &headers, &body))
            .collect()
    }

    pub(super) fn pages() -> Vec<String> {
        [
            format!("<html>Authorization: Bearer {PROVIDER_KEY}</html>"),
            format!(
                "{{\"object\":\"page\",\"data\":[],\"has_more\":true,\"next_page\":\"{PROVIDER_KEY} \"}}"
            ),
            format!(
                "{{\"object\":\"page\",\"data\":\"{PROVIDER_KEY}\",\"has_more\":false,\"next_page\":null}}"
            ),
            format!(
                "{{\"object\":\"{PROVIDER_KEY}\",\"data\":[],\"{PROVIDER_KEY}\":\"{PROVIDER_KEY}\",\
                 \"has_more\":false,\"next_page\":null}}"
            ),
        ]
        .iter()
        .map(|body| answer(200, "", body))
        .collect()
    }

    pub(super) fn saying(answer: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let closed = Arc::new(AtomicBool::new(false));
        let speaking = Arc::clone(&closed);
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                if speaking.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever hangs up early hears less.
                let _ = listen(&mut client).and_then(|()| client.write_all(answer.as_bytes()));
            }
        });
        Self { address, closed }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Parrot {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // The listener wakes up for this and sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: \
         close\r\n{headers}\r\n{body}"
    )
}

/// Reads a request to its end.
fn listen(client: &mut TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(&buffer[..length]);
    }
    Ok(())
}
