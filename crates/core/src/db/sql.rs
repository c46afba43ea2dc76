//! Statements as text with named holes, rendered once and run many times.
//!
//! A text is written for people. It begins with a comment that says what the statement does; `{word}` stands for SQL (a
//! table, a state), `{function:argument}` for what the dialects say differently, and `@name` for a value that is bound:
//!
//! ```sql
//! -- forget for whom deletions waited
//! delete from {wait} where deletion_id {any_uuid:@deletions}
//! ```
//!
//! [`Words::render`] puts in the words and numbers the values. [`Sql::bind`] takes the values by their names. When the
//! [`Query`](super::Query) fails, its [`Error`](super::Error) says what the comment says. Comments stand on lines of
//! their own and are not sent to the database.
//!
//! What a text says more than once may stand below it, after a line that names it; such a part may use those below
//! itself:
//!
//! ```sql
//! -- where {is_running} is
//! d.state in ({from:Finished})
//! ```

use std::{borrow::Cow, collections::BTreeMap};

use super::{Dialect, Sql};

/// What makes SQL of the argument of `{function:argument}`.
pub type Function = fn(Dialect, &str) -> String;

/// What `{word}` and `{function:argument}` stand for in the texts of a module.
///
/// Every text may use these:
///
/// | in a text | PostgreSQL | SQLite |
/// |---|---|---|
/// | `{now}` | `clock_timestamp()` | the time as text |
/// | `{now_once}` | the same, once for the statement, so that an index can be used | the same |
/// | `{in_ms:@ms}` | the time that many milliseconds from now | |
/// | `{ms_since:x}` | milliseconds from the time `x` to now | |
/// | `{instant:x}`, `{instant_text:x}` | a time that an application wrote, as something that compares; and that as text | |
/// | `{comparable_marker:x}` | a marker's text in the spelling in which markers are compared | |
/// | `{iso:x}` | the time `x` as RFC 3339 text, UTC, milliseconds | `x` |
/// | `{text:x}`, `{uuid:x}`, `{jsonb:x}`, `{timestamptz:x}`, `{integer:x}` | `x::type` | `x` |
/// | `{any_uuid:@ids}`, `{any_text:@names}` | `= any (…)` of a JSON array of texts | `in (…)` |
/// | `{texts:@names}` | the rows of a JSON array of texts, with the column `value` | |
/// | `{skip_locked:d}` | `for update of d skip locked` | nothing |
#[derive(Debug, Clone)]
pub struct Words {
    dialect: Dialect,
    words: BTreeMap<Cow<'static, str>, String>,
    functions: BTreeMap<&'static str, Function>,
}

