//! `shm-peer-subetha DIR create|open`: a worker process of the benchmarks that reads and writes a
//! `SharedHashMap` of subetha-cxc. Its writers claim a slot at a time. A writer that is killed in
//! a write leaves the slot claimed: whoever wants its key spins for ever.

#![forbid(unsafe_code)]

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use shm_bench_common::workload::{CAPACITY, SHORT, VALUE_SIZE};
use shm_bench_common::{Store, worker};
use subetha_cxc::SharedHashMap;

/// At most half full, as its documentation recommends.
const SLOTS: usize = 2 * CAPACITY;

/// A value has a fixed size of at most 48 bytes less those of the key.
struct Peer(SharedHashMap<i32, [u8; SHORT]>);

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().context("usage: shm-peer-subetha DIR create|open")?;
    let created = arguments.next().context("create or open")? == "create";
    let path = Path::new(&dir).join("map");
    let map =
        if created { SharedHashMap::create(path, SLOTS) } else { SharedHashMap::open(path, SLOTS) };
    let peer = Peer(map.map_err(|error| anyhow!("{error:?}"))?);
    if created {
        worker::fill(&peer)?;
    }
    worker::serve(&peer)
}

impl Store for Peer {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        let value = self.0.get(&key)?;
        buffer.get_mut(..SHORT)?.copy_from_slice(&value);
        Some(SHORT)
    }

    #[inline]
    fn upsert(&self, key: i32, value: &[u8]) -> bool {
        value.try_into().is_ok_and(|value| self.0.insert(key, value).is_ok())
    }
}
