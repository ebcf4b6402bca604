//! Looks up keys in the file of a snapshot, with `avl-snapshot` alone:
//!
//! ```sh
//! cargo run -p shm-facade --example publish
//! cargo run -p avl-snapshot --example read -- /dev/shm/shmap.routes.snapshot /users
//! ```
//!
//! It reads the file into private memory, which is safe whoever may write to the file. To read in
//! place, from a mapping, take `shm_facade::SharedMap::open`, or `shm_core::MappedFile` for a bare
//! image: they ask for a promise that the file does not change.

use avl_snapshot::{AlignedBytes, Snapshot};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: read FILE KEY...")?;
    let file = std::fs::read(&path).map_err(|e| format!("cannot read {path}: {e}"))?;
    // A published file has a page of its own before the image. A saved one is a bare image.
    let is_published = file.starts_with(b"SHMAPSEG");
    let image = if is_published { file.get(4096..).unwrap_or_default() } else { &file };

    // Any `AsRef<[u8]>` would do. Aligned to cache lines, lookups are faster.
    let snapshot = Snapshot::new(AlignedBytes::from(image))?;
    snapshot.verify()?; // reads all of it once; without, a damaged file may give wrong answers
    for key in arguments {
        let value = snapshot.get(&key).ok_or_else(|| format!("there is no {key:?} in {path}"))?;
        println!("{key}\t{}", String::from_utf8_lossy(value));
    }
    Ok(())
}
