//! Three kills in a row: a writer, its repairer, and that one's repairer.
//! (`cargo xtask step-kill --op repair` kills a repairer at every instruction.)

use std::process::Command;

use shm_tests::{Step, Stepper, TempNamespace, create, open, pattern, worker};

const BINARY: &str = env!("CARGO_BIN_EXE_shm-worker");
const ENTRIES: i32 = 10;

fn operation(namespace: &TempNamespace, prelude: bool) -> Command {
    let mut command = worker(BINARY, "operation", namespace.path());
    command.args(["--op", "repair"]);
    if prelude {
        command.arg("--prelude");
    }
    command
}

/// Kills a process after that many instructions of its operation; false if it had finished.
fn kill_at(command: &mut Command, instructions: u64) -> bool {
    let mut stepper = Stepper::spawn(command).unwrap();
    let inside = stepper.step(instructions).unwrap() == Step::Stopped;
    stepper.kill().unwrap();
    inside
}

#[test]
fn the_one_after_three_deaths_repairs() {
    let mut recoveries = 0;
    // Debug code is long, so the steps are; they need not meet anything in particular.
    for first in (500..).step_by(701) {
        let namespace = TempNamespace::new().unwrap();
        let table = create(&namespace, 16, 40);
        for key in 0..ENTRIES {
            table.add(&key, pattern::value(key, 1, 40)).unwrap();
        }
        let inside = kill_at(&mut operation(&namespace, true), first);
        kill_at(&mut operation(&namespace, false), 900 + first / 3);
        kill_at(&mut operation(&namespace, false), 2500 + first / 2);
        let table = open(&namespace);
        table.recover().unwrap();
        table.verify().unwrap();
        recoveries += table.stats().recoveries;
        let sequences: Vec<_> = (0..ENTRIES)
            .map(|key| pattern::sequence(key, &table.get(&key).unwrap().unwrap()).unwrap())
            .collect();
        assert!(sequences.iter().all(|s| s == &sequences[0]), "half a batch: {sequences:?}");
        for key in 100..100 + 16 - ENTRIES {
            table.add(&key, b"x").unwrap();
        }
        assert!(table.add(&99, b"x").is_err(), "more than the capacity fits");
        if !inside {
            break;
        }
    }
    assert!(recoveries > 0, "no kill hit the owner of the lock");
}
