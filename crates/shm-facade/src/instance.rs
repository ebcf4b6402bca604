//! One table per process and name, like the singleton of the original C++ class.
//!
//! The registry is locked only for a few instructions: no thread opens a table, waits or calls user
//! code while it holds the lock. If a child is forked while another thread holds the lock, the
//! child finds it locked for ever. So a process takes a registry over from its parent only if no
//! thread held the lock at the fork.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

use shm_core::process_token;
use slotmap_shm::TableOpenError;

use crate::error::Error;
use crate::status_options::StatusOptions;
use crate::status_table::StatusTable;

type Instances = BTreeMap<(PathBuf, String), Weak<StatusTable>>;

/// The instances of a process.
struct Registry {
    /// The process that has claimed this registry. One thread of that process decides whether the
    /// process can use the registry.
    claimed: AtomicU64,
    /// The process that owns this registry. If that process found the registry locked, see
    /// [`LOST`].
    owner: AtomicU64,
    instances: Mutex<Instances>,
}

/// The lowest bit, which is set in every process token. If it is clear in `owner`, the process with
/// that token cannot use the registry.
const LOST: u64 = 1;

impl Registry {
    const fn new() -> Self {
        let (claimed, owner) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { claimed, owner, instances: Mutex::new(BTreeMap::new()) }
    }

    /// Locks and returns the instances, if this is the registry of process `me`.
    fn lock(&self, me: u64) -> Option<MutexGuard<'_, Instances>> {
        loop {
            // Acquire: pairs with the store below; the registry was free then.
            match self.owner.load(Ordering::Acquire) {
                // The map is whole after a panic: each entry is inserted by one call.
                owner if owner == me => {
                    return Some(self.instances.lock().unwrap_or_else(PoisonError::into_inner));
                }
                owner if owner == me ^ LOST => return None,
                _ => {}
            }
            let before = self.claimed.swap(me, Ordering::AcqRel);
            if before == me {
                // Another thread is deciding, which takes a few instructions.
                std::thread::yield_now();
                continue;
            }
            let lost = matches!(self.instances.try_lock(), Err(TryLockError::WouldBlock));
            // Release: pairs with the load above.
            self.owner.store(if lost { me ^ LOST } else { me }, Ordering::Release);
        }
    }
}

/// The registries. A child loses one if the process forks during the few instructions for which
/// another thread holds the lock.
static REGISTRIES: [Registry; 8] = [const { Registry::new() }; 8];

/// Runs `f` on the instances of this process. Returns `None` if every registry was lost in the
/// forks that led to this process.
fn with<R>(f: impl FnOnce(&mut Instances) -> R) -> Option<R> {
    let me = process_token();
    let mut instances = REGISTRIES.iter().find_map(|registry| registry.lock(me))?;
    Some(f(&mut instances))
}

