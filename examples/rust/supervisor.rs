//! A supervisor of worker processes: one shared table tells what each of them does, one published
//! dictionary tells them how.
//!
//! ```sh
//! cargo run -p shm-facade --example supervisor -- NAME WORKERS [CONFIG]
//! ```
//!
//! Each worker, which is another process of this program, writes its row of the table NAME, and
//! takes the newest edition of the dictionary NAME before each job. One that died, maybe in the
//! middle of a write, or is silent for too long, is started again. CONFIG has lines
//! `KEY=MILLISECONDS`: `job` and `pause` (100), `hang` (2000, more than any job). SIGHUP has it
//! read and published again; if it is broken, nothing changes. SIGTERM and Ctrl-C end the workers,
//! and remove table and dictionary. A supervisor that is killed takes its workers with it, and the
//! next one of the name goes on. While it lives, that is refused.

use std::error::Error;
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Child, Command, ExitCode, Stdio, id};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use rustix::time::{ClockId, clock_gettime};
use shm_facade::{InPlace, Namespace, RbTree, Share, SharedMap, StatusTable};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

// SAFETY: only our own programs publish in this namespace, and they use this library.
const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
const OWNER: i32 = 0; // the key of the row that says whose the table is; workers count from 1
const GRACE_MS: u64 = 20_000; // how long workers have to end when they are asked to

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--worker", name, number, supervisor] => work(name, number, supervisor),
        [name, workers] => supervise(name, workers, None),
        [name, workers, config] => supervise(name, workers, Some(config)),
        _ => Err("usage: supervisor NAME WORKERS [CONFIG]".into()),
    };
    outcome.map_or_else(|error| complain(&*error), |()| ExitCode::SUCCESS)
}

fn supervise(name: &str, workers: &str, config: Option<&str>) -> Outcome {
    let workers: i32 = workers.parse().map_err(|_| format!("{workers:?} is no number"))?;
    let (stop, reload) = (flag(&[SIGTERM, SIGINT])?, flag(&[SIGHUP])?);
    let settings = read(config)?;
    let mut fleet = Fleet::claim(name)?;
    fleet.publish(&settings)?;
    let mut settings = SharedMap::open(name, IN_PLACE)?;
    for number in 1..=workers {
        fleet.workers.push(Worker::start(name, number)?);
    }
    let mut looks = 0_u64;
    while !stop.load(Relaxed) {
        if reload.swap(false, Relaxed)
            && let Err(error) = read(config).and_then(|settings| fleet.publish(&settings))
        {
            complain(&*error);
        }
        settings.refresh()?;
        fleet.restart_the_dead();
        fleet.end_the_most_silent(setting(&settings, "hang", 2000));
        if looks.is_multiple_of(20) {
            fleet.print();
        }
        looks += 1;
        sleep(Duration::from_millis(50));
    }
    Ok(()) // and the fleet is dropped, as it is after an error
}

/// What a worker does, until it is asked to end.
fn work(name: &str, number: &str, supervisor: &str) -> Outcome {
    // From here on it dies with its supervisor, even if it is stopped or hangs.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if parent_id() != supervisor.parse::<u32>()? {
        return Ok(()); // which died before that
    }
    let (stop, number) = (flag(&[SIGTERM])?, number.parse()?);
    let table = StatusTable::open_with(name, &Default::default())?;
    let mut settings = SharedMap::open(name, IN_PLACE)?;
    let report = |what: &str, jobs: u64, edition: u64| {
        let row = format!("pid {} {what}, {jobs} jobs, edition {edition}, at {}", id(), now_ms());
        table.upsert(number, row)
    };
    let mut jobs = 0;
    while !stop.load(Relaxed) {
        settings.refresh()?; // one load, as long as there is nothing new
        report("works", jobs, settings.edition())?;
        sleep(Duration::from_millis(setting(&settings, "job", 100))); // a real one does it here
        jobs += 1;
        report("waits", jobs, settings.edition())?;
        sleep(Duration::from_millis(setting(&settings, "pause", 100)));
    }
    report("ended", jobs, settings.edition())?;
    Ok(())
}

struct Worker {
    number: i32,
    child: Child,
    since_ms: u64,
}

impl Worker {
    fn start(name: &str, number: i32) -> std::io::Result<Self> {
        let child = Command::new("/proc/self/exe") // this version, also when there is a newer one
            .args(["--worker", name, &number.to_string(), &id().to_string()])
            .stdin(Stdio::null())
            .process_group(0) // so that Ctrl-C is for the supervisor alone
            .spawn()?;
        say(&format!("worker {number} started, pid {}", child.id()));
        Ok(Self { number, child, since_ms: now_ms() })
    }