impl Words {
    /// The words and functions that every text may use.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let words = [("now", dialect.now().to_owned()), ("now_once", dialect.now_once().to_owned())];
        let functions: [(&str, Function); 15] = [
            ("in_ms", Dialect::in_ms),
            ("ms_since", Dialect::ms_since),
            ("instant", Dialect::instant),
            ("instant_text", Dialect::instant_text),
            ("comparable_marker", Dialect::comparable_marker),
            ("iso", Dialect::iso),
            ("text", |dialect, x| dialect.cast(x, "text")),
            ("uuid", |dialect, x| dialect.cast(x, "uuid")),
            ("jsonb", |dialect, x| dialect.cast(x, "jsonb")),
            ("timestamptz", |dialect, x| dialect.cast(x, "timestamptz")),
            ("integer", |dialect, x| dialect.cast(x, "integer")),
            ("any_uuid", |dialect, x| dialect.is_any_of(x, "uuid")),
            ("any_text", |dialect, x| dialect.is_any_of(x, "text")),
            ("texts", Dialect::texts),
            ("skip_locked", Dialect::skip_locked),
        ];
        let words = words.into_iter().map(|(name, sql)| (name.into(), sql)).collect();
        Self { dialect, words, functions: BTreeMap::from(functions) }
    }

    /// The same and these words; a word that was there already means this from now on.
    #[must_use]
    pub fn with<const N: usize>(mut self, more: [(&'static str, String); N]) -> Self {
        self.words.extend(more.into_iter().map(|(name, sql)| (name.into(), sql)));
        self
    }

    /// The same and these words, which are SQL that an operator wrote: nothing in it is taken for a value of ours.
    #[must_use]
    pub fn with_verbatim<const N: usize>(self, more: [(&'static str, &str); N]) -> Self {
        self.with(more.map(|(name, sql)| (name, format!("{VERBATIM}{}{VERBATIM}", sql.replace(VERBATIM, "")))))
    }

    /// The same and this function.
    #[must_use]
    pub fn with_function(mut self, name: &'static str, function: Function) -> Self {
        self.functions.insert(name, function);
        self
    }

    /// Of two texts the one for this dialect. Both are named where one is chosen: a search for one finds the other, and
    /// a third dialect adds a parameter here.
    #[must_use]
    pub const fn pick<'t>(&self, postgres: &'t str, sqlite: &'t str) -> &'t str {
        match self.dialect {
            Dialect::Postgres => postgres,
            Dialect::Sqlite => sqlite,
        }
    }

    /// The statement, its values numbered in the order in which they first occur.
    ///
    /// # Panics
    /// If the text has a word or function that is not among these. Texts are part of the program, and each is rendered
    /// by a test: those of the ledger when it is opened, the others by a unit test of their module or where they run.
    #[must_use]
    pub fn render(&self, text: &str) -> Sql {
        self.render_for(text, &[])
    }

    /// The statement, these values numbered first and in this order: for callers outside this program, which know
    /// numbers only.
    ///
    /// # Panics
    /// As [`Self::render`].
    #[must_use]
    pub fn render_for(&self, text: &str, parameters: &[&str]) -> Sql {
        let (text, parts) = parts(text);
        let mut words = Cow::Borrowed(self);
        for (name, part) in parts.into_iter().rev() {
            let sql = words.expand(purpose(part).1.as_str());
            words.to_mut().words.insert(name.to_owned().into(), sql);
        }
        let (purpose, body) = purpose(text);
        let mut names = parameters.iter().map(|name| (*name).to_owned()).collect();
        let sql = number(&words.expand(&body), &mut names);
        Sql { dialect: self.dialect, purpose: purpose.into(), sql: sql.into(), names: names.into() }
    }

    /// A part of a statement with its words put in and its values still named, to become a word itself.
    ///
    /// # Panics
    /// As [`Self::render`].
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            let inside = &rest[at + 1..];
            // What begins with a digit is the quantifier of a regular expression.
            let is_word = inside.starts_with(|c: char| c.is_ascii_lowercase());
            let end = if is_word { inside.find(|c: char| !is_name(c)).unwrap_or(inside.len()) } else { 0 };
            let (name, after) = inside.split_at(end);
            if !name.is_empty() && after.starts_with('}') {
                let Some(sql) = self.words.get(name) else { panic!("no word {{{name}}} for the statement: {text}") };
                out.push_str(sql);
                rest = &after[1..];
            } else if !name.is_empty() && after.starts_with(':') {
                let Some(function) = self.functions.get(name) else {
                    panic!("no function {{{name}:…}} for the statement: {text}")
                };
                let Some(close) = closing_brace(&after[1..]) else { panic!("{{{name}: is not closed in: {text}") };
                out.push_str(&function(self.dialect, &self.expand(&after[1..=close])));
                rest = &after[close + 2..];
            } else {
                // An empty JSON object and the like.
                out.push('{');
                rest = inside;
            }
        }
        out.push_str(rest);
        out
    }
}

/// Where the brace is that closes the one before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

const fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// The text before its parts, and the parts by their names.
fn parts(text: &str) -> (&str, Vec<(&str, &str)>) {
    let mut sections = text.split("-- where {");
    let statement = sections.next().unwrap_or_default();
    let named = sections.filter_map(|section| {
        let (line, part) = section.split_once('\n')?;
        Some((line.trim_end().strip_suffix("} is")?, part))
    });
    (statement, named.collect())
}

/// The words of the first comment, and the text without comments.
fn purpose(text: &str) -> (String, String) {
    let comment = |line: &str| line.trim_start().strip_prefix("--").map(|words| words.trim().to_owned());
    let first = text.lines().find(|line| !line.trim().is_empty());
    let purpose = first.and_then(comment).unwrap_or_else(|| "run a statement".to_owned());
    let body: Vec<&str> = text.lines().filter(|line| comment(line).is_none()).collect();
    (purpose, body.join("\n").trim().to_owned())
}

/// Before and after SQL that is passed on as it is. No statement can have this character.
const VERBATIM: char = '\0';

/// Puts `$1`, `$2` in the places of `@name`, outside of quotes and of verbatim SQL.
fn number(text: &str, names: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match (quote, c) {
            (None, VERBATIM) => {
                let end = after.find(VERBATIM).unwrap_or(after.len());
                out.push_str(&after[..end]);
                rest = after.get(end + 1..).unwrap_or_default();
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '@') if after.starts_with(|next: char| next.is_ascii_lowercase()) => {
                let end = after.find(|c: char| !is_name(c)).unwrap_or(after.len());
                let name = &after[..end];
                let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
                    names.push(name.to_owned());
                    names.len() - 1
                });
                out.push_str(&format!("${}", place + 1));
                rest = &after[end..];
                continue;
            }
            _ => {}
        }
        out.push(c);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words::new(Dialect::Postgres).with([("done", "\"sexton_deletion_done\"".to_owned())])
    }

    #[test]
    fn words_are_put_in_and_values_numbered() {
        let sql = words().render(
            "-- find a key\nselect 1 from {done}\n-- as it is kept\nwhere id = @id::uuid and key = @key or @id is null",
        );
        assert_eq!(
            sql.text(),
            "select 1 from \"sexton_deletion_done\"\nwhere id = $1::uuid and key = $2 or $1 is null"
        );
        assert_eq!(&*sql.purpose, "find a key");
    }

    #[test]
    fn functions_say_what_the_dialects_say_differently() {
        let text = "select {text:id}, {ms_since:coalesce(at, {now})} from {done} where id {any_uuid:@ids}";
        let sqlite = Words::new(Dialect::Sqlite).with([("done", "sexton_deletion_done".to_owned())]);
        assert_eq!(
            words().render(text).text(),
            "select id::text, (extract(epoch from clock_timestamp() - coalesce(at, clock_timestamp())) * 1000)::bigint from \
             \"sexton_deletion_done\" where id = any (array(select value::uuid from jsonb_array_elements_text($1::jsonb)))"
        );
        assert_eq!(
            sqlite.render(text).text(),
            "select id, cast(round((julianday('now') - julianday(coalesce(at, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))) * \
             86400000) as integer) from sexton_deletion_done where id in (select value from json_each($1))"
        );
    }

    #[test]
    fn callers_outside_may_say_the_order_of_the_values() {
        let sql = words().render_for("select @key, @id", &["id", "key"]);
        assert_eq!(sql.text(), "select $2, $1");
    }

    #[test]
    fn what_is_quoted_is_left_as_it_is() {
        let text = r#"select '@id', "a@b", '{}', 'it''s @id', @id, x @> '{"a": 1}', y ~ '^[0-9]{6}$' from t"#;
        assert_eq!(words().render(text).text(), text.replace(", @id,", ", $1,"));
    }

    #[test]
    fn what_an_operator_wrote_is_passed_on_as_it_is() {
        let condition = "a = @b -- it's\nand c @> '{now}' and d = $1";
        let sql = words().with_verbatim([("condition", condition)]).render("select {condition}, @id, '@id'");
        assert_eq!(sql.text(), format!("select {condition}, $1, '@id'"));
    }

    #[test]
    fn parts_stand_below_the_statement() {
        let text = "-- do a thing\nselect {a}, {a}\n-- where {a} is\n-- A reason.\n{b} + @n\n-- where {b} is\n1\n";
        assert_eq!(words().render(text).text(), "select 1 + $1, 1 + $1");
    }

    #[test]
    fn values_are_bound_by_name_in_the_order_of_the_statement() {
        let sql = words().render("select @b, @a, @b");
        let query = sql.bind([("a", 1.into()), ("b", 2.into()), ("of_the_other_dialect", 3.into())]);
        assert_eq!(query.statement.values.unwrap().0, [2.into(), 1.into()]);
    }

    #[test]
    #[should_panic(expected = "no value @a to do a thing")]
    fn missing_value_is_a_mistake_of_the_program() {
        drop(words().render("-- do a thing\nselect @a").bind([("b", 1.into())]));
    }

    #[test]
    #[should_panic(expected = "no word {dome}")]
    fn unknown_word_is_a_mistake_of_the_program() {
        drop(words().render("select 1 from {dome}"));
    }
}
