//! The settings under which the function of a guard runs, whatever those of the application's session are.

/// A setting and its value, as `pg_proc.proconfig` has them.
pub(super) type Setting = (&'static str, &'static str);

/// Of every guard. More would reach the application's own triggers, where the body updates one of its tables.
pub(super) const PLAIN: &[Setting] =
    &[("search_path", "pg_catalog, pg_temp"), ("row_security", "off"), ("standard_conforming_strings", "on")];

/// Of a guard that captures values as text and writes to the ledger alone.
/// [`Column::text`](crate::catalog::Column::text) does not depend on settings either; these hold for whatever a body
/// prints.
pub(super) const CAPTURING: &[Setting] = &[
    PLAIN[0],
    PLAIN[1],
    PLAIN[2],
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
];

/// The clauses of `create function`.
pub(super) fn clauses(settings: &[Setting]) -> String {
    let clause = |(name, value): &Setting| match *name {
        // A list of names, which in quotes would be one name.
        "search_path" => format!("set {name} = {value}"),
        _ => format!("set {name} = '{value}'"),
    };
    settings.iter().map(clause).collect::<Vec<_>>().join(" ")
}

/// Whether a function that is `configured` so has these settings and no others. Their names have no case.
pub(super) fn are_set(settings: &[Setting], configured: &[String]) -> bool {
    let same = |(name, value): &Setting| {
        let pairs = configured.iter().filter_map(|pair| pair.split_once('='));
        pairs.into_iter().any(|(found, is)| found.eq_ignore_ascii_case(name) && is == *value)
    };
    configured.len() == settings.len() && settings.iter().all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_compared_in_any_order_and_none_may_be_missing() {
        let mut configured: Vec<String> =
            CAPTURING.iter().rev().map(|(name, value)| format!("{}={value}", name.to_lowercase())).collect();
        assert!(are_set(CAPTURING, &configured));
        assert!(!are_set(PLAIN, &configured));
        configured[0] = "extra_float_digits=0".to_owned();
        assert!(!are_set(CAPTURING, &configured));
        assert!(!are_set(CAPTURING, &configured[1..]));
    }
}
