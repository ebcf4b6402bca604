//! Tells a function of the caller's which entries a call has evicted.
//!
//! A table tells its observer in the middle of a call, without the interpreter. So what was evicted
//! is kept until the call is over. Then the function is called. It may use the table.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use slotmap_shm::{AnyKey, Event, KeyKind, Observer, Value};

use super::key::PyKey;
use crate::refusal::Refusal;

thread_local! {
    /// What the call of this thread has evicted. Empty between calls.
    static EVICTED: RefCell<Vec<(AnyKey, Value)>> = const { RefCell::new(Vec::new()) };
}

/// The observer of a table with such a function.
pub(super) fn observer() -> Observer {
    Observer::new(|event| {
        if let Event::Evicted { key, value } = event {
            EVICTED.with_borrow_mut(|evicted| evicted.push((key.clone(), value.clone())));
        }
    })
}

/// Checks the argument `on_evict`.
pub(super) fn function(on_evict: Option<Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    match on_evict {
        Some(other) if !other.is_callable() => {
            Err(Refusal::Type("a function of a key and a value").of_argument("on_evict", &other))
        }
        function => Ok(function.map(Bound::unbind)),
    }
}

/// Calls the function for each entry that a call has evicted, and returns what came of the call. If
/// the function raises an exception, this returns the first one, after all entries were told.
pub(super) fn tell<T>(
    py: Python<'_>,
    function: &Py<PyAny>,
    kind: KeyKind,
    done: PyResult<T>,
) -> PyResult<T> {
    let (function, mut raised) = (function.bind(py), None);
    for (key, value) in EVICTED.take() {
        let key = AnyKey::give(kind, key, py);
        let told = key.and_then(|key| function.call1((key, PyBytes::new(py, value.as_bytes()))));
        match told {
            Ok(_) => {}
            // Only one exception can come out of the call.
            Err(error) if done.is_err() || raised.is_some() => {
                error.write_unraisable(py, Some(function));
            }
            Err(error) => raised = Some(error),
        }
    }
    raised.map_or(done, Err)
}
