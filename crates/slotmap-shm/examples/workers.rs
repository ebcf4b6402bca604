//! Writes to a table and reads it as another process would:
//!
//! ```sh
//! cargo run -p slotmap-shm --example workers
//! ```

use slotmap_shm::{Name, Namespace, ReadOptions, Table, TableOptions, TableReader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::from_env(); // /dev/shm, or $SHMAP_DIR
    let name = Name::new("workers-by-name")?;
    let table = Table::<str>::open_or_create(&namespace, &name, &TableOptions::default())?;
    table.upsert("resize", b"running")?;
    let starts = table.increment("starts", 1, 0)?; // 0 is what a new counter begins with

    // In any other process. A read-only mapping is enough.
    let reader = TableReader::<str>::open_read_only(&namespace, &name, &ReadOptions::default())?;
    assert_eq!(reader.get("resize")?.as_deref(), Some(&b"running"[..]));
    println!("started {starts} times");
    Ok(())
}
