//! Keys that are chosen to collide do not make a probe long. The longest run of used places in the
//! index bounds a probe, so that is measured here, without a clock.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use shm_core::{Namespace, Ordering};
use shm_tests::{TempNamespace, options, test_name};
use slotmap_shm::Table;

const CAPACITY: usize = 4096;
/// A random hash at quarter load gives runs of some 20 places; one run of all keys has 4096.
const LONGEST: usize = CAPACITY / 32;

/// Longest run of places in use in the index of a table, which wraps around.
fn longest_run(table: &Table<i64>) -> usize {
    let capacity = table.capacity();
    let len = (4 * capacity).next_power_of_two();
    let index = table.segment().words().slice(24 + capacity.next_multiple_of(8), len / 2);
    let (mut longest, mut run) = (0, 0);
    for at in 0..2 * len {
        let place = at % len;
        let used = (index.load(place / 2, Ordering::Relaxed) >> (place % 2 * 32)) as u32 != 0;
        run = if used { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

fn table(namespace: &TempNamespace, capacity: usize) -> Table<i64> {
    let ns = Namespace::at(namespace.path());
    Table::create(&ns, &test_name(), &options(capacity, 8)).unwrap()
}

#[test]
fn keys_that_collide_under_a_seedless_hash() {
    let n = CAPACITY as i64;
    let mut families: Vec<(String, Vec<i64>)> = vec![
        ("sequential".into(), (0..n).collect()),
        ("negative".into(), (-n..0).collect()),
        ("bit-reversed".into(), (0..n).map(i64::reverse_bits).collect()),
        ("stride of a prime".into(), (0..n).map(|k| k * 8191).collect()),
        (
            "golden ratio".into(),
            (0..n).map(|k| k.wrapping_mul(0x9E37_79B9_7F4A_7C15u64 as i64)).collect(),
        ),
        ("squares".into(), (0..n).map(|k| k * k).collect()),
    ];
    // Multiples of 2^k: one home for all, under a hash that takes low bits.
    families.extend(
        (1..52)
            .step_by(3)
            .map(|k| (format!("multiples of 2^{k}"), (0..n).map(|m| m << k).collect())),
    );
    let namespace = TempNamespace::new().unwrap();
    let table = table(&namespace, CAPACITY);
    for (name, keys) in families {
        for key in &keys {
            table.add(key, b"value").unwrap();
        }
        let run = longest_run(&table);
        assert!(run < LONGEST, "{name}: a run of {run} places");
        assert!(keys.iter().all(|key| table.contains_key(key).unwrap()), "{name}");
        // Removal and addition in turns must not let tombstones fill the index.
        for key in &keys {
            table.remove(key).unwrap();
            table
                .add(&!key.wrapping_mul(3), b"other")
                .unwrap_or_else(|_| table.add(key, b"").unwrap());
        }
        let run = longest_run(&table);
        assert!(run < 2 * LONGEST, "{name}: a run of {run} places after churn");
        table.verify().unwrap();
        table.clear().unwrap();
    }
}

#[test]
fn keys_that_collide_under_one_tables_seed_do_not_under_anothers() {
    const COLLIDING: usize = 64;
    let (namespace, other) = (TempNamespace::new().unwrap(), TempNamespace::new().unwrap());
    let attacked = table(&namespace, 1024);
    // Whoever can read the segment knows its seed, and can search for such keys.
    let secrets = RapidSecrets::seed(attacked.segment().geometry()[4]);
    let [mask, factor, second] = [0u64, 1, 2]
        .map(|n| rapidhash_v3_nano_inline::<true, true>(&n.to_le_bytes(), &secrets) | (n % 2));
    let fold = |x: u64| {
        let product = u128::from(x) * u128::from(factor);
        (product >> 64) as u64 ^ product as u64
    };
    let home = |key: i64| fold(fold(key as u64 ^ mask) ^ second) as usize & 4095;
    let keys: Vec<i64> = (0..).filter(|&key| home(key) == 77).take(COLLIDING).collect();
    for key in &keys {
        attacked.add(key, b"value").unwrap();
    }
    assert_eq!(longest_run(&attacked), COLLIDING, "the search for keys found the right hash");
    assert!(keys.iter().all(|key| attacked.contains_key(key).unwrap()));
    attacked.remove_many(&keys[1..]).unwrap();
    assert!(attacked.contains_key(&keys[0]).unwrap());
    attacked.verify().unwrap();

    let fresh = table(&other, 1024);
    keys.iter().for_each(|key| fresh.add(key, b"value").unwrap());
    assert!(longest_run(&fresh) < COLLIDING / 4, "the same keys under another seed");
}