    /// Its row since it was started, and for how long it has been silent. A read: whoever has the
    /// lock, it does not wait.
    fn row(&self, table: &StatusTable) -> (Option<String>, u64) {
        let row = table.get(self.number).ok().flatten();
        let row = row.and_then(|row| String::from_utf8(row.to_vec()).ok());
        let row = row.filter(|row| row.starts_with(&format!("pid {} ", self.child.id())));
        let at = row.as_ref().and_then(|row| row.rsplit(' ').next()?.parse().ok());
        (row, now_ms().saturating_sub(at.unwrap_or(self.since_ms)))
    }
}

/// The workers, and what they share. Dropped, it ends them and removes that.
struct Fleet {
    name: String,
    table: StatusTable,
    workers: Vec<Worker>,
    /// The dictionary of the name is that of this supervisor, or of a dead one.
    published: bool,
    /// The kernel gives it to one process, and takes it back when that ends, in whatever way.
    _alone: UnixListener,
}

impl Fleet {
    fn claim(name: &str) -> Outcome<Self> {
        let address = format!("supervisor of {}/{name}", Namespace::from_env().dir().display());
        let alone = UnixListener::bind_addr(&SocketAddr::from_abstract_name(address)?)
            .map_err(|error| format!("another supervisor has the name {name:?}: {error}"))?;
        let table = StatusTable::open_or_create(name)?;
        let published = table.get(OWNER)?.is_some_and(|row| row.starts_with(b"supervisor "));
        if !published && !table.is_empty() {
            return Err(format!("{name:?} is a table of another program").into());
        }
        table.upsert(OWNER, format!("supervisor {}", id()))?;
        let mut old = table.entries()?.into_iter().filter(|(key, _)| *key != OWNER);
        old.try_for_each(|(key, _)| table.remove(key))?;
        Ok(Self { name: name.to_owned(), table, workers: Vec::new(), published, _alone: alone })
    }

    fn publish(&mut self, settings: &RbTree) -> Outcome {
        let edition = if self.published {
            settings.share_or_replace(&self.name)?
        } else {
            settings.share(&self.name)?
        };
        self.published = true;
        say(&format!("edition {edition} published"));
        Ok(())
    }

    fn restart_the_dead(&mut self) {
        for worker in &mut self.workers {
            let Ok(Some(status)) = worker.child.try_wait() else { continue };
            say(&format!("worker {} ended, {status}", worker.number));
            match Worker::start(&self.name, worker.number) {
                Ok(new) => *worker = new,
                Err(error) => drop(complain(&error)), // the next look tries again
            }
        }
    }

    /// One at a time: the others may be waiting for the lock that this one holds.
    fn end_the_most_silent(&mut self, limit_ms: u64) {
        let silence_ms = |worker: &Worker| worker.row(&self.table).1;
        let worker = self.workers.iter_mut().max_by_key(|worker| silence_ms(worker));
        if let Some(worker) = worker.filter(|worker| silence_ms(worker) > limit_ms) {
            say(&format!("worker {} hangs", worker.number));
            let _ = worker.child.kill();
        }
    }

    fn print(&self) {
        for worker in &self.workers {
            let (Some(row), silence_ms) = worker.row(&self.table) else { continue };
            say(&format!("worker {}: {row}, {silence_ms} ms ago", worker.number));
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let kill_at = now_ms() + GRACE_MS;
        for Worker { child, .. } in &mut self.workers {
            if let Ok(None) = child.try_wait() {
                let _ = kill_process(Pid::from_child(child), Signal::TERM);
            }
        }
        for Worker { child, .. } in &mut self.workers {
            while matches!(child.try_wait(), Ok(None)) && now_ms() < kill_at {
                sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        self.print();
        if self.published {
            let _ = SharedMap::remove(&self.name);
        }
        let _ = self.table.unlink(); // last: the owner's row tells the next one what it may remove
    }
}

fn read(config: Option<&str>) -> Outcome<RbTree> {
    let mut settings = RbTree::new();
    let Some(path) = config else { return Ok(settings) };
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    for line in text.lines() {
        let pair = line.split_once('=').filter(|(_, value)| value.parse::<u64>().is_ok());
        let (key, value) = pair.ok_or_else(|| format!("{path}: {line:?} is no setting"))?;
        settings.set(key, value)?;
    }
    Ok(settings)
}

fn setting(settings: &SharedMap, key: &str, default: u64) -> u64 {
    settings.get_str(key).and_then(|value| value.ok()?.parse().ok()).unwrap_or(default)
}

fn now_ms() -> u64 {
    let time = clock_gettime(ClockId::Monotonic); // which all processes share
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

fn flag(signals: &[i32]) -> std::io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    signals.iter().try_for_each(|&s| signal_hook::flag::register(s, flag.clone()).map(drop))?;
    Ok(flag)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}"); // whether anybody listens or not
}

fn complain(error: &dyn Error) -> ExitCode {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
    let _ = writeln!(std::io::stderr(), "supervisor: {line}");
    ExitCode::FAILURE
}
