//! A mail server with calendars. That an object is gone it says inside a 207.

use std::{fs, path::Path, process::Command};

use crate::{
    clients::interpreter,
    postgres::programs,
    process::{End, Process},
    rare::{Rare, program, write},
    wait::PATIENCE,
};

/// Cyrus, from Debian, with one user and any password. It runs as `cyrus`, which takes root to begin with.
#[derive(Debug)]
pub struct Cyrus(Rare);

impl Cyrus {
    /// Who has calendars.
    pub const USER: &str = "ann";

    /// A server on which the user has a calendar `cal`.
    pub async fn start() -> Self {
        let user = programs::account("cyrus").expect("there is no user cyrus: run scripts/rare-servers.sh");
        let server = Rare::start_ended_by(End::Terminate, "cyrus", Some(user), |dir, port| {
            for name in ["conf", "proc", "lock", "mail"] {
                fs::create_dir_all(dir.join("files").join(name)).expect("a folder can be made");
            }
            let settings = write(dir, "imapd.conf", &settings(&dir.join("files")));
            let services = write(dir, "cyrus.conf", &services(dir, port));
            // It goes on as cyrus, to whom these belong.
            Command::new("chown")
                .arg("-R")
                .arg(format!("{}:{}", user.uid, user.gid))
                .arg(dir)
                .status()
                .expect("chown can be run");
            let mut command = program("/usr/lib/cyrus/bin/master");
            command.arg("-D").arg("-p").arg(dir.join("pid")).arg("-C").arg(settings).arg("-M").arg(services);
            command
        })
        .await;
        let mut create = Command::new(interpreter());
        create.args(["-c", include_str!("cyrus_user.py")]).arg(server.dir().join("imap")).arg(Self::USER);
        let created = Process::start(&create, None);
        assert_eq!(created.wait(PATIENCE).await, 0, "{}", created.text());
        Self(server)
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// The URL below which the user has calendars, without a slash at the end.
    #[must_use]
    pub fn home(&self) -> String {
        format!("{}/dav/calendars/user/{}", self.url(), Self::USER)
    }
}

fn settings(dir: &Path) -> String {
    let at = dir.display();
    format!(
        "configdirectory: {at}/conf\nproc_path: {at}/proc\nmboxname_lockpath: {at}/lock\ndefaultpartition: default\n\
         partition-default: {at}/mail\nhttpmodules: caldav\nadmins: admin\nallowplaintext: yes\n\
         sasl_pwcheck_method: alwaystrue\nsasl_mech_list: PLAIN\nunixhierarchysep: yes\n"
    )
}

fn services(dir: &Path, port: u16) -> String {
    let at = dir.display();
    format!(
        "START {{\nrecover cmd=\"ctl_cyrusdb -C {at}/imapd.conf -r\"\n}}\nSERVICES {{\n\
         http cmd=\"httpd -C {at}/imapd.conf\" listen=\"127.0.0.1:{port}\" prefork=1 maxchild=20\n\
         imap cmd=\"imapd -C {at}/imapd.conf\" listen=\"{at}/imap\" prefork=0 maxchild=20\n}}\nEVENTS {{\n}}\n"
    )
}
