#!/bin/sh
# Installs packages on Debian and its derivatives, as root or with a sudo that asks for no password; elsewhere it says
# what to install. It starts no service and creates no cluster of PostgreSQL.
# Use: scripts/debian.sh SCRIPT PACKAGE…
set -eu

script=$1
shift
packages=$*
if [ -z "$packages" ]; then
    exit 0
fi

give_up() {
    echo "$script: $1." >&2
    echo "The tests need: $packages" >&2
    echo "Install them (macOS and Windows: in a Linux container)." >&2
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

# PostgreSQL's own script reads this file before it would create and start a cluster.
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

echo "Installing $packages"
log=$(mktemp)
if ! {
    $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
} >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    give_up "apt-get failed, see above"
fi
rm -f "$log"
