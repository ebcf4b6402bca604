//! The harness gets to the instruction that it names, which step-kill relies on.

use std::collections::HashSet;
use std::process::Command;

use shm_tests::{Step, Stepper, TempNamespace, create, worker};

fn update(namespace: &TempNamespace) -> Command {
    let mut command = worker(env!("CARGO_BIN_EXE_shm-worker"), "operation", namespace.path());
    command.args(["--op", "update"]);
    command
}

#[test]
fn calls_and_breakpoints_lead_to_the_same_instruction_as_steps() {
    let namespace = TempNamespace::new().unwrap();
    // What the operation expects.
    let table = create(&namespace, 16, 40);
    table.add(&3, b"old").unwrap();
    // From here on, each finds the record of a writer that was killed.
    let mut stepper = Stepper::spawn(&mut update(&namespace)).unwrap();
    stepper.step(u64::MAX).unwrap();
    stepper.kill().unwrap();
    let mut stepper = Stepper::spawn(&mut update(&namespace)).unwrap();
    let pieces = stepper.measure().unwrap();
    if !stepper.has_fixed_addresses() {
        println!(
            "skipped: the addresses of programs are random here, or the processor is another one"
        );
        return;
    }
    stepper.kill().unwrap();
    let total = pieces.iter().flatten().count() as u64;
    assert!(total > 100 && pieces.len() > 1, "{total} instructions, {} pieces", pieces.len());

    let mut start = 0;
    let mut places = 0;
    for (calls, piece) in pieces.iter().enumerate() {
        let mut seen = HashSet::new();
        for (at, &address) in piece.iter().enumerate() {
            // Each first time in the piece, or some of them.
            if !seen.insert(address) || at % 23 != 0 {
                continue;
            }
            let mut stepper = Stepper::spawn(&mut update(&namespace)).unwrap();
            assert_eq!(stepper.skip_calls(calls as u64).unwrap(), Step::Stopped);
            assert!(stepper.run_to(address).unwrap(), "not at {address:#x}");
            // As many instructions are left as should be. It ends, so that it leaves no lock.
            let left = total - start - at as u64;
            assert_eq!(stepper.step(u64::MAX).unwrap(), Step::Marked(left), "{calls} calls, {at}");
            stepper.kill().unwrap();
            places += 1;
        }
        start += piece.len() as u64;
    }
    assert!(places > 10, "only {places} places");
}

#[test]
fn a_place_that_a_run_does_not_come_by_is_told() {
    let namespace = TempNamespace::new().unwrap();
    create(&namespace, 16, 40).add(&3, b"old").unwrap();
    let mut stepper = Stepper::spawn(&mut update(&namespace)).unwrap();
    let pieces = stepper.measure().unwrap();
    if !stepper.has_fixed_addresses() {
        return;
    }
    stepper.kill().unwrap();
    // An instruction from the middle of the operation does not come after its end.
    let longest = pieces.iter().max_by_key(|piece| piece.len()).unwrap();
    let address = longest[longest.len() / 2];
    assert!(!pieces.last().unwrap().contains(&address));
    let mut stepper = Stepper::spawn(&mut update(&namespace)).unwrap();
    stepper.skip_calls(pieces.len() as u64 - 1).unwrap();
    assert!(!stepper.run_to(address).unwrap());
    stepper.kill().unwrap();
}
