//! A private PgBouncer before a PostgreSQL server.

use std::{os::unix::fs::chown, process::Command};

use rustix::process::geteuid;

use crate::{Postgres, port, postgres::programs, process::Process, wait::PATIENCE, workdir::Workdir};

/// A running pooler. Killed on drop.
#[derive(Debug)]
pub struct Pgbouncer {
    port: u16,
    _process: Process,
    _dir: Workdir,
}

impl Pgbouncer {
    /// Every client becomes `postgres` on `server`. `settings` are lines for its section `[pgbouncer]`; without any, it
    /// works in session mode.
    pub async fn before(server: &Postgres, settings: &str) -> Self {
        let dir = Workdir::new("sexton-pgbouncer-");
        // Like the server, it refuses to run as root.
        let user = geteuid().is_root().then(programs::nobody);
        if let Some(user) = user {
            chown(dir.path(), Some(user.uid), Some(user.gid)).expect("the directory can be given to nobody");
        }
        let file = dir.path().join("pgbouncer.ini");
        let (port, process) = port::start_server("PgBouncer", async |port| {
            let configuration = format!(
                "[databases]\n* = host=127.0.0.1 port={} user=postgres\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
                 {settings}\n",
                server.port()
            );
            std::fs::write(&file, configuration).expect("the configuration can be written");
            let mut command = Command::new("/usr/sbin/pgbouncer");
            command.current_dir(dir.path()).arg(&file);
            let process = Process::start(&command, user);
            process.line_with("process up", PATIENCE).await.map(|_| process)
        })
        .await;
        Self { port, _process: process, _dir: dir }
    }

    /// The URL of a database behind it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}
