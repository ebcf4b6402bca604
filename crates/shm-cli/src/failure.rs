//! How a command fails: what was wrong, what to do next, and the exit code.

mod hint;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use nix::libc;
use shm_core::report;
use shm_facade::{Error, ResultCode};
use slotmap_shm::{TableError, TableOpenError};

use self::hint::{Hint, NO_DIRECTORY, denied, hint, who_may};
pub(crate) use self::hint::{REPAIRABLE, TTL, VALUE_SIZE};

/// The exit codes. `--help` and the README list them, and a test compares these lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// The key, the name or the prefix was not found.
    NotFound = 1,
    /// The command line is not valid.
    Usage = 2,
    /// The table or the file system is full, or a key or value is too long.
    NoSpace = 3,
    /// The key or the name exists already, or a key is named twice.
    Exists = 4,
    /// The name is not valid.
    InvalidName = 5,
    /// The lock was not released in time.
    Timeout = 6,
    /// The file at the name is damaged.
    Corrupt = 7,
    /// It is of another kind, key type, version or architecture.
    Mismatch = 8,
    /// The operating system does not permit it, or the owner is not trusted.
    Permission = 9,
    /// The operating system refused the operation for another reason.
    System = 10,
    /// A line of the input is broken.
    Input = 11,
    /// Writers were too busy to read a table as it was at one moment.
    Busy = 12,
    /// Ended by Ctrl-C or a signal.
    Interrupted = 130,
    /// The reader of the output is gone.
    Pipe = 141,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<ResultCode> for Exit {
    fn from(code: ResultCode) -> Self {
        match code {
            ResultCode::Ok => Self::Ok,
            ResultCode::NotFound => Self::NotFound,
            ResultCode::NoSpace => Self::NoSpace,
            ResultCode::DuplicateKey => Self::Exists,
            ResultCode::InvalidName => Self::InvalidName,
            ResultCode::Timeout => Self::Timeout,
            ResultCode::Corrupt => Self::Corrupt,
            ResultCode::Mismatch => Self::Mismatch,
            ResultCode::Permission => Self::Permission,
            // The request itself is not possible; nothing was read yet.
            ResultCode::Invalid => Self::Usage,
            _ => Self::System,
        }
    }
}

/// The name of standard input in messages.
pub(crate) const STDIN: &str = "standard input";

/// Why a command failed. Nothing was changed, unless [`Failure::after`] says what was.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<Hint>,
    /// Whether the message says which file it is about.
    names_file: bool,
    /// True if the reader of the output has closed it. Then no message is printed.
    silent: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, names_file: false, silent: false }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Says what to do next. An earlier hint stays. In a constant text, [`Failure::of_map`]
    /// replaces `NAME`.
    pub(crate) fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Says what to do next, in place of an earlier hint. For subcommands that know better than the
    /// earlier hint.
    pub(crate) fn hint_instead(mut self, hint: impl Into<Hint>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts the name of the map that the failure is about into the hint. If the failure is about
    /// several maps, the first name stays.
    pub(crate) fn of_map(mut self, name: &str) -> Self {
        if let Some(Cow::Borrowed(hint)) = self.hint {
            self.hint = Some(hint.replace("NAME", &in_shell(name)).into());
        }
        self
    }

    /// Adds a hint for a damaged map, for a user who already knows what is wrong.
    pub(crate) fn known_to_be_damaged(mut self) -> Self {
        if self.exit == Exit::Corrupt && self.hint.as_deref() != Some(REPAIRABLE) {
            self.hint =
                Some("remove it with `shmap rm NAME`, and create it again from its source".into());
        }
        self
    }

    /// Says what the failure is about, before the message.
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Says which file the failure is about, unless the message already does.
    pub(crate) fn naming(self, path: &Path) -> Self {
        if self.names_file { self } else { self.about(path.display()) }
    }

    /// Says what was done before the failure, if only the result could not be printed.
    pub(crate) fn after(self, done: impl fmt::Display) -> Self {
        let message = format!("{done}, but not printed: {}", self.message);
        let hint = Some("nothing is left to do; `shmap stat NAME` shows what there is".into());
        Self { message, hint, silent: false, ..self }
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Prints the failure to stderr, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        use std::io::Write;
        if self.silent {
            return self.exit.into();
        }
        // A closed stderr is no reason to panic.
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "shmap: {}", self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(stderr, "  try: {hint}");
        }
        self.exit.into()
    }
}

