//! WebDAV servers. Anyone may read and write.

use super::{Rare, node, program, write};

/// lighttpd with mod_webdav, from Debian. It answers 411 to a request that may have a body and has no `Content-Length`.
pub async fn lighttpd() -> Rare {
    Rare::start("lighttpd", None, |dir, port| {
        let at = dir.display();
        let configuration = format!(
            "server.document-root = \"{at}/files\"\nserver.port = {port}\nserver.bind = \"127.0.0.1\"\n\
             server.errorlog = \"/dev/stderr\"\nserver.modules = (\"mod_webdav\")\nwebdav.activate = \"enable\"\n\
             webdav.sqlite-db-name = \"{at}/files.db\"\n"
        );
        let mut command = program("/usr/sbin/lighttpd");
        command.args(["-D", "-f"]).arg(write(dir, "lighttpd.conf", &configuration));
        command
    })
    .await
}

/// nginx with its DAV modules, from Debian. It ignores `If-Match` on a `DELETE`.
pub async fn nginx() -> Rare {
    Rare::start("nginx", None, |dir, port| {
        let at = dir.display();
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\n\
             load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;\nevents {{}}\n\
             http {{\naccess_log off;\n{folders}server {{\nlisten 127.0.0.1:{port};\nroot {at}/files;\n\
             dav_methods PUT DELETE MKCOL;\ndav_ext_methods PROPFIND OPTIONS;\n}}\n}}\n"
        );
        let mut command = program("/usr/sbin/nginx");
        command.args(["-e", "stderr", "-c"]).arg(write(dir, "nginx.conf", &configuration));
        command
    })
    .await
}

/// `rclone serve webdav`, from Debian. It ignores `If-Match` on a `DELETE`.
pub async fn rclone() -> Rare {
    Rare::start("rclone", None, |dir, port| {
        let mut command = program("/usr/bin/rclone");
        command.args(["serve", "webdav", "--config", "", "--addr", &format!("127.0.0.1:{port}")]);
        command.arg("--cache-dir").arg(dir).arg(dir.join("files"));
        command
    })
    .await
}

/// webdav-server from npm. It ignores `If-Match` on a `DELETE`.
pub async fn npm_webdav() -> Rare {
    Rare::start("webdav-server", None, |dir, port| {
        let (mut command, _) = node("webdav-server");
        command.args(["-e", include_str!("webdav.js"), &port.to_string()]).arg(dir.join("files"));
        command
    })
    .await
}
