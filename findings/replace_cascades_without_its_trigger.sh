#!/usr/bin/env bash
# `insert or replace` deletes the children by cascade, but the delete trigger of the row does not fire.
#
# Version:   SQLite 3.51.1 (pysqlite3-binary 0.5.4.post2 from PyPI); the same with SQLite 3.40.
# Expected:  replacing a row either deletes it, with all that follows from a delete, or updates it, with neither.
# Seen:      the row is deleted and inserted. `on delete cascade` deletes its children and fires their delete triggers,
#            but the row's own delete trigger does not fire, so that a log of deletions has the children without their
#            parent. `changes()` counts one row. With `pragma recursive_triggers` the trigger fires.
set -euo pipefail

package=pysqlite3-binary==0.5.4.post2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check "$package"
"$work/python/bin/python" - <<'PYTHON'
import sys
from pysqlite3 import dbapi2 as sqlite

def expect(what, seen, wanted):
    print(f"{what}: {seen}")
    if seen != wanted:
        sys.exit(f"This has changed: it was {wanted}.")

def replace(recursive_triggers):
    db = sqlite.connect(":memory:", isolation_level=None)
    db.executescript(f"""
        pragma foreign_keys = on;
        pragma recursive_triggers = {recursive_triggers};
        create table album (id integer primary key, name text);
        create table photo (id integer primary key, album_id integer not null references album on delete cascade);
        create table deleted (what text);
        create trigger album_deleted after delete on album begin insert into deleted values ('album ' || old.id); end;
        create trigger photo_deleted after delete on photo begin insert into deleted values ('photo ' || old.id); end;
        insert into album values (1, 'summer');
        insert into photo values (10, 1), (11, 1);
        insert or replace into album values (1, 'Summer');
    """)
    changes, = db.execute("select changes()").fetchone()
    photos, = db.execute("select count(*) from photo").fetchone()
    return changes, photos, sorted(what for what, in db.execute("select what from deleted"))

print("SQLite", sqlite.sqlite_version)
changes, photos, deleted = replace("off")
expect("rows changed", changes, 1)
expect("photos that are left", photos, 0)
expect("delete triggers that fired", deleted, ["photo 10", "photo 11"])
_, _, deleted = replace("on")
expect("with recursive_triggers", deleted, ["album 1", "photo 10", "photo 11"])
PYTHON
