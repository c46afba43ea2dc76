#!/bin/sh
# Finds the server programs of PostgreSQL, Redis, PgBouncer, pgpool-II and Apache; tests start servers of their own from
# them. It prints nothing when they are there; scripts/debian.sh installs what is missing.
set -eu

cd "$(dirname "$0")/.."

# tests/support/postgres/programs.rs looks in the same places.
find_postgres() {
    if [ -n "${SEXTON_POSTGRES_BIN:-}" ]; then
        [ -x "$SEXTON_POSTGRES_BIN/initdb" ] && [ -x "$SEXTON_POSTGRES_BIN/postgres" ]
        return
    fi
    if command -v initdb >/dev/null && command -v postgres >/dev/null; then
        return
    fi
    for bin in /usr/lib/postgresql/*/bin; do
        if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then
            return
        fi
    done
    return 1
}

missing() {
    find_postgres || printf ' postgresql'
    command -v redis-server >/dev/null || printf ' redis-server'
    [ -x /usr/sbin/pgbouncer ] || printf ' pgbouncer'
    [ -x /usr/sbin/pgpool ] || printf ' pgpool2'
    # The programs and modules alone; the package apache2 would bring a service.
    [ -x /usr/sbin/apache2 ] || printf ' apache2-bin'
    # setpriv changes the user, as PostgreSQL does not run as root, and makes each server end with its test.
    command -v setpriv >/dev/null || printf ' util-linux'
}

# The package names are separate words on purpose.
# shellcheck disable=SC2046
if ! scripts/debian.sh scripts/servers.sh $(missing); then
    echo "Or set SEXTON_POSTGRES_BIN to a directory with initdb and postgres, and put redis-server on PATH." >&2
    exit 1
fi
packages=$(missing)
if [ -n "$packages" ]; then
    echo "scripts/servers.sh: apt-get succeeded, but these are not there:$packages" >&2
    exit 1
fi
