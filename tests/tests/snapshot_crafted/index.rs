//! Faults in the hash index.

use avl_snapshot::Snapshot;
use shm_tests::image::{
    Entry, LINE, Sections, colliding_key, encode, encode_empty_index, fix_checksums, word,
};

use super::{corrupt, fault, map};

#[test]
fn cells_of_the_index() {
    let image = encode(&map(), true);
    let sections = Sections::of(&image);
    let cells = sections.buckets.len() / 8;
    let find_all = |image: &[u8]| {
        let snapshot = Snapshot::new(image).unwrap();
        for (key, _) in map() {
            let _ = (snapshot.get(&key), snapshot.contains_key(&key));
        }
        snapshot.get_many(&map().iter().map(|(key, _)| key).collect::<Vec<_>>()).len()
    };
    for cell in 0..cells {
        let at = sections.buckets.start + 8 * cell;
        let is = word(&image, at);
        for change in [
            0,
            u64::MAX,
            // The place alone: the start, the end, far beyond it.
            is & !0xF_FFFF_FFFF,
            is & !0xF_FFFF_FFFF | sections.data.len() as u64,
            is | 0xF_FFFF_FFFF,
            // The length of the value alone: none, the longest, one that is too long for a cell.
            is & !(0xFFF << 36),
            is & !(0xFFF << 36) | 4094 << 36,
            is | 0xFFF << 36,
            // The length of the key alone: an empty cell with a rest, a longer key, one too long
            // for a cell.
            is & !(0xFF << 48),
            is.wrapping_add(1 << 48),
            is | 0xFF << 48,
            // Another tag.
            is ^ 1 << 56,
            is ^ 1 << 63,
        ] {
            if change == is {
                continue;
            }
            let mut changed = image.clone();
            changed[at..][..8].copy_from_slice(&change.to_le_bytes());
            fix_checksums(&mut changed);
            let bucket = sections.buckets.start + LINE * (cell / 8);
            let expected = Some(corrupt("bucket of the hash index", bucket));
            assert_eq!(fault(&changed), expected, "{change:#x} for {is:#x}");
            assert_eq!(find_all(&changed), map().len());
        }
    }
    // All cells the same: full of one, so that no bucket ends a search.
    for cell in [u64::MAX, 1, 1 << 48, word(&image, sections.buckets.start), 0] {
        let mut changed = image.clone();
        changed[sections.buckets.clone()]
            .chunks_mut(8)
            .for_each(|c| c.copy_from_slice(&cell.to_le_bytes()));
        fix_checksums(&mut changed);
        assert_eq!(
            fault(&changed),
            Some(corrupt("bucket of the hash index", sections.buckets.start))
        );
        assert_eq!(find_all(&changed), map().len());
    }
}

#[test]
fn an_index_of_colliding_keys() {
    let colliding = |n| (0..n).map(|i| (colliding_key(i), vec![i as u8])).collect::<Vec<Entry>>();
    // Sixty-four buckets of eight are what a lookup may read.
    let fits = colliding(512);
    assert_eq!(Sections::of(&encode(&fits, true)).buckets.len(), LINE * 97);
    assert_eq!(fault(&encode(&fits, true)), None);
    // All tags are the same: after sixteen other keys, the tree says.
    let snapshot = Snapshot::new(encode(&fits, true)).unwrap();
    assert!(snapshot.has_hash_index());
    let keys: Vec<_> = (0..1024).map(colliding_key).collect();
    let expected = |at: usize| fits.get(at).map(|(_, value)| &value[..]);
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(snapshot.get(key), expected(at));
    }
    assert!(snapshot.get_many(&keys).into_iter().eq((0..1024).map(expected)));
    let too_many = colliding(513);
    assert!(Sections::of(&encode(&too_many, true)).buckets.is_empty(), "no index is written");
    assert_eq!(fault(&encode(&too_many, true)), None);
    let forged = encode_empty_index(&too_many, 98);
    let at = Sections::of(&forged).buckets.start;
    assert_eq!(fault(&forged), Some(corrupt("hash index of colliding keys", at)));
    let mut full = forged;
    full[at..].fill(0xFF);
    fix_checksums(&mut full);
    assert_eq!(fault(&full), Some(corrupt("hash index of colliding keys", at)));
}
