#!/bin/sh
# Finds the rarer servers that `make test-servers` starts:
# - lighttpd, nginx, rclone, DAViCal, Cyrus, SOGo, Varnish and Squid, from Debian;
# - s3rver and webdav-server, from npm, in target/node.
# It prints nothing when they are there; scripts/debian.sh installs what is missing.
set -eu

cd "$(dirname "$0")/.."
# tests/support/rare.rs looks there too.
dir=${CARGO_TARGET_DIR:-target}/node
node_packages='s3rver@3.7.1 webdav-server@2.6.3'

missing() {
    [ -x /usr/sbin/lighttpd ] || printf ' lighttpd'
    [ -e /usr/lib/lighttpd/mod_webdav.so ] || printf ' lighttpd-mod-webdav'
    [ -x /usr/sbin/nginx ] || printf ' nginx-light'
    [ -e /usr/lib/nginx/modules/ngx_http_dav_ext_module.so ] || printf ' libnginx-mod-http-dav-ext'
    [ -x /usr/bin/rclone ] || printf ' rclone'
    [ -e /usr/share/davical/htdocs/caldav.php ] || printf ' davical'
    [ -x /usr/bin/php ] || printf ' php-cli'
    php -m 2>/dev/null | grep -qx pdo_pgsql || printf ' php-pgsql'
    php -m 2>/dev/null | grep -qx xml || printf ' php-xml'
    [ -x /usr/lib/cyrus/bin/master ] || printf ' cyrus-imapd'
    [ -x /usr/lib/cyrus/bin/httpd ] || printf ' cyrus-caldav'
    [ -x /usr/sbin/sogod ] || printf ' sogo'
    [ -x /usr/bin/memcached ] || printf ' memcached'
    [ -x /usr/sbin/varnishd ] || printf ' varnish'
    [ -x /usr/sbin/squid ] || printf ' squid'
    command -v npm >/dev/null || printf ' npm'
}

# The package names are separate words on purpose.
# shellcheck disable=SC2046
scripts/debian.sh scripts/rare-servers.sh $(missing)
packages=$(missing)
if [ -n "$packages" ]; then
    echo "scripts/rare-servers.sh: apt-get succeeded, but these are not there:$packages" >&2
    exit 1
fi

if [ "$(cat "$dir/packages" 2>/dev/null)" != "$node_packages" ]; then
    echo "Installing $node_packages into $dir"
    rm -rf "$dir"
    mkdir -p "$dir"
    # The package names are separate words on purpose.
    # shellcheck disable=SC2086
    npm install --silent --no-audit --no-fund --prefix "$dir" $node_packages
    echo "$node_packages" >"$dir/packages"
fi
