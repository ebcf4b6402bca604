//! Arguments that all subcommands have in common, and how arguments are read.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use nix::unistd::User;
use shm_core::{Name, Namespace, Trust};
use shm_facade::{Error, MapOptions, ShareOptions};
use slotmap_shm::{ReadOptions, TableOptions};

use crate::escape::unescape;
use crate::failure::{Failure, TTL};

// Options of every subcommand. No doc comment: it would be the help of the whole command.
#[derive(Args, Debug)]
pub(crate) struct Common {
    /// The directory of the maps [default: $SHMAP_DIR, or /dev/shm]
    #[arg(long, short = 'N', global = true, value_name = "DIR", help_heading = GLOBAL)]
    namespace: Option<PathBuf>,
    /// How results are shown [default: table on a terminal, tsv elsewhere]
    #[arg(long, short = 'F', global = true, value_name = "FORMAT", help_heading = GLOBAL)]
    format: Option<AnyFormat>,
    /// Also open maps of this user, by name or number; yours and root's are always trusted
    #[arg(long, global = true, value_name = "USER", help_heading = GLOBAL)]
    trust: Vec<String>,
    /// Also open maps that their group or other users may write to
    #[arg(long, global = true, help_heading = GLOBAL)]
    trust_writers: bool,
    /// How long to wait for another writer
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5.0, help_heading = GLOBAL)]
    timeout: f64,
}

const GLOBAL: &str = "Options of every subcommand";

/// How results are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A table with borders, for people
    Table,
    /// One line per row, with tabs between the columns, escaped; for programs
    Tsv,
    /// One JSON object per line, or a single one; for programs
    Json,
}

/// The values of `--format`: the ways to show results, and the format that is for metrics only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AnyFormat {
    /// A table with borders, for people
    Table,
    /// One line per row, with tabs between the columns, escaped; for programs
    Tsv,
    /// One JSON object per line, or a single one; for programs
    Json,
    /// Metrics in the format of Prometheus; for `stat` only
    Prometheus,
}

/// What a duration is, for messages.
pub(crate) const SECONDS: &str = "a number of seconds, not negative, such as 0.5";

impl Common {
    pub(crate) fn namespace(&self) -> Namespace {
        self.namespace.as_ref().map_or_else(Namespace::from_env, Namespace::at)
    }

    pub(crate) fn format(&self) -> Format {
        let terminal = || std::io::stdout().is_terminal();
        match self.format {
            Some(AnyFormat::Table) => Format::Table,
            Some(AnyFormat::Json) => Format::Json,
            Some(AnyFormat::Tsv | AnyFormat::Prometheus) => Format::Tsv,
            None if terminal() => Format::Table,
            None => Format::Tsv,
        }
    }

    /// True if metrics were requested.
    pub(crate) fn wants_metrics(&self) -> bool {
        self.format == Some(AnyFormat::Prometheus)
    }

    /// Returns an error if a result is to be printed as JSON but there is no output. Called before
    /// anything is changed.
    pub(crate) fn can_print(&self) -> Result<(), Failure> {
        match self.format() {
            Format::Json => Ok(crate::startup::output()?),
            _ => Ok(()),
        }
    }

    pub(crate) fn trust(&self) -> Result<Trust, Failure> {
        let mut trust = Trust::new();
        if self.trust_writers {
            trust = trust.shared_writers();
        }
        for user in &self.trust {
            let uid = user.parse().ok().or_else(|| Some(User::from_name(user).ok()??.uid.as_raw()));
            let Some(uid) = uid else {
                return Err(Failure::usage(format!("there is no user {user:?}"))
                    .hint("a name that `getent passwd` knows, or a number"));
            };
            trust = trust.owner(uid);
        }
        Ok(trust)
    }

    pub(crate) fn trusts_writers(&self) -> bool {
        self.trust_writers
    }

    fn lock_timeout(&self) -> Result<Option<Duration>, Failure> {
        Duration::try_from_secs_f64(self.timeout).map(Some).map_err(|_| {
            Failure::usage(format!("--timeout {}: not a number of seconds", self.timeout))
                .hint(SECONDS)
        })
    }

    pub(crate) fn table_options(&self) -> Result<TableOptions, Failure> {
        let (trust, lock_timeout) = (self.trust()?, self.lock_timeout()?);
        Ok(TableOptions::default().trust(trust).lock_timeout(lock_timeout))
    }

    pub(crate) fn read_options(&self) -> Result<ReadOptions, Failure> {
        Ok(ReadOptions::default().trust(self.trust()?))
    }

    pub(crate) fn map_options(&self) -> Result<MapOptions, Failure> {
        let (trust, lock_timeout) = (self.trust()?, self.lock_timeout()?);
        Ok(MapOptions::default()
            .namespace(self.namespace())
            .trust(trust)
            .lock_timeout(lock_timeout))
    }

    pub(crate) fn share_options(&self, force: bool) -> Result<ShareOptions, Failure> {
        let (trust, lock_timeout) = (self.trust()?, self.lock_timeout()?);
        Ok(ShareOptions::default()
            .namespace(self.namespace())
            .trust(trust)
            .lock_timeout(lock_timeout)
            .force(force))
    }
}

/// Checks a name.
pub(crate) fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::from(Error::from(error)))
}

/// Returns the bytes of an argument, unescaped if `escaped` is true.
pub(crate) fn bytes(argument: &OsStr, escaped: bool) -> Result<Vec<u8>, Failure> {
    if !escaped {
        return Ok(argument.as_bytes().to_vec());
    }
    unescape(argument.as_bytes()).map_err(|error| {
        Failure::usage(format!("{}: {error}", argument.display()))
            .hint("\\t \\n \\r \\\\ \\xNN are the escapes; without --escaped a backslash is one")
    })
}

/// Parses a time to live, in seconds. The library says which times are too short or too long.
pub(crate) fn ttl(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().map_err(|_| TTL)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| TTL)
}

/// Parses permission bits in octal.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "three octal digits, such as 600 or 644".to_owned())
}
