//! Who writes to the table.

use super::handle::{Access, Table};
use crate::key::Key;

/// A thread that writes, or has written, to a table. See [`Table::writers`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableWriter {
    /// Its process, as the pid namespace of the table's writers numbers it.
    pub pid: u32,
    /// The thread, in the same way.
    pub tid: u32,
    /// True if the thread is registered as a writer at this moment. Otherwise it has ended, or has
    /// closed the table.
    pub is_alive: bool,
    /// The command that the process of a living thread runs (at most 15 bytes of its name), if
    /// `/proc` tells. `None` for a thread that has ended or that belongs to another pid namespace.
    pub command: Option<String>,
    /// The number of writes of present keys without the lock that were counted in its record. The
    /// record may have counted those of earlier threads, too, because a new writer takes over the
    /// record of one that has ended.
    pub writes: u64,
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Returns the threads that are registered as writers of the table, and those that were, as
    /// long as nobody has taken over their records. O(number of records), and reads `/proc` for
    /// each living writer.
    ///
    /// A thread registers with its first write, unless all records are in use. A handle that has
    /// not written yet is not listed. Each record is whole, but they are of different moments.
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{Table, TableOptions};
    /// # let dir = std::env::temp_dir().join(format!("writers-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// let jobs = Table::<str>::create(&namespace, &name, &TableOptions::default())?;
    /// jobs.add("fetch", b"queued")?;
    /// jobs.update("fetch", b"running")?;
    /// let writers = jobs.writers();
    /// assert_eq!(writers[0].pid, std::process::id());
    /// assert!(writers[0].is_alive);
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn writers(&self) -> Vec<TableWriter> {
        let segment = self.segment();
        let records = segment.writers().into_iter();
        let writer = |record: shm_core::WriterRecord| {
            let holder = segment.holder_of(record.id);
            let command = holder.filter(|_| record.is_alive).and_then(|holder| holder.command);
            let shm_core::WriterRecord { pid, tid, is_alive, writes, .. } = record;
            TableWriter { pid, tid, is_alive, command, writes }
        };
        records.map(writer).collect()
    }
}
