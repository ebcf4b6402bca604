#![doc = include_str!("../README.md")]
//!
//! ## A tour of the types
//!
//! - [`Name`] is a checked name, and [`Namespace`] is a directory of segments.
//! - [`Namespace::create`], [`open`](Namespace::open),
//!   [`open_or_create`](Namespace::open_or_create) and
//!   [`open_read_only`](Namespace::open_read_only) return segments. Anything else at a name (a
//!   FIFO, a symlink, a truncated or foreign file) is a typed error.
//! - [`Segment`] and [`WritableSegment`] are a mapping and its checked header.
//! - [`Acquired`], [`Guard`] and [`Recovery`] belong to the lock of a segment. If a
//!   holder dies, at whatever instruction, the next holder gets a [`Recovery`] and must repair the
//!   data before it may write.
//! - [`Writer`] is a thread that is registered in the segment
//!   ([`CreateOptions::writers`]), so that other processes notice its death
//!   ([`Segment::is_writer_dead`]).
//! - [`Words`] and [`ReadWords`] are views of the shared bytes. They offer atomic words and nothing
//!   else.
//! - [`Namespace::publish`], [`remove_published`](Namespace::remove_published) and
//!   [`follow`](Namespace::follow) handle whole files, which never change but are replaced in one
//!   step. [`Published`] gives access to the bytes of such a file in place, and a [`Follower`]
//!   notices a newer file. [`Namespace::prune`] removes what killed processes left behind.

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
pub use os::clock::since_boot;
pub use os::descriptor::LostDescriptor;
#[doc(hidden)]
pub use os::fork::process_token;
pub use os::holder::Holder;
pub use os::identity::boot_id;
pub use os::limits::Limit;
pub use os::random::random;
pub use publication::body::DraftBody;
pub use publication::copy::CopySource;
pub use publication::follow::{Follower, Seen};
pub use publication::in_place::InPlace;
pub use publication::options::{PublishOptions, PublishedKind};
pub use publication::prune::{Litter, Pruned};
pub use publication::published::{MappedFile, Published};
pub use publication::remove::Removal;
pub use publication::write_file::{write_file, write_file_with};
pub use segment::guard::{Acquired, Guard, Recovery};
pub use segment::layout::{BODY_OFFSET, FORMAT_VERSION, GEOMETRY_WORDS, MAX_WRITERS, body_offset};
pub use segment::options::CreateOptions;
pub use segment::patience::{Interrupt, Patience};
pub use segment::records::WriterId;
pub use segment::segment::{Segment, WritableSegment};
pub use segment::trust::Trust;
pub use segment::writer::{Writer, WriterRecord};
#[cfg(loom)]
pub use sync::crash;
pub use sync::{Ordering, ReadWords, Word, Words, fence};
