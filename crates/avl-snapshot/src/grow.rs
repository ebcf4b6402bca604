//! Growing vectors whose size depends on the entries, without aborting when memory runs out.

use std::alloc::{Layout, handle_alloc_error};

use crate::error::BuildError;

/// Reserves memory for `more` further elements.
#[inline(always)]
pub(crate) fn grow<T>(vec: &mut Vec<T>, more: usize) -> Result<(), BuildError> {
    if vec.capacity() - vec.len() >= more { Ok(()) } else { reserve(vec, more) }
}

#[cold]
fn reserve<T>(vec: &mut Vec<T>, more: usize) -> Result<(), BuildError> {
    // Close to a limit there may be memory for `more`, but not for doubling the vector.
    if vec.try_reserve(more).is_ok() || vec.try_reserve_exact(more).is_ok() {
        return Ok(());
    }
    let needed = vec.len().saturating_add(more).saturating_mul(size_of::<T>());
    Err(BuildError::NoMemory { needed: needed as u64 })
}

/// Creates an empty vector with capacity for `elements`.
pub(crate) fn with_room<T>(elements: usize) -> Result<Vec<T>, BuildError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(elements).map_err(|_| BuildError::NoMemory {
        needed: elements.saturating_mul(size_of::<T>()) as u64,
    })?;
    Ok(vec)
}

/// Unwraps a result for callers that cannot return an error. If memory ran out, aborts the process,
/// as any other failed allocation does.
pub(crate) fn or_abort<T>(made: Result<T, BuildError>) -> T {
    match made {
        Ok(made) => made,
        Err(error) => {
            let needed = if let BuildError::NoMemory { needed } = error { needed } else { 1 };
            let layout = Layout::array::<u8>(needed as usize);
            handle_alloc_error(layout.unwrap_or(Layout::new::<u8>()))
        }
    }
}
