//! Each connector against rarer servers, for `make test-servers`. scripts/rare-servers.sh installs them.

mod cyrus;
mod dav;
mod davical;
mod proxies;
mod s3rver;
mod sogo;
