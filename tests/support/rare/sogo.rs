//! A groupware server with calendars. It ignores `If-Match` on a `DELETE` of a collection, and resolves some names to
//! other objects.

use std::{path::Path, process::Command};

use crate::{
    TestDb, port,
    postgres::programs,
    process::Process,
    rare::{Rare, program},
};

/// SOGo, from Debian, with one user.
#[derive(Debug)]
pub struct Sogo {
    server: Rare,
    // After the server, which uses them.
    _cache: Process,
    _db: TestDb,
}

impl Sogo {
    /// Who has calendars.
    pub const USER: &str = "ann";
    /// The password of that user.
    pub const PASSWORD: &str = "any";

    /// A server without calendars.
    pub async fn start() -> Self {
        let user = programs::account("sogo").expect("there is no user sogo: run scripts/rare-servers.sh");
        let db = TestDb::empty().await;
        let users = format!(
            "create table users (c_uid text primary key, c_name text, c_password text, c_cn text, mail text);
             insert into users values ('{0}', '{0}', '{1}', '{0}', '{0}@example.org')",
            Self::USER,
            Self::PASSWORD
        );
        db.execute(&users).await;
        let (cached_at, cache) = port::start_server("memcached", async |port| {
            let mut command = program("/usr/bin/memcached");
            command.args(["-l", "127.0.0.1", "-p", &port.to_string()]);
            port::listens(port, Process::start(&command, Some(programs::nobody()))).await
        })
        .await;
        // It wants a password.
        let database = db.url().replacen("postgres@", "postgres:none@", 1).replacen("postgres:", "postgresql:", 1);
        let server = Rare::start("sogo", Some(user), |dir, port| command(dir, port, cached_at, &database)).await;
        Self { server, _cache: cache, _db: db }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The URL below which the user has calendars, without a slash at the end.
    #[must_use]
    pub fn home(&self) -> String {
        format!("{}/SOGo/dav/{}/Calendar", self.url(), Self::USER)
    }
}

/// All settings are arguments, so that no file outside of its folder counts. Without its watchdog it is one process:
/// the watchdog's workers are in sessions of their own, and would outlive a test that is killed.
fn command(dir: &Path, port: u16, cached_at: u16, database: &str) -> Command {
    let mut command = program("/usr/sbin/sogod");
    command.env("HOME", dir).args(["-WONoDetach", "YES", "-WOUseWatchDog", "NO", "-WOLogFile", "-"]);
    command.args(["-WOPort", &format!("127.0.0.1:{port}"), "-WOPidFile"]).arg(dir.join("pid"));
    command.args(["-SOGoMemcachedHost", &format!("127.0.0.1:{cached_at}")]);
    for (setting, table) in [
        ("-SOGoProfileURL", "profile"),
        ("-OCSFolderInfoURL", "folder_info"),
        ("-OCSSessionsFolderURL", "sessions"),
        ("-OCSEMailAlarmsFolderURL", "alarms"),
    ] {
        command.args([setting, &format!("{database}/sogo_{table}")]);
    }
    let users = format!(
        "({{type=sql;id=users;viewURL=\"{database}/users\";canAuthenticate=YES;userPasswordAlgorithm=plain;}})"
    );
    command.args(["-SOGoUserSources", &users]);
    command
}
