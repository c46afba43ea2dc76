//! A private WebDAV server: Apache with mod_dav. Anyone may read and write.

use std::{os::unix::fs::chown, process::Command};

use rustix::process::geteuid;

use crate::{port, postgres::programs, process::Process, workdir::Workdir};

/// A running server. Killed on drop.
#[derive(Debug)]
pub struct Apache {
    port: u16,
    _process: Process,
    _dir: Workdir,
}

impl Apache {
    /// An empty server.
    pub async fn start() -> Self {
        let dir = Workdir::new("sexton-apache-");
        let files = dir.path().join("files");
        std::fs::create_dir(&files).unwrap_or_else(|error| panic!("cannot make {}: {error}", files.display()));
        // As root it would want a user and a group in its configuration.
        let user = geteuid().is_root().then(programs::nobody);
        if let Some(user) = user {
            for dir in [dir.path(), &files] {
                chown(dir, Some(user.uid), Some(user.gid)).expect("a directory can be given to nobody");
            }
        }
        let (port, process) = port::start_server("Apache", async |port| {
            let file = dir.path().join("apache.conf");
            std::fs::write(&file, configuration(&dir.path().display().to_string(), port))
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
            let mut command = Command::new("/usr/sbin/apache2");
            // One process, in the foreground.
            command.args(["-X", "-f"]).arg(&file);
            port::listens(port, Process::start(&command, user)).await
        })
        .await;
        Self { port, _process: process, _dir: dir }
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn configuration(dir: &str, port: u16) -> String {
    let modules = ["mpm_event", "authz_core", "dav", "dav_fs"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    format!(
        "ServerRoot {dir}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\nMutex file:{dir}\n\
         ErrorLog |/bin/cat\n{}DocumentRoot {dir}/files\nDavLockDB {dir}/locks\n\
         <Directory {dir}/files>\nDav On\nRequire all granted\n</Directory>\n",
        modules.concat()
    )
}
