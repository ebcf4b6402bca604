//! A stream gets the bytes that an image in memory has, whatever is in the map and however many
//! threads make the image. A stream that fails is left without an image.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;

use avl_snapshot::{
    AlignedBytes, BuildError, Builder, FreezeOptions, HEADER_LEN, MAX_KEY_LEN, RbTree, Snapshot,
    StreamBuilder, StreamError,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn built(model: &Model, options: FreezeOptions) -> AlignedBytes {
    let mut builder = Builder::with_options(options);
    model.iter().for_each(|(key, value)| builder.push(key, value).unwrap());
    builder.finish()
}

/// Pushes all entries. An entry whose push fails is pushed again.
fn streamed<W: Read + Write + Seek>(
    stream: W,
    model: &Model,
    options: FreezeOptions,
) -> Result<W, StreamError> {
    let mut builder = StreamBuilder::with_options(stream, options)?;
    for (key, value) in model {
        if builder.push(key, value).is_err() {
            builder.push(key, value)?;
        }
    }
    assert_eq!(builder.len(), model.len());
    builder.finish()
}

/// Compares the bytes of all ways to make an image, and opens it.
fn agree(model: &Model) {
    for index in [false, true] {
        let options = FreezeOptions::default().hash_index(index);
        let image = built(model, options.clone());
        Snapshot::new(&image).unwrap().verify().unwrap();
        for threads in [2, 3, 8] {
            let threads = options.clone().threads(NonZeroUsize::new(threads).unwrap());
            assert!(built(model, threads) == image);
        }
        // The image starts where the stream is.
        let before = b"before it".to_vec();
        let mut stream = Cursor::new(before.clone());
        stream.seek(SeekFrom::End(0)).unwrap();
        let stream = streamed(stream, model, options.clone()).unwrap();
        assert_eq!(stream.position(), stream.get_ref().len() as u64);
        let (found, streamed) = stream.get_ref().split_at(before.len());
        assert!(found == before && streamed == &*image);
        let tree: RbTree = model.iter().rev().collect();
        let frozen = tree.write_to(Cursor::new(Vec::new()), &options).unwrap().into_inner();
        assert!(frozen == *image);
        assert!(tree.least_image_len(&options) <= image.len() as u64);
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![Just(0u8), Just(b'a'), Just(0xFF)];
    let long = vec(letter.clone(), 0..12).prop_map(|tail| [vec![b'p'; 40], tail].concat());
    prop_oneof![vec(letter, 0..7), long, vec(any::<u8>(), 0..5)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_map_gives_the_same_bytes(
        model in btree_map(key(), vec(any::<u8>(), 0..40), 0..400),
    ) {
        agree(&model);
    }
}

/// Maps that need more than one block, buffer or thread.
fn large() -> Vec<Model> {
    let value = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes().to_vec();
    vec![
        (0..140_000).map(|i| (value(i), b"a value".to_vec())).collect(),
        (0..70_000u32).map(|i| (i.to_be_bytes().to_vec(), vec![7; 3])).collect(),
        // All of them tie, at many depths.
        (0..70_000u32)
            .map(|i| (format!("{i:08b}").replace('1', "1====").into_bytes(), vec![]))
            .collect(),
        // Prefixes of one key.
        (0..1500).map(|len| (vec![0xFF; len], vec![])).collect(),
        // Only the last byte of 64 KiB differs.
        (0..200u8).map(|i| ([vec![b'k'; 65_535], vec![i]].concat(), vec![i; 9])).collect(),
        // Entries longer than a buffer, and a key of the greatest length.
        (0..5u8).map(|i| (vec![i; 300_000 * usize::from(i)], vec![i; 700_000])).take(4).collect(),
        [(vec![1; MAX_KEY_LEN], vec![2; 10]), (vec![1; MAX_KEY_LEN - 1], vec![])].into(),
        Model::new(),
    ]
}

#[test]
fn large_maps_give_the_same_bytes() {
    large().iter().for_each(agree);
}

#[test]
fn a_push_out_of_order_changes_nothing() {
    let mut builder = StreamBuilder::new(Cursor::new(Vec::new())).unwrap();
    builder.push("b", "1").unwrap();
    for key in ["a", "b"] {
        let error = builder.push(key, "2").unwrap_err();
        assert!(matches!(error, StreamError::Build(BuildError::NotSorted { index: 1, .. })));
    }
    let long = builder.push(vec![b'c'; MAX_KEY_LEN + 1], "").unwrap_err();
    assert!(matches!(long, StreamError::Build(BuildError::KeyTooLong { .. })));
    builder.push("c", "3").unwrap();
    let expected = built(
        &[("b", "1"), ("c", "3")].map(|(k, v)| (k.into(), v.into())).into(),
        FreezeOptions::default(),
    );
    assert_eq!(builder.finish().unwrap().into_inner(), *expected);
}

/// A stream in which some calls fail: those whose number `fails` accepts. A write that fails has
/// written half of the bytes.
struct Faulty<F> {
    inner: Cursor<Vec<u8>>,
    calls: u32,
    fails: F,
}

impl<F: Fn(u32) -> bool> Faulty<F> {
    fn new(fails: F) -> Self {
        Self { inner: Cursor::new(Vec::new()), calls: 0, fails }
    }

    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if (self.fails)(self.calls) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl<F: Fn(u32) -> bool> Write for Faulty<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.call() {
            self.inner.write_all(bytes.split_at(bytes.len() / 2).0)?;
            return Err(error);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call()
    }
}

impl<F: Fn(u32) -> bool> Read for Faulty<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.call()?;
        self.inner.read(bytes)
    }
}

impl<F: Fn(u32) -> bool> Seek for Faulty<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.call()?;
        self.inner.seek(to)
    }
}

