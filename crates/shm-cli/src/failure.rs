//! How a command fails: what was wrong, what to do next, and the exit code.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use nix::libc;
use shm_core::{
    CreateError, HeaderError, IoError, Kind, LockError, OpenError, PublishError, report,
};
use shm_facade::{BuildError, Error, ResultCode, SNAPSHOT};
use slotmap_shm::{GeometryError, KIND, TableError, TableOpenError};

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

/// Advice on what to do next. A constant text has `NAME` in place of the map's name.
type Hint = Cow<'static, str>;

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

const NO_DIRECTORY: &str = "make the directory first, or name another one: --namespace DIR";

/// Quotes a name, if necessary, so that a shell reads it as one word.
pub(crate) fn in_shell(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+:@%,=".contains(c);
    if name.chars().all(is_plain) && !name.starts_with('-') {
        return name.into();
    }
    format!("'{}'", name.replace('\'', "'\\''")).into()
}

/// A hint for a file that the caller may not open.
fn who_may(path: impl fmt::Display) -> String {
    format!("its mode decides who may: `ls -l {path}`; ask its owner, or become that user")
}

fn hint(error: &Error) -> Option<Hint> {
    let text = match error {
        Error::Name(_) => "a name has 1 to 200 bytes, no `/`, and no dot at its start",
        Error::Open(e) => return open_hint(e),
        Error::PermissionDenied(e) => return Some(denied_hint(e).into()),
        Error::Io(e) if e.source.kind() == io::ErrorKind::NotFound => NO_DIRECTORY,
        Error::OpenTable(TableOpenError::Geometry(GeometryError::OutOfRange { what, .. })) => {
            return Some(format!("ask for another one: --{}", what.replace('_', "-")).into());
        }
        Error::OpenTable(TableOpenError::Geometry(_)) => "ask for less: --capacity, --value-size",
        Error::Publish(PublishError::BadMode { .. }) => "--mode 400, 440 or 444",
        Error::Create(e) => return create_hint(e),
        Error::OpenTable(TableOpenError::Corrupt { .. })
        | Error::Map { .. }
        | Error::Snapshot(_) => DAMAGED,
        Error::AlreadyExists { path } if is_of_kind(path, KIND) => {
            "`shmap stat NAME` says what is there; `shmap rm NAME --kind table` removes it"
        }
        Error::AlreadyExists { .. } => {
            "add --force to replace it; whoever has it open keeps the old one"
        }
        Error::WouldEmpty { .. } => {
            "did its input break off? add --allow-empty to publish a map without entries"
        }
        Error::Table(e) => return table_hint(e),
        Error::Publish(PublishError::Lock { source: LockError::TimedOut { .. }, .. }) => BUSY,
        Error::Publish(PublishError::ControlWord { path, .. }) => {
            return Some(control_hint(path).into());
        }
        Error::Build(BuildError::NoMemory { .. }) => {
            "`ulimit -v` says how much this process may have; `shmap share --sorted` needs less"
        }
        Error::Build(BuildError::KeyTooLong { .. }) => {
            "shorten the key: what is long belongs into the value"
        }
        _ => return None,
    };
    Some(text.into())
}

/// A hint for an action that the system does not permit: opening a file, or changing its directory.
fn denied_hint(error: &IoError) -> String {
    let path = &error.path;
    if path.is_dir() {
        "name a directory that you may write to: --namespace DIR".to_owned()
    } else if path.symlink_metadata().is_ok() {
        who_may(path.display())
    } else {
        denied(path.parent().unwrap_or(path))
    }
}

/// A hint for a directory that the caller may not change.
fn denied(dir: &Path) -> String {
    format!("`ls -ld {}` says who may; become that user, or --namespace DIR", dir.display())
}

fn is_of_kind(path: &Path, kind: Kind) -> bool {
    path.extension().is_some_and(|extension| extension == kind.as_str())
}

/// A hint for a published map, which is used in place, so nobody may write to it.
fn take_write_bits(path: &Path) -> String {
    format!("`chmod a-w {}`, or share it anew", path.display())
}

/// A hint for a control segment, which holds only the number of the edition.
fn control_hint(path: &Path) -> String {
    let path = path.display();
    format!("no map is in that file, only the count of editions: `rm {path}`, then once more")
}

const DAMAGED: &str = "`shmap verify NAME` says what is wrong; remove it with `shmap rm NAME` and \
                       create it again from its source";
/// A hint for a value that does not fit.
pub(crate) const VALUE_SIZE: &str =
    "the size is fixed when a table is made: `shmap create OTHER --value-size BYTES`";
