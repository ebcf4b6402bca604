//! Atomic creation: a name never leads to a half-built segment.
//!
//! The file is built without a name (`O_TMPFILE`), and `linkat` publishes it as
//! the last step. Where the file system has no `O_TMPFILE`, it is built under a
//! random temporary name and renamed with `RENAME_NOREPLACE`.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use super::draft::Draft;
use super::layout::{BODY_OFFSET, Header, SESSION_OFFSET, Session, total_len};
use super::map::Mapping;
use super::options::CreateOptions;
use super::segment::{Segment, WritableSegment};
use super::space::{allocate_new, check_free_space};
use crate::error::CreateError;
use crate::name::Name;
use crate::namespace::Namespace;
use crate::os::alive::{self, Hold};
use crate::os::identity;
use crate::refused;
use crate::sync::Words;

impl Namespace {
    /// Creates a segment: allocates and initialises it, then publishes the name.
    ///
    /// `init` gets the body, all zeros, before anybody else can see it. A process killed at any
    /// instruction of this call leaves either nothing or the whole segment at the name. On a file
    /// system without unnamed files (`O_TMPFILE`) the process may also leave a temporary file,
    /// `.shmap-tmp-…`, which is no segment.
    ///
    /// # Errors
    /// - [`CreateError::AlreadyExists`] if the name is taken. Nothing was changed.
    /// - [`CreateError::NoSpace`], [`CreateError::NoMemory`], [`CreateError::FileSizeLimit`] and
    ///   the like if a limit was reached; the error names it. Nothing was allocated.
    /// - [`CreateError::BadMode`] and [`CreateError::BadLength`] for invalid options.
    /// - [`CreateError::Io`] for everything else.
    pub fn create(
        &self,
        name: &Name,
        options: &CreateOptions,
        init: impl FnOnce(Words<'_>),
    ) -> Result<WritableSegment, CreateError> {
        let dir = self.dir();
        let path = self.path_of(name, options.kind);
        options.possible_mode()?;
        let total_len = total_len(options.body_len, options.writers)?;
        // Cheaper than building the file first; `publish` decides.
        if path.symlink_metadata().is_ok() {
            return Err(CreateError::AlreadyExists { path });
        }
        let draft = Draft::new(dir)?;
        let parts = options.parts(total_len);
        let needed = parts.iter().map(|part| part.end.saturating_sub(part.start)).sum();
        refused::check_file_size(total_len, dir)?;
        check_free_space(draft.file(), needed, dir)?;
        allocate_new(draft.file(), total_len, &parts)
            .map_err(|e| refused::creating("allocate a segment in", e.into(), needed, dir))?;
        let io = |action| move |source| refused::creating(action, source, BODY_OFFSET as u64, dir);
        let header = Header::new(
            (options.kind, options.kind_version),
            options.geometry,
            (identity::abi(), options.writers),
            total_len,
        )
        .map_err(io("draw an id for a segment in"))?
        .with_holes(total_len.saturating_sub(needed));
        let meta = draft.file().metadata().map_err(io("stat a new file in"))?;
        let session =
            Session::current(meta.dev(), meta.ino()).map_err(io("identify the process for"))?;

        let map = Mapping::new(draft.file(), &header, true).map_err(io("map a new segment in"))?;
        if options.allocated.is_none() {
            // They would fill the holes.
            map.use_huge_pages();
        }
        init(Words::new(map.body()));
        // A lock that nobody holds, and records that nobody has used, are all zeros.
        write_page(draft.file(), &header, &session).map_err(io("write a new segment in"))?;
        draft
            .file()
            .set_permissions(Permissions::from_mode(options.mode))
            .map_err(io("set the mode of a new segment in"))?;
        // Nobody else has the file yet, so this succeeds.
        alive::try_hold(draft.file(), Hold::Shared).map_err(io("lock a new segment in"))?;
        let file = draft.publish(&path)?;
        Ok(WritableSegment::new(Segment::new(map, header, file, path)))
    }
}

fn write_page(file: &File, header: &Header, session: &Session) -> io::Result<()> {
    file.write_all_at(bytemuck::bytes_of(session), SESSION_OFFSET as u64)?;
    file.write_all_at(bytemuck::bytes_of(header), 0)
}