impl From<io::Error> for Failure {
    /// Makes the failure for an error on standard output. For other files, see
    /// [`Failure::of_file`], which names the file.
    fn from(error: io::Error) -> Self {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        // As of a program that SIGPIPE ends.
        let exit = if silent { Exit::Pipe } else { Exit::System };
        let failure = Self::new(exit, format!("standard output: {error}"));
        let hint = match error.raw_os_error() {
            Some(libc::EBADF) => "it is closed: print to a file, a pipe or /dev/null",
            _ => "what was printed is not complete: once more, to where there is room",
        };
        Self { silent, ..failure }.hint(hint)
    }
}

impl Failure {
    /// A failure on a file that is not a map: an input file, or a directory to write to.
    pub(crate) fn of_file(path: impl fmt::Display, error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::PermissionDenied => Exit::Permission,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Exit::NoSpace,
            _ => Exit::System,
        };
        Self { names_file: true, ..Self::new(exit, format!("{path}: {error}")) }
    }

    /// A failure on a file of entries.
    pub(crate) fn of_input(path: impl fmt::Display, error: &io::Error) -> Self {
        let failure = Self::of_file(&path, error);
        match failure.exit {
            Exit::NotFound => failure.hint("the path counts from here; `-` is standard input"),
            Exit::Permission => failure.hint(who_may(path)),
            _ => failure.hint(format!("see what it is: `ls -ld {path}`")),
        }
    }

    /// A failure on standard input.
    pub(crate) fn of_stdin(error: &io::Error) -> Self {
        Self::of_file(STDIN, error).hint("give it a file or a pipe, or /dev/null for nothing")
    }

    /// A failure on the directory of the maps.
    pub(crate) fn of_directory(dir: &Path, error: &io::Error) -> Self {
        let failure = Self::of_file(dir.display(), error);
        match failure.exit {
            Exit::NotFound => failure.hint(NO_DIRECTORY),
            _ => failure.hint(denied(dir)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = report(&error).to_string();
        let exit = match error {
            // No lock was waited for, and the libraries' code is the same.
            Error::Table(TableError::Contended { .. }) => Exit::Busy,
            _ => error.code().into(),
        };
        let failure = Self { names_file: error.path().is_some(), ..Self::new(exit, message) };
        match hint(&error) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Error::from(error).into()
    }
}

impl From<TableOpenError> for Failure {
    fn from(error: TableOpenError) -> Self {
        Error::from(error).into()
    }
}

/// Quotes a name, if necessary, so that a shell reads it as one word.
pub(crate) fn in_shell(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+:@%,=".contains(c);
    if name.chars().all(is_plain) && !name.starts_with('-') {
        return name.into();
    }
    format!("'{}'", name.replace('\'', "'\\''")).into()
}

#[cfg(test)]
mod tests {
    use slotmap_shm::GeometryError;

    use super::*;

    #[test]
    fn a_hint_has_the_name_of_the_map_as_a_shell_takes_it() {
        for (name, shown) in [
            ("jobs", "jobs"),
            ("größe.2", "größe.2"),
            ("two words", "'two words'"),
            ("it's", r"'it'\''s'"),
            ("-x", "'-x'"),
            ("$(id)", "'$(id)'"),
        ] {
            let failure = Failure::usage("no").hint("`shmap stat NAME`").of_map(name).of_map("no");
            assert_eq!(failure.hint.unwrap(), format!("`shmap stat {shown}`"));
        }
        // What was said already is no template.
        let said = Failure::usage("no").hint("`ls /NAME`".to_owned()).of_map("jobs");
        assert_eq!(said.hint.unwrap(), "`ls /NAME`");
    }

    #[test]
    fn errors_of_expiry_say_what_to_do() {
        let zero = std::time::Duration::ZERO;
        let too_short = || GeometryError::TimeToLive { ttl: zero, max: zero };
        let errors = [TableError::NoExpiry, TableError::NotRegistered];
        let hints = errors.map(|error| Failure::from(error).of_map("jobs").hint.unwrap());
        assert!(hints[0].contains("`shmap create OTHER --ttl each`"), "{hints:?}");
        assert!(hints[1].contains("`shmap stat jobs`"), "{hints:?}");
        let hints = [
            Failure::from(TableError::TimeToLive(too_short())),
            Failure::from(TableOpenError::Geometry(too_short())),
        ];
        assert!(hints.iter().all(|failure| failure.hint.as_deref() == Some(TTL)), "{hints:?}");
    }

    #[test]
    fn giving_up_a_reading_is_no_lock_that_was_not_released() {
        let busy = Failure::from(TableError::Contended { waited: std::time::Duration::ZERO });
        assert_eq!(busy.exit(), Exit::Busy);
        assert_eq!(Exit::from(ResultCode::Timeout), Exit::Timeout);
    }
}
