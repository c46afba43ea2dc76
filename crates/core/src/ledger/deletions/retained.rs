//! What a finished deletion retains of its row: the key or only a hash of it, and columns for later checks.
//!
//! The resource's definition in the database says which, so that every process does the same whatever its configuration
//! says.

use super::key_hash;
use crate::{db::Words, ledger::Ledger};

/// The columns that both tables have, in the order in which they are copied; `key_hash` follows them.
pub(crate) const COPIED: &str = "id, resource, key, fence, attempts, rescues, called_at, batch_id, parent_id, \
    marker_column, marker_value, targets, requested_at, requested_by, reason, last_error, last_error_kind, \
    trace_context";

/// [`COPIED`] and `key_hash` of the row `{row}`.
const VALUES_POSTGRES: &str = "
    {row}.id, {row}.resource, case when not {hides_key} then {row}.key end,
    {row}.fence, {row}.attempts, {row}.rescues, {row}.called_at, {row}.batch_id, {row}.parent_id, {row}.marker_column,
    {row}.marker_value, {row}.targets, {row}.requested_at, {row}.requested_by, {row}.reason,
    {row}.last_error, {row}.last_error_kind, {row}.trace_context, case when {hides_key} then {key_hash} end";

/// The same on SQLite, which cannot hash: [`Ledger::hide_keys`] replaces the key in the same transaction.
const VALUES_SQLITE: &str = "
    {row}.id, {row}.resource, {row}.key,
    {row}.fence, {row}.attempts, {row}.rescues, {row}.called_at, {row}.batch_id, {row}.parent_id, {row}.marker_column,
    {row}.marker_value, {row}.targets, {row}.requested_at, {row}.requested_by, {row}.reason,
    {row}.last_error, {row}.last_error_kind, {row}.trace_context, null";

/// Whether only a hash is retained of the key of `{row}`.
const HIDES_KEY_POSTGRES: &str = r#"exists (
    select 1 from {resource} r where r.name = {row}.resource and r.definition @> '{"hash_key": true}')"#;
const HIDES_KEY_SQLITE: &str = "exists (
    select 1 from {resource} r where r.name = {row}.resource and json_extract(r.definition, '$.hash_key'))";

/// The columns that are retained of the payload of `d`; null if there are none.
const REFS_POSTGRES: &str = "(
    select jsonb_object_agg(retained.name, d.payload -> retained.name)
    from {resource} r, jsonb_array_elements_text(r.definition -> 'refs') retained(name)
    where r.name = d.resource)";
const REFS_SQLITE: &str = r#"nullif((
    select json_group_object(retained.value, d.payload ->> ('$."' || retained.value || '"'))
    from {resource} r, json_each(r.definition, '$.refs') retained
    where r.name = d.resource), '{}')"#;

/// The words and these, of a deletion `d`:
/// * `{copied_columns}`: what both tables have, and `key_hash`; `{copied}`: their values;
/// * `{hides_key}`: whether only a hash is retained of the key;
/// * `{refs}`: the columns that are retained of the payload.
pub(in crate::ledger) fn words(words: Words) -> Words {
    let copied = copied(&words, "d");
    let hides_key = hides_key(&words, "d");
    let refs = words.expand(words.pick(REFS_POSTGRES, REFS_SQLITE));
    words.with([
        ("copied_columns", format!("{COPIED}, key_hash")),
        ("copied", copied),
        ("hides_key", hides_key),
        ("refs", refs),
    ])
}

fn hides_key(words: &Words, row: &str) -> String {
    let words = words.clone().with([("row", row.to_owned())]);
    words.expand(words.pick(HIDES_KEY_POSTGRES, HIDES_KEY_SQLITE))
}

fn copied(words: &Words, row: &str) -> String {
    let words = words.clone().with([
        ("row", row.to_owned()),
        ("hides_key", hides_key(words, row)),
        ("key_hash", key_hash::key_hash(words, &format!("{row}.resource"), &format!("{row}.key"))),
    ]);
    words.expand(words.pick(VALUES_POSTGRES, VALUES_SQLITE))
}

impl Ledger {
    /// [`COPIED`] and `key_hash` of the row `row`, as expressions. On SQLite the key is copied as it is.
    pub(crate) fn copied(&self, row: &str) -> String {
        copied(&self.words, row)
    }
}