impl StatusTable {
    /// Returns the table of this name in this process. The first call opens or creates the table.
    /// Later calls share it as long as anybody holds it. This is `getInstance` of the original.
    ///
    /// An existing instance is returned whatever its options. A table that exists already but has
    /// no instance in this process must have the default sizes, and no expiry or eviction. An
    /// instance is identified by its name and the path of its namespace, as written. If the file of
    /// an instance was unlinked or replaced, the table is opened or created again.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use shm_facade::StatusTable;
    /// # use shm_facade::{Namespace, StatusOptions};
    /// # let dir = std::env::temp_dir().join(format!("instance-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let options = StatusOptions::default().namespace(Namespace::at(&dir));
    /// # let _ = || -> Result<_, shm_facade::Error> {
    /// let table = StatusTable::instance("workers")?;
    /// # Ok(table) };
    /// # let table = StatusTable::instance_with("workers", &options)?;
    /// # let same = StatusTable::instance_with("workers", &options)?;
    /// # let _ = || -> Result<_, shm_facade::Error> {
    /// let same = StatusTable::instance("workers")?;
    /// # Ok(same) };
    /// assert!(Arc::ptr_eq(&table, &same));
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Create`], [`Error::OpenTable`], [`Error::Name`].
    pub fn instance(name: &str) -> Result<Arc<Self>, Error> {
        instance(name, &StatusOptions::default(), false)
    }

    /// Like [`StatusTable::instance`], but with the sizes, the expiry and the eviction in
    /// `options`. The other options matter only in the first call for a name.
    ///
    /// # Errors
    /// [`Error::OpenTable`], with `TableOpenError::GeometryMismatch` if there is an instance or a
    /// table with other sizes, and with `ExpiryMismatch` or `EvictionMismatch` if its entries
    /// expire or are evicted in another way; [`Error::Name`].
    pub fn instance_with(name: &str, options: &StatusOptions) -> Result<Arc<Self>, Error> {
        instance(name, options, true)
    }
}

/// Returns the living instance of `name`, or creates one. An instance is not returned again once it
/// is orphaned, that is, once its name was unlinked or replaced. With `sized`, the instance must
/// have the sizes, the expiry and the eviction in `options`.
fn instance(name: &str, options: &StatusOptions, sized: bool) -> Result<Arc<StatusTable>, Error> {
    let key = (options.namespace.dir().to_owned(), name.to_owned());
    let living = with(|instances| instances.get(&key).and_then(Weak::upgrade)).flatten();
    if let Some(table) = &living
        && !table.is_orphaned()?
    {
        check_sizes(table, options, sized)?;
        return Ok(table.clone());
    }
    let new = Arc::new(StatusTable::open_or_create_with(name, options)?);
    let registered = with(|instances| {
        let other = instances.get(&key).and_then(Weak::upgrade);
        let is_orphan = |other: &Arc<_>| living.as_ref().is_some_and(|old| Arc::ptr_eq(old, other));
        // Another thread was first.
        if let Some(first) = other.filter(|other| !is_orphan(other)) {
            return first;
        }
        instances.retain(|_, table| table.strong_count() > 0);
        instances.insert(key, Arc::downgrade(&new));
        new.clone()
    });
    let table = registered.unwrap_or(new);
    check_sizes(&table, options, sized)?;
    Ok(table)
}

fn check_sizes(table: &StatusTable, options: &StatusOptions, sized: bool) -> Result<(), Error> {
    if !sized {
        return Ok(());
    }
    let found = table.geometry();
    let path = || table.table().segment().path().to_owned();
    if found.expiry != options.expiry {
        let (path, found, expected) = (path(), found.expiry, options.expiry);
        return Err(TableOpenError::ExpiryMismatch { path, found, expected }.into());
    }
    if found.eviction != options.eviction {
        let (path, found, expected) = (path(), found.eviction, options.eviction);
        return Err(TableOpenError::EvictionMismatch { path, found, expected }.into());
    }
    let sizes = [
        ("capacity", found.capacity, options.capacity),
        (
            "max_capacity",
            found.max_capacity.unwrap_or(found.capacity),
            options.max_capacity.unwrap_or(options.capacity),
        ),
        ("value_size", found.value_size, options.value_size),
    ];
    match sizes.into_iter().find(|(_, found, asked)| found != asked) {
        None => Ok(()),
        Some((what, found, expected)) => Err(Error::OpenTable(TableOpenError::GeometryMismatch {
            path: path(),
            what,
            found: found as u64,
            expected: expected as u64,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_was_locked_at_the_fork_is_left_alone() {
        let (parent, child) = (2 * 17 + 1, 2 * 19 + 1);
        let registry = Registry::new();
        let held = registry.lock(parent).unwrap();
        // This is what the child sees. It does not wait for a thread that it does not have.
        assert!(registry.lock(child).is_none() && registry.lock(child).is_none());
        drop(held);
        // A child of another fork, when nobody had it.
        drop(registry.lock(2 * 23 + 1).unwrap());
        drop(registry.lock(2 * 23 + 1).unwrap());
    }
}
