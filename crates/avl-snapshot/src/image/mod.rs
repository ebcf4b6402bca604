//! The image: all bytes of a snapshot. This folder defines the layout of an image, and writes,
//! reads and verifies images.
//!
//! What the rest of the crate may use is exported here. Nothing in this folder depends on how a
//! search works or what a map is. From the rest of the crate, this folder imports only
//! [`error`](crate::error), [`grow`](crate::grow) and [`aligned`](crate::aligned). Files import
//! only files that are further down in this list:
//!
//! ```text
//! write   verify
//!    derive   hash_index
//!       raw
//!  layout   node
//!  shape     sse2
//! ```

mod derive;
mod hash_index;
mod layout;
mod node;
mod raw;
mod shape;
#[cfg(target_feature = "sse2")]
mod sse2;
mod verify;
mod write;

pub use layout::{
    FORMAT_VERSION, HEADER_LEN, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, image_entries, image_len,
};
pub use write::FreezeOptions;

pub(crate) use derive::shared;
pub(crate) use hash_index::{COMPARED, Cell, Probe};
pub(crate) use layout::{CACHE_LINE, ENTRY_LEN, Header, Layout, pack, unpack};
pub(crate) use node::Query;
pub(crate) use raw::{Entry, Raw};
pub(crate) use shape::Tier;
pub(crate) use verify::verify;
pub(crate) use write::{Writer, room_for};
