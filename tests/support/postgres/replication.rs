//! Servers that follow another one.

use std::process::Command;

use rustix::process::Signal;

use super::{Postgres, READY, data, unprivileged, usual};
use crate::{process::Process, wait::PATIENCE, workdir::Workdir};

const READY_TO_READ: &str = "ready to accept read-only connections";
/// What a server writes its log for, and how many may follow it.
const REPLICATION: [&str; 2] = ["wal_level=replica", "max_wal_senders=5"];

impl Postgres {
    /// A server of one's own that others can follow.
    pub async fn start_primary() -> Self {
        let dir = Workdir::new("sexton-pg-");
        let user = unprivileged(&dir);
        let programs = usual(dir.path(), user);
        Self::init(dir, user, programs, &REPLICATION).await
    }

    /// A standby that follows this server, with these settings besides. It logs every statement.
    pub async fn start_standby(&self, settings: &[&str]) -> Self {
        let dir = Workdir::new("sexton-pg-");
        let user = unprivileged(&dir);
        let mut copy = Command::new(self.programs.find("pg_basebackup"));
        copy.current_dir(dir.path()).env("LC_ALL", "C").args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        copy.args(["-U", "postgres", "--no-sync", "-X", "stream", "-c", "fast", "-R", "-D"]).arg(data(&dir));
        let copy = Process::start(&copy, user);
        assert_eq!(copy.wait(PATIENCE).await, 0, "pg_basebackup failed: {}", copy.text());
        let settings = [&REPLICATION[..], &["log_statement=all"], settings].concat();
        Self::on_free_port(dir, user, self.programs.clone(), &settings, READY_TO_READ).await
    }

    /// Makes a primary of a standby.
    pub async fn promote(&self) {
        let mut promote = Command::new(self.programs.find("pg_ctl"));
        promote.current_dir(self.dir.path()).args(["promote", "--wait", "-D"]).arg(data(&self.dir));
        let promote = Process::start(&promote, self.user);
        assert_eq!(promote.wait(PATIENCE).await, 0, "pg_ctl promote failed: {}", promote.text());
    }

    /// Brings a stopped server back as a standby that follows no server: it can be read from, and takes no writes.
    pub async fn start_as_standby(&mut self) {
        self.more.push("wal_level=replica".to_owned());
        // A standby can be read from only if its log was written for standbys, to its end.
        self.start_with(READY).await;
        let primary = self.process.take().expect("it was started");
        primary.signal(Signal::INT);
        primary.wait(PATIENCE).await;
        std::fs::write(data(&self.dir).join("standby.signal"), "").expect("the signal file can be written");
        self.start_with(READY_TO_READ).await;
    }
}
