//! The configuration of the workers.

/// What tests set differently; everything is scaled down so that a lease is over within seconds.
pub(crate) struct Setup {
    pub(crate) redis: Option<String>,
    pub(crate) concurrency: usize,
    pub(crate) connections: u32,
    pub(crate) lease: &'static str,
    pub(crate) timeout: &'static str,
    pub(crate) max_rescues: u32,
    pub(crate) grace: &'static str,
    pub(crate) retry: &'static str,
    /// Further settings of both targets.
    pub(crate) target: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            redis: None,
            concurrency: 32,
            connections: 8,
            lease: "3s",
            timeout: "900ms",
            max_rescues: 5,
            grace: "5s",
            retry: "max_attempts = 30\ninitial_interval = '50ms'\nmax_interval = '500ms'",
            target: "",
        }
    }
}

pub(super) fn config(setup: &Setup, database: &str, api: &str, tables: &[&str]) -> String {
    let Setup { concurrency, connections, lease, timeout, max_rescues, grace, retry, target, .. } = setup;
    let queue = setup.redis.as_ref().map(|url| format!("[queue]\nurl = '{url}'\n")).unwrap_or_default();
    let mut text = format!(
        "[database]\nurl = '{database}'\nmax_connections = {connections}\n{queue}\
         [worker]\nconcurrency = {concurrency}\nlease = '{lease}'\nmax_rescues = {max_rescues}\nshutdown_grace = '{grace}'\n\
         [retry]\n{retry}\n[console]\nlisten = '127.0.0.1:0'\n"
    );
    for table in tables {
        text += &format!(
            "[resources.{table}]\ntable = '{table}'\nkey = 'id'\nmarker = {{ column = 'deleted_at' }}\n\
             [[resources.{table}.targets]]\nname = 'api'\nkind = 'http'\nurl = '{api}/{{name}}'\n\
             timeout = '{timeout}'\nallow_private = true\ngone = [410]\n{target}\n"
        );
    }
    text
}
