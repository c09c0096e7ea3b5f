//! Free ports on the loopback interface.

use std::net::TcpListener;

use anyhow::{Result, bail};

/// Below the range from which the kernel takes the ports of outgoing
/// connections, one of which could otherwise take a port before it is used.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Picks ports by chance, so that two processes rarely try the same ones.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    // They stay bound until all are found, so that no port is found twice.
    let mut listeners = Vec::new();
    for _ in 0..1000 {
        let random = u16::try_from(uuid::Uuid::new_v4().as_u128() % u128::from(COUNT))?;
        listeners.extend(TcpListener::bind(("127.0.0.1", FIRST + random)));
        if listeners.len() == N {
            let mut ports = [0; N];
            for (port, listener) in ports.iter_mut().zip(&listeners) {
                *port = listener.local_addr()?.port();
            }
            return Ok(ports);
        }
    }
    bail!("found no {N} free ports on 127.0.0.1")
}
