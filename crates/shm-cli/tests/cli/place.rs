//! A temporary namespace and directory for one test, and runs of `shmap` in them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use shm_core::{Name, Namespace, Patience, Trust, WritableSegment};
use shm_harness::TempNamespace;

/// The binary.
pub(crate) const SHMAP: &str = env!("CARGO_BIN_EXE_shmap");
/// When a child counts as hung.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(120);

/// The user `nobody`: neither the caller nor root.
pub(crate) const NOBODY: u32 = 65534;

pub(crate) struct Place {
    namespace: TempNamespace,
}

/// A file, as far as a call that fails must leave it alone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    bytes: Vec<u8>,
    mode: u32,
    owner: u32,
    inode: u64,
}

/// True when this is root, who can become another user; otherwise says what is skipped.
pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: becoming another user needs root");
    }
    root
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let place = Self { namespace: TempNamespace::new().unwrap() };
        std::fs::create_dir(place.dir().join("work")).unwrap();
        place
    }

    /// With the table `jobs` and the map `words`, and both as files.
    pub(crate) fn with_maps() -> Self {
        let place = Self::new();
        place.write("jobs.tsv", "3325\trunning\n3326\twaiting\n");
        place.write("words.tsv", "rot\tred\nblau\tblue\n");
        place.ok(["create", "jobs", "--capacity", "16"]);
        place.ok(["load", "jobs", "jobs.tsv"]);
        place.ok(["share", "words", "words.tsv"]);
        place
    }

    /// The namespace.
    pub(crate) fn dir(&self) -> &Path {
        self.namespace.path()
    }

    /// The directory that `shmap` runs in.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir().join("work")
    }

    /// The path of a map.
    pub(crate) fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.dir().join(format!("shmap.{name}.{kind}"))
    }

    /// The segment that contains a table.
    pub(crate) fn table_segment(&self, name: &str) -> WritableSegment {
        let (namespace, name) = (Namespace::at(self.dir()), Name::new(name).unwrap());
        let open = |version| {
            namespace.open(&name, slotmap_shm::KIND, version, &Trust::new(), &Patience::forever())
        };
        // These tests do not depend on the version of tables.
        (1..100).find_map(|version| open(version).ok()).unwrap()
    }

    /// Writes an input file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.work().join(name), text).unwrap();
    }

    /// A command of `shmap` in this place.
    pub(crate) fn command<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(SHMAP);
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    /// Makes a command run here.
    pub(crate) fn settle(&self, command: &mut Command) {
        command.current_dir(self.work()).env("SHMAP_DIR", self.dir());
        command.env("COLUMNS", "100").env_remove("NO_COLOR").stdin(Stdio::null());
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// Runs with this standard input.
    pub(crate) fn run_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Said {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // It may end without reading all of it.
            scope.spawn(move || stdin.write_all(input));
            Said::of(child.wait_with_output().unwrap())
        })
    }

    /// Runs what must succeed; its standard output.
    pub(crate) fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    }

    /// Runs as the user `nobody`.
    pub(crate) fn as_nobody<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Said {
        self.as_nobody_in(&self.work(), arguments)
    }

    /// Runs as the user `nobody` in a directory. The file is started through a descriptor, so that
    /// the user needs no access to the directories above it.
    pub(crate) fn as_nobody_in<S: AsRef<OsStr>>(
        &self,
        dir: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Said {
        let file = File::open(SHMAP).unwrap();
        let mut command = Command::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
        self.settle(&mut command);
        command.args(arguments).current_dir(dir).uid(NOBODY).gid(NOBODY);
        Said::of(command.output().unwrap())
    }

    /// All files of the namespace and of the directory for work: bytes, mode, owner, identity. Of
    /// tables the entries and the count of writes in place of the bytes, since their lock and the
    /// buffers that no reader uses change with every try.
    pub(crate) fn files(&self) -> BTreeMap<String, Seen> {
        let mut files = BTreeMap::new();
        for name in self.namespace.files().unwrap().into_iter().filter(|name| name != "work") {
            files.insert(name.clone(), Self::seen(&self.dir().join(&name), self.entries(&name)));
        }
        for entry in std::fs::read_dir(self.work()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            files.insert(format!("work/{name}"), Self::seen(&path, None));
        }
        files
    }

    fn seen(path: &Path, entries: Option<Vec<u8>>) -> Seen {
        let meta = path.symlink_metadata().unwrap();
        let mut bytes = entries.unwrap_or_else(|| std::fs::read(path).unwrap_or_default());
        if path.extension().is_some_and(|kind| kind == "control") {
            // The records say who has taken the lock, not what came of it.
            bytes.iter_mut().take(4096).skip(640).for_each(|byte| *byte = 0);
        }
        Seen { bytes, mode: meta.mode(), owner: meta.uid(), inode: meta.ino() }
    }

    /// What a table has, if this file is one that can be read.
    fn entries(&self, file: &str) -> Option<Vec<u8>> {
        let name = file.strip_prefix("shmap.")?.strip_suffix(".table")?;
        let trust = ["--trust", "65534", "--trust-writers", "--kind", "table"];
        let [dump, stat] = ["dump", "stat"].map(|verb| self.run([verb, name].iter().chain(&trust)));
        let writes = stat.out.lines().find(|line| line.starts_with("writes"))?;
        (dump.code == 0).then(|| format!("{}{writes}", dump.out).into_bytes())
    }

    /// Runs what must fail with this code and these words, and change nothing.
    #[track_caller]
    pub(crate) fn fails<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        code: i32,
        words: &[&str],
    ) -> Said {
        let before = self.files();
        let said = self.run(arguments);
        assert_eq!(said.code, code, "{said:?}");
        for word in words {
            assert!(said.err.contains(word), "no {word:?} in {said:?}");
        }
        said.is_clear().unwrap_or_else(|why| panic!("{why}: {said:?}"));
        assert_eq!(changed(&before, &self.files()), Vec::<&str>::new(), "{said:?}");
        said
    }
}

/// The names of the files that were added, removed or changed.
pub(crate) fn changed<'a>(
    before: &'a BTreeMap<String, Seen>,
    after: &'a BTreeMap<String, Seen>,
) -> Vec<&'a str> {
    let mut names: Vec<_> = before.keys().chain(after.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| before.get(*name) != after.get(*name));
    names
}

impl Said {
    /// A message of a failure says what is wrong and what to do next, each on a line.
    pub(crate) fn is_clear(&self) -> Result<(), &'static str> {
        let lines: Vec<_> = self.err.lines().collect();
        match lines.as_slice() {
            // A message of clap, for a command line that it cannot parse.
            [first, .., last] if first.starts_with("error: ") && last.contains("try '--help'") => {
                Ok(())
            }
            // No verb at all: all of the help.
            _ if self.err.contains("\nUsage: shmap [OPTIONS] <COMMAND>\n") => Ok(()),
            [what, next] if what.starts_with("shmap: ") && next.starts_with("  try: ") => Ok(()),
            _ => Err("not a line that says what is wrong and one that says what to do next"),
        }
    }

    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