#[test]
fn whichever_call_fails_the_error_says_so_and_there_is_no_image() {
    let model: Model =
        (0..60_000u32).map(|i| (format!("key {i:06}").into_bytes(), vec![1; 9])).collect();
    let mut whole = Faulty::new(|_| false);
    streamed(&mut whole, &model, FreezeOptions::default()).unwrap();
    assert!(whole.calls > 20, "{}", whole.calls);
    // Those at the beginning and at the end differ; those between are alike.
    let step = if std::env::var_os("SHMAP_FULL").is_some() { 1 } else { (whole.calls / 3).max(1) };
    let is_chosen = |call: &u32| *call <= 3 || call + 4 > whole.calls || call.is_multiple_of(step);
    for first in (1..=whole.calls).filter(is_chosen) {
        // From this call on, every call fails.
        let mut stream = Faulty::new(|call| call >= first);
        let error = streamed(&mut stream, &model, FreezeOptions::default()).err().unwrap();
        let is_said = matches!(error, StreamError::Write(_) | StreamError::Read(_));
        assert!(is_said, "{first}: {error:?}");
        let bytes = stream.inner.into_inner();
        // The last calls come after the header: the image is whole, but the caller was not told.
        if first + 2 <= whole.calls {
            let head = &bytes[..HEADER_LEN.min(bytes.len())];
            assert!(Snapshot::new(&bytes).is_err() && head.iter().skip(32).all(|b| *b == 0));
        }
    }
}

#[test]
fn a_push_that_failed_can_be_repeated() {
    let model: Model =
        (0..60_000u32).map(|i| (format!("key {i:06}").into_bytes(), vec![1; 9])).collect();
    let image = built(&model, FreezeOptions::default());
    // The calls up to the first block that is read back belong to pushes.
    for failing in 4..9 {
        let mut stream = Faulty::new(|call| call == failing);
        match streamed(&mut stream, &model, FreezeOptions::default()) {
            Ok(_) => assert!(stream.inner.into_inner() == *image, "{failing}"),
            Err(error) => assert!(failing > 7, "{failing}: {error:?}"),
        }
    }
}

#[test]
fn a_dropped_builder_leaves_no_image() {
    let mut stream = Cursor::new(Vec::new());
    let mut builder = StreamBuilder::new(&mut stream).unwrap();
    for i in 0..100_000u32 {
        builder.push(i.to_be_bytes(), "value").unwrap();
    }
    drop(builder);
    assert!(stream.get_ref().len() > HEADER_LEN);
    assert!(Snapshot::new(stream.get_ref()).is_err());
}
