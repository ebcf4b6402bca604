//! The hash of a key, by the text of the document, and the place in a file that it leads to.

use super::*;

/// The hash, by the text of the document.
struct Hash {
    s: [u64; 3],
    seed: u64,
}

fn product(a: u64, b: u64) -> (u64, u64) {
    let p = u128::from(a) * u128::from(b);
    (p as u64, (p >> 64) as u64)
}

fn mum(a: u64, b: u64) -> (u64, u64) {
    let (lo, hi) = product(a, b);
    (a ^ lo, b ^ hi)
}

fn mix(a: u64, b: u64) -> u64 {
    let (a, b) = mum(a, b);
    a ^ b
}

impl Hash {
    fn new(document: &Document, seed: u64) -> Self {
        let text = document.lines("Hash").join(" ");
        let d: [u64; 3] = std::array::from_fn(|i| {
            let hex = text.split(&format!("D{i} ")).nth(1).unwrap();
            u64::from_str_radix(hex.split_whitespace().next().unwrap(), 16).unwrap()
        });
        let premix = |x: u64, i: usize| {
            let (lo, hi) = product(x ^ d[2], d[i]);
            let mut x = x ^ lo ^ hi;
            for (bits, set) in [(48, 63), (24, 31), (0, 0)] {
                if x >> bits & 0xFFFF == 0 {
                    x |= 1 << set;
                }
            }
            x
        };
        let seed = premix(seed, 0);
        let s0 = premix(seed, 0);
        let s1 = premix(s0, 1);
        Self { s: [s0, s1, premix(s1, 2)], seed }
    }

    fn of_words(&self, data: &[u64]) -> u64 {
        let (s, n) = (&self.s, data.len());
        let (mut rest, mut x) = (data, self.seed);
        let (a, b, r);
        if n <= 2 {
            x ^= 8 * n as u64;
            r = 8 * n as u64;
            (a, b) = (data[0], data[n - 1]);
        } else {
            if n > 6 {
                let (mut y, mut z) = (x, x);
                while rest.len() > 6 {
                    x = mix(rest[0] ^ s[0], rest[1] ^ x);
                    y = mix(rest[2] ^ s[1], rest[3] ^ y);
                    z = mix(rest[4] ^ s[2], rest[5] ^ z);
                    rest = &rest[6..];
                }
                x ^= y ^ z;
            }
            if rest.len() > 2 {
                x = mix(rest[0] ^ s[2], rest[1] ^ x);
            }
            if rest.len() > 4 {
                x = mix(rest[2] ^ s[2], rest[3] ^ x);
            }
            r = 8 * rest.len() as u64;
            (a, b) = (data[n - 2] ^ r, data[n - 1]);
        }
        let (a, b) = mum(a ^ s[1], b ^ x);
        mix(a ^ 0xaaaa_aaaa_aaaa_aaaa, b ^ s[1] ^ r)
    }

    fn of_key(&self, key: &[u64]) -> u64 {
        match key {
            [only] => {
                let (mask, factor) = (self.of_words(&[0]), self.of_words(&[1]) | 1);
                let second = self.of_words(&[2]);
                let (lo, hi) = product(only ^ mask, factor);
                let (lo, hi) = product(lo ^ hi ^ second, factor);
                lo ^ hi
            }
            _ => self.of_words(key),
        }
    }
}

/// The only entry of a table that holds only this key: its place, and the word.
fn only_entry<K: TypedKey + ?Sized>(document: &Document, key: &K, words: &[u64]) {
    let namespace = TempNamespace::new().unwrap();
    let ns = Namespace::at(namespace.path());
    let mut options = TableOptions::default();
    options.geometry.key_size = Geometry::MAX_KEY_SIZE;
    let table = Table::<K>::create(&ns, &test_name(), &options).unwrap();
    table.add(key, b"").unwrap();
    let file = Bytes::of(&ns.path_of(&test_name(), KIND));
    let sizes = Sizes::new(options.geometry, words.len() == 1 && K::KIND == i64::KIND);
    let seed = file.u64(document.section("Geometry of a table").field("seed"));
    let hash = Hash::new(document, seed).of_key(words);
    let place = hash as usize % sizes.index_len;
    let at = TABLE_BODY + 8 * sizes.index_at + 4 * place;
    let slot_mask = (options.geometry.capacity as u32 + 2).next_power_of_two() - 1;
    let entry = u32::from_ne_bytes(file.0[at..at + 4].try_into().unwrap());
    assert_eq!(entry, (hash >> 32) as u32 & !slot_mask | 2, "{words:x?}");
    assert_eq!(slot_mask, !0xffff_f800);
    document.says("(hash high half & 0xfffff800) | 2");
    let key_at = document.section("Slot").field("key").offset;
    let slot = TABLE_BODY + 8 * sizes.slots_at + key_at;
    for (at, &word) in words.iter().enumerate() {
        assert_eq!(file.word(slot + 8 * at), word, "word {at} of the key");
    }
}

#[test]
fn the_hash_and_the_keys() {
    let document = Document::read();
    for key in [0, 1, -1, 3325, i64::MIN, i64::MAX] {
        only_entry(&document, &key, &[key as u64]);
    }
    for len in [0, 1, 7, 8, 9, 16, 17, 24, 32, 40, 47, 48, 49, 95, 96, 97, 128, 255, 256] {
        let key: Vec<u8> = (0..len).map(|at| (at * 31 + 7) as u8).collect();
        let mut words = vec![len as u64];
        for chunk in key.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            words.push(u64::from_le_bytes(word));
        }
        only_entry(&document, key.as_slice(), &words);
    }
}
