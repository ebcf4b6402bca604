//! Failure scenarios of `tests/tests` that need a process of their own, one role each. A role that
//! finds something wrong panics, which its test notices.

mod descriptors;
mod editions;
mod grow;
mod guard;
mod lifecycle;
mod limits;
mod map_limits;
mod maps;
mod mixed;
mod overlay;
mod pids;
mod probe;
mod records;
mod scribble;
mod seccomp;
mod space;
mod thief;
mod waits;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use shm_core::{Name, Namespace, Patience, Trust, WritableSegment};
use shm_tests::test_name;
use slotmap_shm::{KIND, Table, TableOptions};

#[derive(clap::Args)]
pub struct Arguments {
    name: Scenario,
    args: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// `<gate> <create|open-or-create> <tmpfile|no-tmpfile>`: all at once make one table.
    Join,
    /// `<umask> <mode> <tmpfile|no-tmpfile>`: creates a table under a umask.
    Umask,
    /// `<key>`: opens the table, adds the key, says how many keys it sees.
    Visit,
    /// Opens the table in every way and says what came of it.
    Probe,
    /// Does `probe` in a pid namespace of its own.
    ForeignPids,
    /// `<tmpfile|no-tmpfile>`: a full tmpfs.
    FullDisk,
    /// `<tmpfile|no-tmpfile>`: a limit on file sizes.
    FileLimit,
    /// A tmpfs without limits, and sizes that no machine has.
    ImpossibleSizes,
    /// `<seed>`: random words into the body, until stdin closes.
    Scribble,
    /// As `scribble`, but holding the lock.
    ScribbleLocked,
    /// `<rounds>`: reads in every way, whatever it finds.
    ReadAnything,
    /// `<rounds>`: writes in every way, whatever it finds.
    WriteAnything,
    /// Holds the lock until stdin closes.
    Hold,
    /// Locks, and executes another program.
    ExecHolding,
    /// Says that it runs, and waits for the end of stdin.
    Wait,
    /// A thread ends with a leaked guard, which the next one repairs.
    LeakInThread,
    /// A guard is leaked, its segment dropped; other locks go on.
    LeakAndDrop,
    /// A forked child uses and drops the parent's guard.
    ForkWithGuard,
    /// Children are forked while other threads open instances.
    ForkInInstance,
    /// A forked child uses and drops the parent's recovery.
    ForkWithRecovery,
    /// The descriptors run out, at every call.
    NoDescriptors,
    /// The address space runs out.
    NoAddressSpace,
    /// `<nothing|log|pipe|socket|same|path>`: all descriptors are closed, and these opened.
    LostDescriptors,
    /// All descriptors are closed, twice.
    DescriptorsLostTwice,
    /// The new table cannot be given its name.
    NoName,
    /// `<gate> <once|force> <tmpfile|no-tmpfile>`: all at once publish under one name.
    ShareAtOnce,
    /// `<share|force|remove|prune> <value> <tmpfile|no-tmpfile>`: one of these, traced.
    TracedMap,
    /// Has the map open: `get`, `refresh`, `wait`, `removed`.
    MapReader,
    /// `<umask> <mode> <tmpfile|no-tmpfile>`: publishes under a umask.
    MapUmask,
    /// Opens the map in every way and says what came of it.
    MapProbe,
    /// Removes the map and says what came of it.
    MapRemove,
    /// `<tmpfile|no-tmpfile>`: publishes on a full tmpfs.
    MapFullDisk,
    /// The descriptors run out, at every call on maps.
    MapNoDescriptors,
    /// The address space ends while maps are built.
    MapNoMemory,
    /// Copies files that are longer than memory.
    MapHugeFiles,
    /// A signal each millisecond around maps.
    MapSignals,
    /// Publishes the next edition for each line.
    EditionPublisher,
    /// `<refresh|wait>`: follows the editions, and checks them.
    EditionReader,
    /// Writes a key of its own until stdin has a line.
    Writes,
    /// Opens the table; writes at each line.
    WritesWhenTold,
    /// The same, in a pid namespace of its own.
    ForeignWritesWhenTold,
    /// A table below an overlay and in its upper directory.
    TwoInodes,
    /// The same, in two pid namespaces.
    TwoInodesAndPids,
    /// A handle that a fork carries into another pid namespace.
    CarriedHandle,
    /// `<number>`: counts, adds, removes and writes batches until it is killed.
    MixedWriter,
    /// `<program> [argument]...`: runs it as process 1 of a new pid namespace.
    InOwnPids,
    /// Is registered as a writer until stdin closes; `exec`, `close`, `die`.
    Registers,
    /// The same, in a pid namespace of its own, of a segment that it makes.
    ForeignRegisters,
    /// Threads register and end, for ever.
    RegistersAndEnds,
    /// As `Registers`, by another thread than the main one.
    ThreadRegisters,
    /// Children of a thread that is registered.
    ForkRegistered,
    /// A child writes present keys beside its parent.
    ForkClaims,
    /// `<key>`: adds keys from this one on, and says in the table how many.
    Grow,
    /// `<key>`: adds one key, and waits.
    GrowOnce,
    /// A table grows until a tmpfs is full.
    GrowFullDisk,
    /// `<wait|requeue> <table|control>`: takes the wake-ups of a lock, as one who may only read.
    Thief,
    /// `<last> <µs>`: counts key 0 up to that, and is killed after that time.
    Counts,
    /// Waits for a change of key 0.
    WaitsForChange,
    /// Waits for a change of anything.
    WaitsForAnything,
    /// A signal each millisecond during creation and opening.
    SignalsWhileCreating,
    /// A signal each millisecond while waiting for the lock.
    SignalsWhileLocking,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let args: Vec<&str> = arguments.args.iter().map(String::as_str).collect();
    match arguments.name {
        Scenario::Join => lifecycle::join(args[0], args[1], args[2]),
        Scenario::Umask => lifecycle::umask(args[0], args[1], args[2]),
        Scenario::Visit => lifecycle::visit(args[0].parse()?),
        Scenario::Probe => probe::probe(),
        Scenario::ForeignPids => probe::foreign_pids(),
        Scenario::FullDisk => space::full_disk(args[0]),
        Scenario::FileLimit => space::file_limit(args[0]),
        Scenario::ImpossibleSizes => space::impossible_sizes(),
        Scenario::Scribble => scribble::scribble(args[0].parse()?),
        Scenario::ScribbleLocked => scribble::scribble_locked(args[0].parse()?),
        Scenario::ReadAnything => scribble::read(args[0].parse()?),
        Scenario::WriteAnything => scribble::write(args[0].parse()?),
        Scenario::Hold => guard::hold(),
        Scenario::ExecHolding => guard::exec_holding(),
        Scenario::Wait => wait(),
        Scenario::MixedWriter => mixed::writer(args[0].parse()?),
        Scenario::InOwnPids => mixed::in_own_pids(args[0], &args[1..]),
        Scenario::LeakInThread => guard::leak_in_thread(),
        Scenario::LeakAndDrop => guard::leak_and_drop(),
        Scenario::ForkWithGuard => guard::fork_with_guard(),
        Scenario::ForkInInstance => guard::fork_in_instance(),
        Scenario::ForkWithRecovery => guard::fork_with_recovery(),
        Scenario::NoDescriptors => limits::no_descriptors(),
        Scenario::NoAddressSpace => limits::no_address_space(),
        Scenario::LostDescriptors => descriptors::lost(args[0]),
        Scenario::DescriptorsLostTwice => descriptors::lost_twice(),
        Scenario::NoName => limits::no_name(),
        Scenario::ShareAtOnce => maps::share_at_once(args[0], args[1], args[2]),
        Scenario::TracedMap => maps::traced(args[0], args[1], args[2]),
        Scenario::MapReader => maps::reader(),
        Scenario::MapUmask => maps::umask(args[0], args[1], args[2]),
        Scenario::MapProbe => maps::probe(),
        Scenario::MapRemove => maps::remove(),
        Scenario::MapFullDisk => maps::full_disk(args[0]),
        Scenario::MapNoDescriptors => map_limits::no_descriptors(),
        Scenario::MapNoMemory => map_limits::no_memory(),
        Scenario::MapHugeFiles => map_limits::huge_files(),
        Scenario::MapSignals => map_limits::signals_around_maps(),
        Scenario::EditionPublisher => editions::publisher(),
        Scenario::EditionReader => editions::reader(args[0]),
        Scenario::Writes => overlay::writes(),
        Scenario::WritesWhenTold => overlay::writes_when_told(),
        Scenario::ForeignWritesWhenTold => overlay::foreign_writes_when_told(),
        Scenario::TwoInodes => overlay::two_inodes(),
        Scenario::TwoInodesAndPids => overlay::two_inodes_and_pids(),
        Scenario::CarriedHandle => pids::carried(),
        Scenario::Registers => records::registers(),
        Scenario::ForeignRegisters => records::foreign_registers(),
        Scenario::RegistersAndEnds => records::registers_and_ends(),
        Scenario::ThreadRegisters => records::thread_registers(),
        Scenario::ForkRegistered => records::fork_registered(),
        Scenario::ForkClaims => records::fork_claims(),
        Scenario::Grow => grow::grow(args[0].parse()?),
        Scenario::GrowOnce => grow::grow_once(args[0].parse()?),
        Scenario::GrowFullDisk => grow::grow_full_disk(),
        Scenario::Thief => thief::thief(args[0], args[1]),
        Scenario::Counts => {
            waits::counts(args[0].parse()?, Duration::from_micros(args[1].parse()?))
        }
        Scenario::WaitsForChange => waits::waits(),
        Scenario::WaitsForAnything => waits::waits_for_anything(),
        Scenario::SignalsWhileCreating => limits::signals_while_creating(),
        Scenario::SignalsWhileLocking => limits::signals_while_locking(),
    }
}

/// Prints a line now: stdout is a pipe.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Reads stdin until a line comes or it is closed.
fn wait_for_line() -> Result<()> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn wait() -> Result<()> {
    say("waiting")?;
    wait_for_line()
}

fn open_table() -> Result<Table<i32>> {
    Ok(Table::open(&Namespace::from_env(), &test_name(), &TableOptions::default())?)
}

/// The segment of the test table, for its lock.
fn open_segment(name: &Name) -> Result<WritableSegment> {
    Ok(Namespace::from_env().open(name, KIND, 1, &Trust::new(), &Patience::forever())?)
}

/// Names of the files in the namespace.
fn files() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(Namespace::from_env().dir())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
