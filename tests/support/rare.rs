//! Rarer servers, for `make test-servers`: scripts/rare-servers.sh installs them.

mod cyrus;
mod dav;
mod davical;
mod proxies;
mod s3rver;
mod sogo;

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use crate::{
    clients::python_dir,
    port,
    postgres::programs,
    process::{End, Process, User},
    workdir::Workdir,
};

pub use self::{
    cyrus::Cyrus,
    dav::{lighttpd, nginx, npm_webdav, rclone},
    davical::Davical,
    proxies::{squid, varnish},
    s3rver::s3rver,
    sogo::Sogo,
};

/// A running server with a folder of its own. Killed on drop.
#[derive(Debug)]
pub struct Rare {
    port: u16,
    _process: Process,
    dir: Workdir,
}

impl Rare {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its folder.
    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts a server and waits until it listens.
    ///
    /// * `user`: who it runs as, to whom its folder is given then.
    /// * `command`: given the folder, which has an empty `files` in it, and the port.
    async fn start(name: &str, user: Option<User>, command: impl Fn(&Path, u16) -> Command) -> Self {
        Self::start_ended_by(End::Kill, name, user, command).await
    }

    /// The same for a program with children.
    async fn start_ended_by(end: End, name: &str, user: Option<User>, command: impl Fn(&Path, u16) -> Command) -> Self {
        let dir = Workdir::new(&format!("sexton-{name}-"));
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap_or_else(|error| panic!("cannot make {}: {error}", files.display()));
        if let Some(user) = user {
            for path in [dir.path(), &files] {
                chown(path, Some(user.uid), Some(user.gid))
                    .unwrap_or_else(|error| panic!("cannot give {} away: {error}", path.display()));
            }
        }
        let (port, process) = port::start_server(name, async |port| {
            let mut command = command(dir.path(), port);
            command.current_dir(dir.path());
            port::listens(port, Process::ended_by(end, &command, user)).await
        })
        .await;
        Self { port, _process: process, dir }
    }
}

/// For servers that refuse to run as root, or then change their user themselves.
fn unprivileged() -> Option<User> {
    geteuid().is_root().then(programs::nobody)
}

/// A file in the folder of a server, which may read it.
fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    path
}

/// A program of a Debian package.
fn program(path: &str) -> Command {
    assert!(Path::new(path).is_file(), "{path} is missing: run scripts/rare-servers.sh");
    Command::new(path)
}

/// A package that scripts/rare-servers.sh installed of npm, and Node for it.
fn node(package: &str) -> (Command, PathBuf) {
    let packages = python_dir().with_file_name("node").join("node_modules");
    let package = packages.join(package);
    assert!(package.is_dir(), "{} is missing: run scripts/rare-servers.sh", package.display());
    let mut command = Command::new("node");
    command.env("NODE_PATH", packages);
    (command, package)
}
