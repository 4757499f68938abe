//! What the directory holds that a profile gives gcloud for its own. Pure.
//!
//! gcloud keeps every token that a metadata server gives it in a database in its directory, and in its logs what it
//! prints. A profile's directory begins with a database that keeps nothing and with settings that keep no logs, so that no
//! token comes to lie on a disk.

/// The database, empty, as gcloud makes it, and with one trigger: what is inserted is passed over.
const ACCESS_TOKENS: &[u8] = include_bytes!("access_tokens.db");

const SETTINGS: &str =
    "[core]\ndisable_file_logging = true\ndisable_usage_reporting = true\n[survey]\ndisable_prompts = true\n";

/// The files to make in a new directory: their paths below it, and their bytes. The directories between are to be made
/// with mode 0700, the files with 0600; one that is there stays.
pub const FILES: [(&str, &[u8]); 3] = [
    ("access_tokens.db", ACCESS_TOKENS),
    ("active_config", b"default"),
    ("configurations/config_default", SETTINGS.as_bytes()),
];
