//! What a kind of target says of its settings, and the macro that makes the registry of kinds.

use std::path::Path;

use super::calls::CalledUrl;
use crate::config::check::InvalidSetting;

/// The settings that only one kind of target has.
pub(in crate::config) trait KindSettings {
    /// The settings that hold text or name templates, or tables of them. URL templates are not among them.
    fn text_templates() -> &'static [&'static str]
    where
        Self: Sized;

    /// The columns that the settings name, each with the setting's key below the target.
    fn columns_by_setting(&self) -> Vec<(&'static str, &str)>;

    /// The columns that a look at the twin needs.
    fn look_columns(&self) -> Vec<&str> {
        self.columns_by_setting().into_iter().map(|(_, column)| column).collect()
    }

    /// Sets of columns: two rows with equal values in all columns of one set have the same twin.
    fn twin_columns(&self) -> Vec<Vec<&str>> {
        vec![self.look_columns()]
    }

    /// Whether a call is followed by a look that has to agree.
    fn is_verified(&self) -> bool {
        false
    }

    /// Whether the connector can look at a twin later.
    fn can_look(&self) -> bool {
        true
    }

    /// Where calls go.
    fn called_urls(&self) -> Vec<CalledUrl>;

    /// The files that have credentials.
    fn secret_files(&self) -> Vec<&Path>;

    /// What is wrong with the settings, with key paths below the target.
    fn validate(&self) -> Result<(), InvalidSetting>;
}

/// Makes the enum of the kinds, and what is looked up by a kind's name.
macro_rules! target_kinds {
    ($($(#[doc = $doc:literal])+ $name:literal => $kind:ident($settings:ty),)+) => {
        /// A kind of target with the settings that only it has.
        #[derive(Debug, Clone)]
        #[expect(clippy::large_enum_variant, reason = "there is one for each target, made when the process starts")]
        pub enum TargetKind {
            $($(#[doc = $doc])+ $kind($settings),)+
        }

        /// The value of `kind`.
        #[derive(Debug, Clone, Copy, serde::Deserialize)]
        enum KindName {
            $(#[serde(rename = $name)] $kind,)+
        }

        impl TargetKind {
            /// Reads the settings that only this kind has.
            fn read(name: KindName, settings: figment::value::Dict) -> Result<Self, String> {
                match name {
                    $(KindName::$kind => file::kind_settings(settings).map(Self::$kind),)+
                }
            }

            fn settings(&self) -> &dyn KindSettings {
                match self {
                    $(Self::$kind(settings) => settings,)+
                }
            }
        }

        /// The settings of a kind that hold text or name templates; none if there is no such kind.
        pub(super) fn text_templates(kind: &str) -> Option<&'static [&'static str]> {
            match kind {
                $($name => Some(<$settings>::text_templates()),)+
                _ => None,
            }
        }
    };
}

pub(super) use target_kinds;
