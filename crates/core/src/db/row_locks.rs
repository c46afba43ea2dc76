//! Locks of rows that are read.

/// What is done about the locks of rows that are read. SQLite has one writer and no locks of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLocks {
    /// None is taken.
    None,
    /// They are taken until the transaction ends, and waited for.
    Wait,
    /// They are taken until the transaction ends, and rows that another transaction has locked are left out.
    SkipLocked,
    /// The same with a weaker lock: rows may be referenced meanwhile, and one that just was is not left out.
    SkipLockedNoKey,
}

impl RowLocks {
    /// The clause on the table called `alias`, for the end of a query (PostgreSQL).
    #[must_use]
    pub fn clause(self, alias: &str) -> String {
        match self {
            Self::None => String::new(),
            Self::Wait => format!("for update of {alias}"),
            Self::SkipLocked => format!("for update of {alias} skip locked"),
            Self::SkipLockedNoKey => format!("for no key update of {alias} skip locked"),
        }
    }

    /// A word for what is done, for the names of statements.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "unlocked",
            Self::Wait => "wait",
            Self::SkipLocked => "skip_locked",
            Self::SkipLockedNoKey => "skip_locked_no_key",
        }
    }
}
