//! The image: all bytes of a snapshot. This folder defines the layout of an image, and writes,
//! reads and verifies images.
//!
//! What the rest of the crate may use is exported here. Nothing in this folder depends on how a
//! search works or what a map is. From the rest of the crate, this folder imports only
//! [`error`](crate::error), [`grow`](crate::grow) and [`aligned`](crate::aligned). Files import
//! only files that are further down in this list:
//!
//! ```text
//!  stream
//!  write   verify
//!  unit  ties  hash_index
//!     derive
//!       raw
//!  layout   node
//!  shape     sse2  neon  scalar
//! ```

mod derive;
mod hash_index;
mod layout;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
mod neon;
mod node;
mod raw;
mod scalar;
mod shape;
#[cfg(target_feature = "sse2")]
mod sse2;
mod stream;
mod ties;
mod unit;
mod verify;
mod write;

#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
use neon as vector;
#[cfg(not(any(
    target_feature = "sse2",
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
)))]
use scalar as vector;
#[cfg(target_feature = "sse2")]
use sse2 as vector;

pub use layout::{
    FORMAT_VERSION, HEADER_LEN, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, image_entries, image_len,
};
pub use write::FreezeOptions;

pub(crate) use hash_index::{COMPARED, Cell, Probe};
pub(crate) use layout::{CACHE_LINE, Header, Layout, SLOT_LEN, TIE_LEN, pack, unpack};
pub(crate) use node::{Query, fork, shared};
pub(crate) use raw::{Entry, Raw};
#[cfg(any(test, fuzzing))]
pub(crate) use scalar::IS_USED as SCALAR_IS_USED;
pub(crate) use shape::{Spot, Tier};
pub(crate) use stream::StreamWriter;
pub(crate) use ties::{GROUPS, Next};
pub(crate) use unit::CachedUnit;
pub(crate) use verify::verify;
pub(crate) use write::{Writer, least_image_len, room_for};
