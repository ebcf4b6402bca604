//! A namespace and a directory of one test's own, and runs of `shmap` in them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use shm_core::{Name, Namespace, Trust, WritableSegment};
use shm_harness::TempNamespace;

/// The binary.
pub(crate) const SHMAP: &str = env!("CARGO_BIN_EXE_shmap");
/// When a child counts as hung.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(120);

pub(crate) struct Place {
    namespace: TempNamespace,
}

/// What a run has said, and how it ended.
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

    /// Where a map lies.
    pub(crate) fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.dir().join(format!("shmap.{name}.{kind}"))
    }

    /// The segment that a table lies in.
    pub(crate) fn table_segment(&self, name: &str) -> WritableSegment {
        let (namespace, name) = (Namespace::at(self.dir()), Name::new(name).unwrap());
        let open = |version| namespace.open(&name, slotmap_shm::KIND, version, &Trust::new());
        // Which version tables have is not the business of these tests.
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

    /// All files of the namespace with their bytes; tables with their entries and the count of writes, since
    /// their lock and the buffers that no reader looks at change with every try.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for file in self.namespace.files().unwrap() {
            let name = file.strip_prefix("shmap.").and_then(|rest| rest.strip_suffix(".table"));
            let trust = ["--trust", "65534", "--trust-writers", "--kind", "table"];
            let table = name.and_then(|name| {
                let [dump, stat] =
                    ["dump", "stat"].map(|verb| self.run([verb, name].iter().chain(&trust)));
                let writes = stat.out.lines().find(|line| line.starts_with("writes"))?;
                Some(format!("{}{writes}", dump.out).into_bytes())
            });
            if file != "work" {
                let read = || std::fs::read(self.dir().join(&file)).unwrap_or_default();
                files.insert(file.clone(), table.unwrap_or_else(read));
            }
        }
        files
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
        assert!(!said.err.contains("panicked"), "{said:?}");
        // `assert_eq!` would print all of the bytes.
        assert!(self.files() == before, "something was changed: {said:?}");
        said
    }
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
