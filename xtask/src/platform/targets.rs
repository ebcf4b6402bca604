//! The targets, and what is done with each. README's platform table says the same, and a test
//! compares the two.

use std::process::{Command, Stdio};

/// The crates that other programs link. The other crates are programs, or made for one C library.
pub const LIBRARIES: &[&str] = &["avl-snapshot", "shm-core", "slotmap-shm", "shm-facade"];

/// The only library crate without memory maps. It works on any target.
const SNAPSHOT: &[&str] = &["avl-snapshot"];

#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub triple: &'static str,
    /// A C compiler that links for the target.
    pub linker: Option<Tool>,
    /// The emulator, if the processor of the project's machines does not run its programs.
    pub runner: Option<Tool>,
    pub checked: &'static [Checked],
}

/// A program, and the package of Debian that has it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    pub program: &'static str,
    pub package: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum Checked {
    /// These crates compile.
    Compiled(&'static [&'static str]),
    /// `shm-core` does not compile, and says why.
    Refused,
    /// Tests are run. These are the arguments of each `cargo test`.
    Run(&'static [&'static [&'static str]]),
}

const SNAPSHOT_TESTS: Checked = Checked::Run(&[&["--package", "avl-snapshot", "--lib", "--tests"]]);

/// The tests of the libraries, and some with worker processes: one crash test of tables and one of
/// maps.
const LIBRARY_TESTS: Checked = Checked::Run(&[
    &[
        "--package=avl-snapshot",
        "--package=shm-core",
        "--package=slotmap-shm",
        "--package=shm-facade",
        "--lib",
        "--tests",
    ],
    &["--package=shm-tests", "--test=repeated_deaths", "--test=killed_publisher"],
]);

/// The targets of README's platform table, in its order, except the one where everything is run.
pub const TARGETS: &[Target] = &[
    Target {
        triple: "x86_64-unknown-linux-musl",
        linker: tool("musl-gcc", "musl-tools"),
        runner: None,
        checked: &[Checked::Compiled(LIBRARIES), LIBRARY_TESTS],
    },
    Target {
        triple: "aarch64-unknown-linux-gnu",
        linker: tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        runner: tool("qemu-aarch64-static", "qemu-user-static"),
        checked: &[Checked::Compiled(LIBRARIES), SNAPSHOT_TESTS],
    },
    Target {
        triple: "aarch64-unknown-linux-musl",
        linker: None,
        runner: None,
        checked: &[Checked::Compiled(LIBRARIES)],
    },
    Target {
        triple: "riscv64gc-unknown-linux-gnu",
        linker: None,
        runner: None,
        checked: &[Checked::Compiled(LIBRARIES)],
    },
    Target {
        triple: "s390x-unknown-linux-gnu",
        linker: tool("s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu"),
        runner: tool("qemu-s390x-static", "qemu-user-static"),
        checked: &[Checked::Compiled(LIBRARIES), SNAPSHOT_TESTS],
    },
    Target {
        triple: "i686-unknown-linux-gnu",
        linker: tool("i686-linux-gnu-gcc", "gcc-i686-linux-gnu"),
        runner: None,
        checked: &[Checked::Compiled(SNAPSHOT), Checked::Refused, SNAPSHOT_TESTS],
    },
    Target {
        triple: "i686-unknown-linux-musl",
        linker: None,
        runner: None,
        checked: &[Checked::Compiled(SNAPSHOT), Checked::Refused],
    },
];

const fn tool(program: &'static str, package: &'static str) -> Option<Tool> {
    Some(Tool { program, package })
}

impl Tool {
    pub fn is_there(&self) -> bool {
        let mut command = Command::new(self.program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Target {
    /// Whether any code is run.
    pub fn is_run(&self) -> bool {
        self.checked.iter().any(|checked| matches!(checked, Checked::Run(_)))
    }

    /// What README says about the target.
    #[cfg(test)]
    pub fn in_words(&self) -> String {
        let run = match self.runner {
            Some(_) => "run under emulation",
            None => "run",
        };
        let pass = if self.is_run() { "compile" } else { "pass `cargo check`" };
        let said = self.checked.iter().map(|checked| match checked {
            Checked::Compiled(packages) if *packages == LIBRARIES => {
                format!("the four library crates {pass}")
            }
            Checked::Compiled(_) => {
                format!("of the library crates, only `avl-snapshot` is to {pass}")
            }
            Checked::Refused => "the others refuse, and say why".to_owned(),
            Checked::Run([_]) => format!("the tests of `avl-snapshot` are {run}"),
            Checked::Run(_) => {
                format!("their tests are {run}, and two crash tests with worker processes")
            }
        });
        said.collect::<Vec<_>>().join("; ")
    }
}
