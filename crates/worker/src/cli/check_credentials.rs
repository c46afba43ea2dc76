//! What `sexton check` warns of: credentials that others on the machine, or on the way, can read.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sexton_core::config::{Auth, Config, Secret, Target, TargetKind, literal_credentials};
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
            let files = secret_files(&target.kind);
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

/// The files with the credentials of a target.
fn secret_files(kind: &TargetKind) -> Vec<PathBuf> {
    let of = |secrets: Vec<&Secret>| {
        let files = secrets.into_iter().filter_map(|secret| match secret {
            Secret::File(path) => Some(path.clone()),
            Secret::Value(_) => None,
        });
        files.collect()
    };
    let of_auth = |auth: Option<&Auth>| match auth {
        None => Vec::new(),
        Some(Auth::Bearer(secret) | Auth::Webhook(secret) | Auth::Basic { password: secret, .. }) => of(vec![secret]),
        Some(Auth::OAuth2(oauth2)) => of(oauth2.client_secret.iter().chain(&oauth2.refresh_token).collect()),
    };
    match kind {
        TargetKind::Http(http) => of_auth(http.auth.as_ref()),
        TargetKind::CalDav(dav) => of_auth(dav.auth.as_ref()),
        TargetKind::S3(s3) => s3.secret().iter().flat_map(|secret| of(vec![secret])).collect(),
        TargetKind::GoogleCalendar(google) => vec![google.credentials_file.clone()],
    }
}

/// The public host that gets a target's credentials over plain HTTP.
fn sent_in_the_clear(target: &Target) -> Option<String> {
    let names_credential = |name: &String| {
        let name = name.to_ascii_lowercase();
        ["auth", "key", "token", "secret", "cookie"].iter().any(|word| name.contains(word))
    };
    let token_url = |auth: &Option<Auth>| match auth {
        Some(Auth::OAuth2(oauth2)) => Some(oauth2.token_url.clone()),
        _ => None,
    };
    let urls = match &target.kind {
        TargetKind::Http(http) => {
            let sends = http.auth.is_some() || http.headers.keys().chain(http.query.keys()).any(names_credential);
            [sends.then(|| http.url.base().clone()), token_url(&http.auth)]
        }
        TargetKind::CalDav(dav) => {
            let sends = dav.auth.is_some() || dav.headers.keys().any(names_credential);
            [sends.then(|| dav.url.base().clone()), token_url(&dav.auth)]
        }
        TargetKind::S3(s3) => [s3.endpoint.as_deref().and_then(|endpoint| endpoint.parse().ok()), None],
        TargetKind::GoogleCalendar(google) => [google.endpoint.parse().ok(), None],
    };
    let plain = urls.into_iter().flatten().find(|url| url.scheme() == "http" && is_public(url));
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
