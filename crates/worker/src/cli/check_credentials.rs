//! What `sexton check` warns of: credentials that others on the machine, or on the way, can read.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use sexton_core::config::{Config, Target, literal_credentials};
use url::{Host, Url};

use crate::connector::is_special_purpose;

/// A warning: a key path, and what is wrong there.
pub(super) type Warning = (String, String);

/// Files that every user of the machine can read, and credentials that travel over plain HTTP.
pub(super) fn warnings(path: &Path, config: &Config) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = readable_configuration(path).into_iter().collect();
    for (name, resource) in &config.resources {
        for target in &resource.targets {
            let at = format!("resources.{name}.targets[{}]", target.file_index);
            let files = target.secret_files();
            warnings.extend(files.into_iter().filter(|file| is_world_readable(file)).map(|file| {
                (at.clone(), format!("every user of this machine can read {}: chmod o-r", file.display()))
            }));
            warnings.extend(sent_in_the_clear(target).map(|host| {
                let message = format!(
                    "credentials travel to {host} over plain http, where every machine on the way can read them"
                );
                (at, message)
            }));
        }
    }
    warnings
}

fn readable_configuration(path: &Path) -> Option<Warning> {
    if !is_world_readable(path) {
        return None;
    }
    let found = literal_credentials(&fs::read_to_string(path).ok()?);
    let first = found.first()?;
    let message = format!(
        "it is a credential, and every user of this machine can read {}: chmod o-r, or have ${{VAR}} read it from the \
         environment",
        path.display()
    );
    Some((first.clone(), message))
}

fn is_world_readable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

/// The public host that gets a target's credentials over plain HTTP.
fn sent_in_the_clear(target: &Target) -> Option<String> {
    let called = target.called_urls().into_iter().filter(|called| called.with_credentials);
    let plain = called.map(|called| called.url).find(|url| url.scheme() == "http" && is_public(url));
    plain.and_then(|url| url.host_str().map(str::to_owned))
}

/// Whether a host is on the public internet as far as its name tells: names of a cluster or of a local network are not.
fn is_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_special_purpose(address.into()),
        Some(Host::Ipv6(address)) => !is_special_purpose(address.into()),
        Some(Host::Domain(name)) => {
            let local = [".local", ".localhost", ".internal", ".svc", ".lan", ".home.arpa"];
            name.contains('.') && !local.iter().any(|end| name.ends_with(end))
        }
        None => false,
    }
}
