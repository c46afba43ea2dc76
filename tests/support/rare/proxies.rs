//! What stands between Sexton and a system.

use super::{Rare, program, unprivileged, write};

/// Varnish before a system at `port`, from Debian. When the system takes more than a second, Varnish answers 503 with
/// `Retry-After: 5`, whatever the system did.
pub async fn varnish(system: u16) -> Rare {
    Rare::start("varnish", None, |dir, port| {
        let vcl = format!(
            "vcl 4.1;\nbackend default {{ .host = \"127.0.0.1\"; .port = \"{system}\"; .first_byte_timeout = 1s; }}\n"
        );
        let mut command = program("/usr/sbin/varnishd");
        // Not a daemon, and no jail: that would want to be root.
        command.args(["-F", "-j", "none", "-s", "default,8m", "-a", &format!("127.0.0.1:{port}"), "-n"]);
        command.arg(dir.join("varnish")).arg("-f").arg(write(dir, "default.vcl", &vcl));
        command
    })
    .await
}

/// Squid as a forward proxy, from Debian. It refuses everybody: with 407, or with 403.
///
/// * `status`: 407 or 403.
pub async fn squid(status: u16) -> Rare {
    Rare::start("squid", unprivileged(), |dir, port| {
        let at = dir.display();
        let rights = match status {
            407 => "acl named proxy_auth REQUIRED\nhttp_access allow named\nhttp_access deny all\n",
            _ => "http_access deny all\n",
        };
        write(dir, "nobody", "");
        let configuration = format!(
            "http_port 127.0.0.1:{port}\npid_filename {at}/pid\ncache_log {at}/log\naccess_log none\n\
             coredump_dir {at}\ncache deny all\npinger_enable off\nvisible_hostname localhost\n\
             auth_param basic program /usr/lib/squid/basic_ncsa_auth {at}/nobody\n{rights}"
        );
        let mut command = program("/usr/sbin/squid");
        command.args(["-N", "-f"]).arg(write(dir, "squid.conf", &configuration));
        command
    })
    .await
}
