//! A lock whose holder is gone without releasing it, or is a child that inherited it, or panics.

use std::borrow::Borrow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shm_core::{Acquired, Namespace, Patience, Trust};
use shm_facade::{StatusOptions, StatusTable};
use shm_tests::roles::{run, scenario};
use shm_tests::{Child, TempNamespace, WATCHDOG, create, test_name};
use slotmap_shm::{KIND, Table};

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

fn with_table() -> (TempNamespace, Table<i32>) {
    let namespace = TempNamespace::new().unwrap();
    let table = create(&namespace, 16, 40);
    table.add_many(&[(1, "one"), (3, "three")]).unwrap();
    (namespace, table)
}

fn role(name: &str) -> Table<i32> {
    let (namespace, table) = with_table();
    assert!(run(scenario(WORKER, name, namespace.path())).is_empty());
    assert_eq!(table.get(&1).unwrap().unwrap(), b"one");
    table.verify().unwrap();
    table
}

#[test]
fn thread_exits_with_a_leaked_guard() {
    role("leak-in-thread");
}

#[test]
fn segment_dropped_under_a_leaked_guard() {
    assert_eq!(role("leak-and-drop").stats().recoveries, 1);
}

#[test]
fn exec_while_holding() {
    let (namespace, table) = with_table();
    let mut child = Child::spawn(&mut scenario(WORKER, "exec-holding", namespace.path())).unwrap();
    assert_eq!(child.line(WATCHDOG).unwrap(), "waiting");
    // The process lives on as another program, which knows nothing of the lock.
    table.add(&2, b"two").unwrap();
    assert_eq!(table.stats().recoveries, 1);
    assert!(child.is_alive());
    child.close_stdin();
    assert!(child.wait(WATCHDOG).unwrap().success());
    table.verify().unwrap();
}

#[test]
fn killed_while_holding() {
    let (namespace, table) = with_table();
    for deaths in 1..=3 {
        let mut child = Child::spawn(&mut scenario(WORKER, "hold", namespace.path())).unwrap();
        assert_eq!(child.line(WATCHDOG).unwrap(), "holding");
        child.kill().unwrap();
        // A batch takes the lock; a write of one key that is present does not.
        table.upsert_many(&[(2, b"two")]).unwrap();
        assert_eq!(table.stats().recoveries, deaths);
    }
}

#[test]
fn forked_child_with_the_guard() {
    let table = role("fork-with-guard");
    assert_eq!((table.stats().recoveries, table.len()), (0, 3));
}

#[test]
fn forked_child_with_the_recovery() {
    role("fork-with-recovery");
}

/// Runs `f`, which must panic, and checks that the table is as before and usable.
fn panics(table: &Table<i32>, f: impl FnOnce(&Table<i32>)) {
    let before = (table.entries().unwrap(), table.stats());
    assert!(catch_unwind(AssertUnwindSafe(|| f(table))).is_err(), "did not panic");
    assert_eq!((table.entries().unwrap(), table.stats()), before);
    table.verify().unwrap();
    table.update(&1, b"one").unwrap();
    let after = table.stats();
    assert_eq!(after.recoveries, before.1.recoveries, "the lock was held during the panic");
}

#[test]
fn panic_in_a_closure_of_update_with() {
    let (_namespace, table) = with_table();
    panics(&table, |t| drop(t.update_with(&1, |_| panic!("at once"))));
    panics(&table, |t| {
        drop(t.update_with(&1, |value| {
            value.extend_from_slice(b" and more");
            panic!("after the change")
        }));
    });
    // The closure may write to the table itself: it does not hold the lock.
    table
        .update_with(&1, |value| {
            table.upsert(&2, b"from inside").unwrap();
            value.push(b'!');
        })
        .unwrap();
    assert_eq!(table.get(&1).unwrap().unwrap(), b"one!");
}

/// A batch member that panics when it is read.
struct Member {
    key: i32,
    key_panics: bool,
    value_panics: bool,
}

impl Borrow<i32> for Member {
    fn borrow(&self) -> &i32 {
        assert!(!self.key_panics, "in borrow");
        &self.key
    }
}

struct MemberValue(bool);

impl AsRef<[u8]> for MemberValue {
    fn as_ref(&self) -> &[u8] {
        assert!(!self.0, "in as_ref");
        b"new"
    }
}

#[test]
fn panic_in_a_member_of_a_batch() {
    let (namespace, table) = with_table();
    for bad in 0..3 {
        for in_key in [true, false] {
            let batch = || -> Vec<(Member, MemberValue)> {
                let member = |at| Member {
                    key: [1, 3, 7][at],
                    key_panics: in_key && at == bad,
                    value_panics: !in_key && at == bad,
                };
                (0..3).map(member).map(|m| MemberValue(m.value_panics).pair(m)).collect()
            };
            panics(&table, |t| drop(t.upsert_many(&batch())));
            panics(&table, |t| drop(t.update_many(&batch())));
            panics(&table, |t| drop(t.add_many(&batch())));
            if in_key {
                let keys = || batch().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
                panics(&table, |t| drop(t.remove_many(&keys())));
                panics(&table, |t| drop(t.get_many(&keys())));
            }
        }
    }
    let options = StatusOptions::default().namespace(Namespace::at(namespace.path()));
    let status = StatusTable::open_with("test", &options).unwrap();
    panics(&table, |_| {
        drop(status.batch_update(&[(1, MemberValue(false)), (3, MemberValue(true))]))
    });
    panics(&table, |_| drop(status.upsert(1, MemberValue(true))));
}

impl MemberValue {
    fn pair(self, member: Member) -> (Member, Self) {
        (member, self)
    }
}

#[test]
fn panic_while_holding_the_bare_lock() {
    let (namespace, table) = with_table();
    let segment = Namespace::at(namespace.path())
        .open(&test_name(), KIND, 1, &Trust::new(), &Patience::forever())
        .unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let Acquired::Clean(guard) = segment.try_lock().unwrap() else { panic!("nobody died") };
        guard.words().unwrap();
        panic!("in the middle");
    }));
    assert!(outcome.is_err());
    // A write of one key that is present takes no lock. The next owner of the lock repairs what the
    // panic interrupted.
    table.update(&1, b"one").unwrap();
    assert_eq!(table.stats().recoveries, 0);
    table.update_many(&[(1, b"one")]).unwrap();
    assert_eq!(table.stats().recoveries, 1);
    table.verify().unwrap();
}
