//! Each connector against rarer servers, for `make test-servers`. scripts/rare-servers.sh installs them.

mod dav;
mod proxies;
mod s3rver;
