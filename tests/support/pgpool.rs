//! A private pgpool-II before a primary and a standby.

use std::{os::unix::fs::chown, process::Command};

use rustix::process::geteuid;

use crate::{
    Postgres, port,
    postgres::programs,
    process::{End, Process},
    wait::PATIENCE,
    workdir::Workdir,
};

/// A running pooler that sends all reads which it balances to the standby. Stopped on drop.
#[derive(Debug)]
pub struct Pgpool {
    port: u16,
    _process: Process,
    _dir: Workdir,
}

impl Pgpool {
    /// Every client becomes the role that it names. `settings` are lines of pgpool.conf; they win over those here.
    pub async fn before(primary: &Postgres, standby: &Postgres, settings: &str) -> Self {
        let dir = Workdir::new("sexton-pgpool-");
        // It would run as root, but then its children are not what they are in production.
        let user = geteuid().is_root().then(programs::nobody);
        if let Some(user) = user {
            chown(dir.path(), Some(user.uid), Some(user.gid)).expect("the directory can be given to nobody");
        }
        let file = dir.path().join("pgpool.conf");
        let (port, process) = port::start_server("pgpool", async |port| {
            let configuration = configuration(&dir.path().display().to_string(), port, [primary, standby]);
            std::fs::write(&file, configuration + settings).expect("the configuration can be written");
            let mut command = Command::new("/usr/sbin/pgpool");
            // In the foreground, and without what an earlier run knew of its servers.
            command.current_dir(dir.path()).args(["-n", "-D", "-f"]).arg(&file);
            let process = Process::ended_by(End::Interrupt, &command, user);
            process.line_with("successfully started", PATIENCE).await.map(|_| process)
        })
        .await;
        Self { port, _process: process, _dir: dir }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database behind it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

fn configuration(dir: &str, port: u16, servers: [&Postgres; 2]) -> String {
    let server = |(n, server): (usize, &&Postgres)| {
        let port = server.port();
        format!("backend_hostname{n} = '127.0.0.1'\nbackend_port{n} = {port}\nbackend_weight{n} = {n}\n")
    };
    let servers: String = servers.iter().enumerate().map(server).collect();
    // The cache's memory is taken at the start, also where no cache is wanted.
    format!(
        "backend_clustering_mode = 'streaming_replication'\nlisten_addresses = '127.0.0.1'\nport = {port}\n\
         socket_dir = '{dir}'\npcp_socket_dir = '{dir}'\npcp_listen_addresses = ''\npid_file_name = '{dir}/pid'\n\
         logdir = '{dir}'\nwork_dir = '{dir}'\nmemqcache_total_size = 1MB\nmemqcache_oiddir = '{dir}'\n\
         sr_check_user = 'postgres'\nload_balance_mode = on\nnum_init_children = 16\n{servers}"
    )
}
