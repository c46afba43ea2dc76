"""An application that knows nothing of Sexton but the SQL functions: it removes and restores rows with psycopg 3."""

import json
import sys
import uuid

import psycopg


class Changed(Exception):
    """The application's own reason to roll back."""


def refusal(conn, query, *parameters):
    """The SQLSTATE and message of a query that is refused; the transaction continues after it."""
    try:
        with conn.transaction():
            conn.execute(query, parameters)
    except psycopg.Error as error:
        return [error.sqlstate, error.diag.message_primary]
    return None


said = {}
with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    # Together with a change of the application's own, under its batch id.
    batch = uuid.uuid4()
    with conn.transaction():
        conn.execute("update pair set gcal_id = 'last' where name = 'other'")
        deletion = conn.execute(
            "select sexton_soft_remove('pair', %s, reason => %s, requested_by => %s, batch => %s)",
            (json.dumps([1, "other"]), "it's over", "python", batch),
        ).fetchone()[0]
        assert isinstance(deletion, uuid.UUID), deletion
    said["removed"] = str(deletion)

    # Or not at all.
    try:
        with conn.transaction():
            conn.execute("select sexton_soft_remove('album', '1')")
            assert conn.execute("select count(*) from sexton_deletion where resource <> 'pair'").fetchone()[0] > 1
            raise Changed
    except Changed:
        pass

    # A refusal leaves the rest of the transaction to the application.
    with conn.transaction():
        said["refused"] = [
            refusal(conn, "select sexton_soft_remove('block', %s)", "99"),
            refusal(conn, "select sexton_soft_remove('block', %s)", "'; drop table block; --"),
            refusal(conn, "select * from sexton_restore(%s)", uuid.uuid4()),
        ]
        conn.execute("select sexton_soft_remove('block', '7')")

    # In another isolation level, and taken back within the same transaction.
    conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with conn.transaction():
        deletion = conn.execute("select sexton_soft_remove('album', '1', after => '1 hour')").fetchone()[0]
        rows = conn.execute("select resource, key, row_restored from sexton_restore(%s)", (deletion,)).fetchall()
        said["restored"] = sorted(rows)

print(json.dumps(said))
