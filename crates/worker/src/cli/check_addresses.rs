//! What `sexton check` says of the hosts that targets call: each call to a private address would be refused.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use futures::future::join_all;
use sexton_core::{
    catalog::ConfigProblem,
    config::{Config, Target},
};
use url::Host;

use crate::connector::is_special_purpose;

/// How long a name may take to resolve. They are all resolved at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found, by its weight.
#[derive(Default)]
pub(super) struct AddressFindings {
    /// Hosts at private addresses, of targets that do not allow them.
    pub(super) problems: Vec<ConfigProblem>,
    /// Hosts that cannot be resolved from here.
    pub(super) warnings: Vec<ConfigProblem>,
}

/// Resolves the hosts of all targets that may not call private addresses.
pub(super) async fn check_addresses(config: &Config) -> AddressFindings {
    let mut hosts: BTreeMap<String, (Host<String>, Vec<String>)> = BTreeMap::new();
    for (name, resource) in &config.resources {
        for target in resource.targets.iter().filter(|target| !target.allow_private) {
            let path = format!("resources.{name}.targets[{}]", target.file_index);
            for host in called_hosts(target) {
                hosts.entry(host.to_string()).or_insert((host, Vec::new())).1.push(path.clone());
            }
        }
    }
    let mut findings = AddressFindings::default();
    let look = |(host, paths): (Host<String>, Vec<String>)| async { (paths, look_at(host).await) };
    for (paths, found) in join_all(hosts.into_values().map(look)).await {
        let (list, message) = match found {
            Ok(None) => continue,
            Ok(Some(private)) => (&mut findings.problems, private),
            Err(unresolved) => (&mut findings.warnings, unresolved),
        };
        list.extend(paths.into_iter().map(|path| ConfigProblem::new(path, message.clone())));
    }
    findings
}

/// Why calls to a host would be refused; an error if its addresses are not known.
async fn look_at(host: Host<String>) -> Result<Option<String>, String> {
    let addresses: Vec<IpAddr> = match &host {
        Host::Ipv4(address) => vec![(*address).into()],
        Host::Ipv6(address) => vec![(*address).into()],
        Host::Domain(name) => {
            let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), 0))).await;
            let found = found.map_err(|_| format!("cannot resolve {name} within {PATIENCE:?}"))?;
            found.map_err(|error| format!("cannot resolve {name}: {error}"))?.map(|address| address.ip()).collect()
        }
    };
    let private = addresses.into_iter().find(|address| is_special_purpose(*address));
    Ok(private.map(|address| {
        format!(
            "{host} is at the private address {address}, so each call would be refused (private_address_refused); \
             if it is meant, say allow_private = true"
        )
    }))
}

/// The hosts that a target's calls go to. Behind a proxy it is the proxy that resolves them.
fn called_hosts(target: &Target) -> Vec<Host<String>> {
    let resolved_here = target.called_urls().into_iter().filter(|called| !called.through_proxy);
    resolved_here.filter_map(|called| called.url.host().map(|host| host.to_owned())).collect()
}
