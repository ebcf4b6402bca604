//! One table per process and name, as the original's singleton.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::error::Error;
use crate::status_table::{StatusOptions, StatusTable};

type Instances = Mutex<HashMap<(PathBuf, String), Weak<StatusTable>>>;

/// The living instance of `name`, or a new one. One that was orphaned (its name
/// unlinked or replaced) is not handed out again.
pub(crate) fn instance(name: &str, options: &StatusOptions) -> Result<Arc<StatusTable>, Error> {
    static INSTANCES: OnceLock<Instances> = OnceLock::new();
    let key = (options.namespace.dir().to_owned(), name.to_owned());
    let instances = INSTANCES.get_or_init(Mutex::default);
    // The map is whole after a panic: each entry is inserted by one call.
    let mut instances = instances.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(table) = instances.get(&key).and_then(Weak::upgrade)
        && !table.is_orphaned()?
    {
        return Ok(table);
    }
    instances.retain(|_, table| table.strong_count() > 0);
    let table = Arc::new(StatusTable::open_or_create_with(name, options)?);
    instances.insert(key, Arc::downgrade(&table));
    Ok(table)
}