/// A hint for a table whose first page is sound.
pub(crate) const REPAIRABLE: &str =
    "`shmap repair NAME` frees the damaged slots and keeps the others";
const BUSY: &str =
    "`shmap stat NAME` says who has it mapped; give it longer with --timeout SECONDS";

fn table_hint(error: &TableError) -> Option<Hint> {
    let text = match error {
        TableError::DuplicateKey { .. } => "`shmap set` sets it, `shmap update` replaces it",
        TableError::NamedTwice { .. } => "name each key once; nothing was changed",
        TableError::NotFound { .. } => "`shmap set` or `shmap add` adds it",
        TableError::Full { source: Some(_), .. } => {
            "make room for it to grow (`df -h`, `free -m`), or in the table: `shmap del`"
        }
        TableError::Full { .. } => {
            "`shmap del` makes room; a larger table is a new one: `shmap create OTHER --capacity N`"
        }
        TableError::ValueTooLarge { .. } | TableError::NoRoomForCounter { .. } => VALUE_SIZE,
        TableError::KeyTooLong { .. } => {
            "the size is fixed when a table is made: `shmap create OTHER --keys str --key-size BYTES`"
        }
        TableError::NotACounter { .. } => {
            "`shmap get` shows it; after `shmap del` a counter begins"
        }
        TableError::InBatch { source, .. } => return table_hint(source),
        TableError::Contended { .. } => "writers are too busy for a cut of one moment: once more",
        TableError::Lock(LockError::TimedOut { .. }) => BUSY,
        TableError::Corrupt { .. } => REPAIRABLE,
        _ => return None,
    };
    Some(text.into())
}

fn open_hint(error: &OpenError) -> Option<Hint> {
    let text = match error {
        OpenError::ForeignOwner { found, .. } => {
            return Some(
                format!("if you trust that user with its contents: --trust {found}").into(),
            );
        }
        // It would be refused for its owner's write bit, too.
        OpenError::ForeignWriters { path, .. } if is_of_kind(path, SNAPSHOT.kind) => {
            return Some(take_write_bits(path).into());
        }
        OpenError::ForeignWriters { .. } => {
            "if you trust everybody who may write to it: --trust-writers"
        }
        OpenError::Writable { path, .. } => {
            return Some(take_write_bits(path).into());
        }
        OpenError::OpenForWriting { path } => {
            return Some(
                format!("see which process has it open: `fuser -v {}`", path.display()).into(),
            );
        }
        OpenError::NotAFile { path, .. } => {
            return Some(format!("see what it is: `ls -l {}`", path.display()).into());
        }
        OpenError::Header { path, source } => match source {
            HeaderError::CLibrary | HeaderError::Abi { .. } => {
                "read it (get, dump, search, watch), or write where its writers run"
            }
            HeaderError::Version { .. } | HeaderError::KindVersion { .. } => {
                "it was made by another version: use that one's shmap"
            }
            _ if is_of_kind(path, SNAPSHOT.control) => {
                return Some(control_hint(path).into());
            }
            HeaderError::Kind { found, .. } => {
                return Some(
                    format!("if it was renamed: its name has to end in `.{found}`").into(),
                );
            }
            _ => DAMAGED,
        },
        _ => return None,
    };
    Some(text.into())
}

fn create_hint(error: &CreateError) -> Option<Hint> {
    let text = match error {
        CreateError::NoSpace { .. } => {
            "make room, or ask for less: `df -h` on that directory says how much is left"
        }
        CreateError::NoMemory { .. } => {
            "ask for less, or name a directory on a disk: --namespace DIR"
        }
        CreateError::NoInodes { .. } => "`df -i` on that directory says how many files there are",
        CreateError::Quota { .. } => "`quota` says how much you may have",
        CreateError::FileSizeLimit { .. } => "ask for less, or raise it: `ulimit -f unlimited`",
        CreateError::FileTooLarge { .. } => {
            "ask for less, or name another directory: --namespace DIR"
        }
        CreateError::BadMode { .. } => {
            "--mode 600, 640 or 644; with --trust-writers 660, 664 or 666, too"
        }
        _ => return None,
    };
    Some(text.into())
}

#[cfg(test)]
mod tests {
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
    fn giving_up_a_reading_is_no_lock_that_was_not_released() {
        let busy = Failure::from(TableError::Contended { waited: std::time::Duration::ZERO });
        assert_eq!(busy.exit(), Exit::Busy);
        assert_eq!(Exit::from(ResultCode::Timeout), Exit::Timeout);
    }
}
