//! Named shared-memory segments for Linux. `slotmap-shm` and `shm-facade` are built on this crate,
//! and it can be used alone.
//!
//! # A tour of types
//! - [`Name`]: a checked name. [`Namespace`]: a directory of segments.
//! - [`Namespace::create`], [`open`](Namespace::open),
//!   [`open_or_create`](Namespace::open_or_create), [`open_read_only`](Namespace::open_read_only):
//!   a name never leads to a half-built segment, and whatever else is found at a name (a FIFO, a
//!   symlink, a truncated or foreign file) is a typed error.
//! - [`Segment`] (readable) and [`WritableSegment`]: a mapping and its checked header.
//! - [`Acquired`], [`Guard`], [`Recovery`]: the robust process-shared mutex. If an owner dies, at
//!   any instruction, the next one is told, and must repair before it may write.
//! - [`Namespace::publish`], [`remove_published`](Namespace::remove_published),
//!   [`follow`](Namespace::follow): whole files that never change, replaced in one step;
//!   [`Published`]: their bytes, in place; [`Follower`]: notices that there is a newer file.
//!   [`Namespace::prune`] removes what killed processes left.
//! - [`ReadWords`], [`Words`]: the shared bytes, as atomic words and nothing else.
//!
//! # Example
//! ```
//! use shm_core::{
//!     Acquired, CreateOptions, Kind, LockError, Name, Namespace, Ordering, Patience, Trust,
//! };
//!
//! const COUNTER: Kind = Kind::new("counter");
//! let options = CreateOptions::new(COUNTER, 1, 8);
//! # let dir = std::env::temp_dir().join(format!("shm-core-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! let namespace = Namespace::at(&dir); // or Namespace::from_env()
//! let name = Name::new("visits")?;
//! let segment =
//!     namespace.open_or_create(&name, &options, &Trust::new(), &Patience::forever(), |_| {})?;
//!
//! let guard = match segment.lock()? {
//!     Acquired::Clean(guard) => guard,
//!     // One word is never half-written: there is nothing to repair.
//!     Acquired::OwnerDied(recovery) => recovery.repair(|_| Ok::<(), LockError>(()))?,
//! };
//! let words = guard.words()?;
//! words.store(0, words.load(0, Ordering::Relaxed) + 1, Ordering::Release);
//! drop(guard);
//! assert_eq!(segment.words().load(0, Ordering::Acquire), 1);
//! namespace.unlink(&name, COUNTER)?;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it cannot do
//! It does not protect writers from each other: whoever may write to a segment
//! is trusted (see `SECURITY.md`). It does not survive power loss: a namespace on
//! a disk outlives an orderly reboot, not a torn page.

#![deny(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("segments are mapped whole and counted in 64-bit words: 64-bit targets only");

#[cfg(not(target_os = "linux"))]
compile_error!("robust mutexes, futexes, O_TMPFILE and open file description locks: Linux only");

mod error;
mod name;
mod namespace;
mod os;
mod publication;
mod refused;
mod sabotage;
mod segment;
mod sync;

pub use error::{
    CreateError, FileKind, HeaderError, IoError, LockError, OpenError, PublishError, Report, report,
};
pub use name::{InvalidName, Name};
pub use namespace::{Entry, Kind, Namespace};
pub use os::descriptor::LostDescriptor;
#[doc(hidden)]
pub use os::fork::process_token;
pub use os::holder::Holder;
pub use os::limits::Limit;
pub use os::random::random;
pub use publication::copy::CopySource;
pub use publication::follow::{Follower, Seen};
pub use publication::options::{PublishOptions, PublishedKind};
pub use publication::prune::{Litter, Pruned};
pub use publication::published::{MappedFile, Published};
pub use publication::remove::Removal;
pub use publication::write_file::write_file;
pub use segment::guard::{Acquired, Guard, Recovery};
pub use segment::layout::{BODY_OFFSET, FORMAT_VERSION, GEOMETRY_WORDS};
pub use segment::options::CreateOptions;
pub use segment::patience::{Interrupt, Patience};
pub use segment::segment::{Segment, WritableSegment};
pub use segment::trust::Trust;
#[cfg(loom)]
pub use sync::crash;
pub use sync::{Ordering, ReadWords, Word, Words, fence};
