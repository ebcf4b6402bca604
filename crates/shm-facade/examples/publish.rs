//! Writes to a status table, and publishes a dictionary under the name `routes`:
//!
//! ```sh
//! cargo run -p shm-facade --example publish
//! ```

use shm_facade::{InPlace, RbTree, Share, ShareOptions, SharedMap, StatusTable};

// SAFETY: only our own programs publish in this namespace, and they use this library.
const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Live status: any process writes, every process reads.
    let table = StatusTable::open_or_create("workers")?; // in /dev/shm or $SHMAP_DIR (must exist)
    table.upsert(3325, "running")?;
    assert_eq!(table.get(3325)?.as_deref(), Some(&b"running"[..]));

    // A dictionary that changes as a whole. Its readers keep the edition that they have open.
    let mut tree = RbTree::new();
    tree.set("/users", "10.0.0.7:80")?;
    tree.set("/orders", "10.0.0.8:80")?;
    let edition = tree.share_with("routes", &ShareOptions::default().force(true))?;

    // In any other process: in place, without a copy.
    let routes = SharedMap::open("routes", IN_PLACE)?;
    assert_eq!(routes.get("/users"), Some(&b"10.0.0.7:80"[..]));
    println!("edition {edition} has {} routes", routes.len());
    Ok(()) // `SharedMap::remove("routes")` and `table.unlink()` remove them
}
