//! Counts how often it ran, however many run at once and whichever of them are killed:
//!
//! ```sh
//! cargo run -p shm-core --example counter
//! ```

use shm_core::{CreateOptions, Kind, Name, Namespace, Ordering, Patience, Trust};

const COUNTER: Kind = Kind::new("counter"); // 1 to 8 lower-case ASCII letters

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::from_env(); // /dev/shm, or $SHMAP_DIR
    let name = Name::new("visits")?;
    let options = CreateOptions::new(COUNTER, 1, 8); // a body of one word
    // The first one fills a new segment, which has no name before it is whole.
    let (trust, patience) = (Trust::new(), Patience::forever());
    let segment = namespace.open_or_create(&name, &options, &trust, &patience, |_| {})?;

    // If the last owner died: one word is never half-written, so there is nothing to repair.
    let guard = segment.lock_or_repair(&patience, |_| {})?;
    let words = guard.words()?;
    let visits = words.load(0, Ordering::Relaxed) + 1;
    words.store(0, visits, Ordering::Release);
    drop(guard);

    println!("visit {visits}"); // readers take no lock: segment.words().load(0, Ordering::Acquire)
    Ok(())
}
