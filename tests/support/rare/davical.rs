//! A CalDAV server that keeps everything in PostgreSQL. It ignores `If-Match` on a `DELETE` of a collection, decodes
//! paths twice, and says inside a 207 that an object is locked.

use crate::{
    Postgres,
    process::Process,
    rare::{Rare, program},
    wait::PATIENCE,
};

/// DAViCal, from Debian, with one user.
#[derive(Debug)]
pub struct Davical {
    server: Rare,
    // After the server, whose connections it ends.
    _database: Postgres,
}

impl Davical {
    /// Who may do everything.
    pub const USER: &str = "admin";
    /// The password of that user.
    pub const PASSWORD: &str = "secret";

    /// A server without calendars, on a database server of its own: the names of its roles are fixed.
    pub async fn start() -> Self {
        let database = Postgres::start_dedicated().await;
        let place = [("PGHOST", "127.0.0.1".to_owned()), ("PGPORT", database.port().to_string())];
        let mut create = program("/usr/share/davical/dba/create-database.sh");
        create.args(["davical", Self::PASSWORD]).envs(place.clone()).env("PGUSER", "postgres");
        let created = Process::start(&create, None);
        assert_eq!(created.wait(PATIENCE).await, 0, "{}", created.text());
        let server = Rare::start("davical", None, |_, port| {
            // Its configuration in /etc/davical names the database and the role; libpq takes the rest from here.
            let mut command = program("/usr/bin/php");
            command.envs(place.clone()).args(["-d", "display_errors=0", "-t", "/usr/share/davical/htdocs"]);
            command.args(["-S", &format!("127.0.0.1:{port}")]);
            command
        })
        .await;
        Self { server, _database: database }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The URL below which the user has calendars, without a slash at the end.
    #[must_use]
    pub fn home(&self) -> String {
        format!("{}/caldav.php/{}", self.url(), Self::USER)
    }
}
