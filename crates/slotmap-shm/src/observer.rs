//! Events that a handle reports while it works, for logs and traces.

use std::fmt;
use std::sync::Arc;

use crate::any_key::AnyKey;
use crate::value::Value;

/// An event that happened during a call of a handle that may write. The call continues.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another writer holds the lock: the call begins to wait.
    Waiting,
    /// The table was repaired, because the last owner of the lock died or because the table was
    /// found damaged.
    Repaired {
        /// Number of damaged slots, which held something that no writer stores. They are free now.
        slots: usize,
        /// Number of these slots that held an entry, as far as the index and the count of entries
        /// tell.
        entries: usize,
    },
    /// An entry was removed to make room for the one that the call adds. See
    /// [`Eviction`](crate::Eviction).
    Evicted {
        /// The key of the entry.
        key: AnyKey,
        /// Its value.
        value: Value,
    },
}

/// A function that a handle calls with each [`Event`]. It may log the event or open a span.
///
/// The function runs in the thread of the call, while no lock is held. It must not use the handle
/// that it observes, because a call that waits would call the function again. A handle without an
/// observer does no extra work. With an observer, only calls that wait, repair or evict take
/// longer.
///
/// ```
/// use slotmap_shm::{Event, Observer, TableOptions};
///
/// let observer = Observer::new(|event| match event {
///     Event::Repaired { entries, .. } => eprintln!("repaired; {entries} entries are lost"),
///     other => eprintln!("{other:?}"),
/// });
/// let options = TableOptions::default().observer(observer);
/// # drop(options);
/// ```
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Observe>>);

type Observe = dyn Fn(&Event) + Send + Sync;

impl Observer {
    /// Calls `observe` with each event.
    #[must_use]
    pub fn new(observe: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(observe) = &self.0 {
            observe(&event);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "Observer(..)" } else { "Observer(none)" })
    }
}
