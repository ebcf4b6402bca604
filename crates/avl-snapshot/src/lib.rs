//! The place of the snapshot: an ordered dictionary, built in a red-black tree, laid out as a
//! perfect AVL block and read in place over any `AsRef<[u8]>`.
//!
//! Nothing is here yet. The crate stands in the workspace because the layering does: it will
//! import no other crate of the project, and `shm-facade` will join it to `shm-core`.

#![forbid(unsafe_code)]
