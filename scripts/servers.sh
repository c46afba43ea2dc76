#!/bin/sh
# Finds the server programs of PostgreSQL, Redis, PgBouncer, pgpool-II and Apache; tests start servers of their own from them.
# It prints nothing when they are there. On Debian and its derivatives it installs what is missing, as root or with a
# sudo that asks for no password; elsewhere it says what to install. It starts no service and creates no cluster.
set -eu

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

packages=$(missing)
if [ -z "$packages" ]; then
    exit 0
fi

give_up() {
    echo "scripts/servers.sh: $1." >&2
    echo "The tests need:$packages" >&2
    echo "Install them (macOS and Windows: in a Linux container), or set SEXTON_POSTGRES_BIN to a directory with" >&2
    echo "initdb and postgres and put redis-server on PATH." >&2
    exit 1
}

if ! command -v apt-get >/dev/null; then
    give_up "this system has no apt-get"
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    give_up "installing needs root, or a sudo that asks for no password"
fi

# The package's own script reads this file before it would create and start a cluster.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    $as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | $as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
fi

# 101 means "action forbidden by policy": invoke-rc.d then starts nothing. A policy that is already there stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

echo "Installing$packages"
log=$(mktemp)
# The package names are separate words on purpose.
# shellcheck disable=SC2086
if ! {
    $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold $packages
} >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    give_up "apt-get failed, see above"
fi
rm -f "$log"

packages=$(missing)
if [ -n "$packages" ]; then
    give_up "apt-get succeeded, but not everything is there"
fi
