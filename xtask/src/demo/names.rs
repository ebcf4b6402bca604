//! The dictionary of the demo. A publisher publishes one edition of the names of characters after
//! the other. Readers look them up in all ways and check every result. The publisher is killed
//! inside a publication, and another one removes what it left and takes over.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use shm_harness::{Child, Step, Stepper, TempNamespace};

use super::{WATCHDOG, spawn};
use crate::command::root;
use crate::worker::Worker;

const READERS: usize = 2;
/// More system calls than a publication makes.
const MAX_CALLS: u64 = 10_000;

pub(super) struct Names {
    publisher: Child,
    heir: Option<Child>,
    readers: Vec<Child>,
}

/// The reports of all readers, added up.
#[derive(Default)]
pub(super) struct Look {
    pub(super) names: u64,
    pub(super) edition: u64,
    pub(super) lookups_per_s: u64,
    pub(super) editions: u64,
    pub(super) mixtures: u64,
    pub(super) went_back: u64,
    /// How a name was looked up, the query, and the answer.
    pub(super) answers: Vec<[String; 3]>,
}

#[derive(Deserialize)]
struct Reader {
    lookups: u64,
    seconds: f64,
    editions: u64,
    mixtures: u64,
    went_back: u64,
    names: u64,
    edition: u64,
    answers: Vec<[String; 3]>,
}

impl Look {
    fn add(&mut self, line: &str) -> Result<()> {
        let reader: Reader = serde_json::from_str(line).context("answer of a reader of names")?;
        self.names = reader.names;
        self.edition = self.edition.max(reader.edition);
        self.lookups_per_s += (reader.lookups as f64 / reader.seconds) as u64;
        self.editions = self.editions.max(reader.editions);
        self.mixtures += reader.mixtures;
        self.went_back += reader.went_back;
        self.answers = reader.answers;
        Ok(())
    }
}

impl Names {
    pub(super) fn start(worker: &Worker, namespace: &TempNamespace) -> Result<Self> {
        let list = root().join("tests/data/unicode-names.tsv");
        let spawn =
            |role: &str| spawn(worker.command(role, namespace.path()).arg("--names").arg(&list));
        let (mut publisher, heir) = (spawn("demo-publisher")?, spawn("demo-publisher")?);
        publisher.send("go")?;
        let readers = (0..READERS).map(|_| spawn("demo-names")).collect::<Result<_>>()?;
        Ok(Self { publisher, heir: Some(heir), readers })
    }

    pub(super) fn look(&mut self) -> Result<Look> {
        let mut look = Look::default();
        for reader in &mut self.readers {
            look.add(&reader.ask("show", WATCHDOG)?)?;
        }
        Ok(look)
    }

    /// Kills the publisher when its new file has a temporary name and is about to replace the old
    /// one. Then the second publisher prunes, and publishes. Returns what there is to report.
    pub(super) fn kill_inside_a_publication(
        &mut self,
        namespace: &TempNamespace,
    ) -> Result<String> {
        let Some(heir) = self.heir.take() else { bail!("there is no publisher left") };
        let mut victim = std::mem::replace(&mut self.publisher, heir);
        let mut stepper = Stepper::seize(victim.pid())?;
        victim.send("stop")?;
        if !matches!(stepper.run_to_mark()?, Step::Marked(_)) {
            bail!("the publisher ended before its next edition");
        }
        let mut calls = 0;
        while litter(namespace)? == 0 {
            if stepper.skip_calls(1)? != Step::Stopped || calls == MAX_CALLS {
                bail!("the publication makes no temporary name");
            }
            calls += 1;
        }
        let pid = stepper.pid();
        stepper.kill()?;
        victim.kill().ok();
        if litter(namespace)? != 1 {
            bail!("the publisher had finished its edition already");
        }
        let swept = self.publisher.ask("prune", WATCHDOG)?;
        let swept: Vec<String> = serde_json::from_str(&swept).context("answer of the heir")?;
        if swept != ["Temporary", "Unsettled"] {
            bail!("the heir swept {swept:?}");
        }
        self.publisher.send("go")?;
        Ok(format!(
            "a publisher (pid {pid}) was killed after {calls} system calls of a publication;\n  \
             another swept its temporary file, settled the control word and took over"
        ))
    }

    /// Ends all processes, and returns the last reports of the readers.
    pub(super) fn finish(&mut self, namespace: &TempNamespace) -> Result<Look> {
        for publisher in [Some(&mut self.publisher), self.heir.as_mut()].into_iter().flatten() {
            publisher.close_stdin();
            if !publisher.wait(WATCHDOG)?.success() {
                bail!("a publisher failed");
            }
        }
        if litter(namespace)? != 0 {
            bail!("a publisher left a temporary file");
        }
        let mut look = Look::default();
        for reader in &mut self.readers {
            reader.close_stdin();
            look.add(&reader.line(WATCHDOG)?)?;
            reader.wait(WATCHDOG)?;
        }
        Ok(look)
    }
}

/// How many files have a temporary name.
fn litter(namespace: &TempNamespace) -> Result<usize> {
    let files = namespace.files()?;
    Ok(files.iter().filter(|file| file.starts_with(".shmap-tmp-")).count())
}
