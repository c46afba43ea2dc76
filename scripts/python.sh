#!/bin/sh
# Makes a Python with psycopg for the tests of the SQL functions, in target/python. Quiet and quick when it is there.
# On Debian and its derivatives it installs Python's venv module if that is missing, as root or with a sudo that asks for
# no password; elsewhere it says what to install.
set -eu

psycopg=3.3.9
cd "$(dirname "$0")/.."
# The same place as in tests/src/clients.rs.
dir=${CARGO_TARGET_DIR:-target}/python

if "$dir/bin/python" -c "import psycopg, sys; sys.exit(psycopg.__version__ != '$psycopg')" 2>/dev/null; then
    exit 0
fi

give_up() {
    echo "scripts/python.sh: $1." >&2
    echo "The tests need Python 3.10 or newer with venv and pip, and psycopg $psycopg from PyPI." >&2
    exit 1
}

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    command -v apt-get >/dev/null || give_up "python3 or its modules venv and ensurepip are missing, and this system has no apt-get"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        give_up "installing python3-venv needs root, or a sudo that asks for no password"
    fi
    echo "Installing python3-venv"
    $as_root apt-get update >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv >/dev/null ||
        give_up "apt-get failed, see above"
fi

echo "Installing psycopg $psycopg into $dir"
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
python3 -m venv "$dir" || give_up "python3 -m venv failed, see above"
# The wheel brings its own libpq, so that no compiler is needed.
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check "psycopg[binary]==$psycopg" ||
    give_up "pip failed, see above"
