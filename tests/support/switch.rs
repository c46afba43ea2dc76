//! One address for several servers, as a name, a floating address or a load balancer gives it.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Forwards connections to the port that is current when they are opened. Ended on drop, with all connections.
#[derive(Debug)]
pub struct Switch {
    port: u16,
    target: Arc<AtomicU16>,
    _forwarding: JoinSet<()>,
}

impl Switch {
    /// An address before this port.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let target = Arc::new(AtomicU16::new(target));
        let mut forwarding = JoinSet::new();
        forwarding.spawn(forward(listener, Arc::clone(&target)));
        Self { port, target, _forwarding: forwarding }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on connections go to that port. Those that are open stay where they are.
    pub fn move_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }
}

async fn forward(listener: TcpListener, target: Arc<AtomicU16>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let port = target.load(Ordering::SeqCst);
        connections.spawn(async move {
            // When a side is gone, the other is closed; nobody else is interested.
            if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                copy_bidirectional(&mut client, &mut server).await.ok();
            }
        });
    }
}
