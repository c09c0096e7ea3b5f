//! A relay of bytes on loopback that takes as long as a network: it delays what
//! it passes on and knows nothing about it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// A relay to one address, until it is dropped.
///
/// It has threads of its own, because the timers of a runtime are only exact to a millisecond.
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    ended: AtomicBool,
}

impl Relay {
    /// Starts a relay with this time from a request to its answer.
    pub fn start(to: SocketAddr, round_trip: Duration) -> anyhow::Result<Relay> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let of_thread = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if of_thread.ended.load(Ordering::Relaxed) {
                    return;
                }
                of_thread.connections.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || relay(client, to, round_trip));
            }
        });
        Ok(Relay { address, state })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn relay(client: TcpStream, to: SocketAddr, round_trip: Duration) {
    // The kernel has accepted the connection at once; on a network that takes a round trip.
    let connected = Instant::now() + round_trip;
    let Ok(server) = TcpStream::connect(to) else {
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    thread::spawn(move || pass(client, to_server, connected, round_trip / 2));
    pass(server, to_client, connected, round_trip / 2);
}

/// Passes on what arrives, each part a delay after its arrival, and none as if it had been sent before `connected`.
fn pass(mut from: TcpStream, mut to: TcpStream, connected: Instant, delay: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let due = Instant::now().max(connected) + delay;
        if sender.send((due, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_and_each_answer_take_a_round_trip() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = Relay::start(server.local_addr().unwrap(), Duration::from_millis(40)).unwrap();
        thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            let mut byte = [0];
            while client.read_exact(&mut byte).is_ok() {
                client.write_all(&byte).unwrap();
            }
        });
        let begun = Instant::now();
        let mut client = TcpStream::connect(relay.address()).unwrap();
        let mut took = Vec::new();
        for byte in 0..2 {
            client.write_all(&[byte]).unwrap();
            client.read_exact(&mut [0]).unwrap();
            took.push(begun.elapsed());
        }
        assert!(took[0] >= Duration::from_millis(80), "{took:?}");
        assert!(took[1] >= Duration::from_millis(120), "{took:?}");
        assert_eq!(relay.connections(), 1);
    }
}
