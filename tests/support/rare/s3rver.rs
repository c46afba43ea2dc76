//! An S3 server that takes liberties.

use super::{Rare, node};

/// s3rver from npm, with a bucket `papers` into which anyone may put. In a request for many keys it trims them.
pub async fn s3rver() -> Rare {
    Rare::start("s3rver", None, |dir, port| {
        let (mut command, package) = node("s3rver");
        command.arg(package.join("bin/s3rver.js")).args(["--address", "127.0.0.1"]);
        command
            .args(["--port", &port.to_string(), "--configure-bucket", "papers", "--directory"])
            .arg(dir.join("files"));
        command
    })
    .await
}
