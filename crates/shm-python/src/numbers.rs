//! Python numbers: as keys, as counters, and the messages for numbers that are out of range.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use slotmap_shm::{AnyKey, KeyKind};

use crate::failure::raise;
use crate::refusal::Refusal;

/// Reads an `int`. Returns `None` if the number does not fit into a signed integer of 64 bits.
#[inline]
pub(crate) fn int_of(object: &Bound<'_, PyAny>) -> Result<Option<i64>, Refusal> {
    object.extract().map(Some).or_else(|error| no_int(object, error))
}

/// Finds out why an object is not an `int` of 64 bits.
#[cold]
fn no_int(object: &Bound<'_, PyAny>, error: PyErr) -> Result<Option<i64>, Refusal> {
    if error.is_instance_of::<PyOverflowError>(object.py()) {
        return Ok(None);
    }
    match object.get_type().hasattr("__index__") {
        Ok(false) => Err(Refusal::Type("int")),
        Ok(true) => Err(Refusal::Raised(error)),
        Err(error) => Err(Refusal::Raised(error)),
    }
}

/// True if a number that [`int_of`] finds too large or too small is below all keys. It may be an
/// object that has a number (`__index__`), but no order.
#[cold]
pub(crate) fn is_below_all(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    object.py().import("operator")?.call_method1("index", (object,))?.lt(0)
}

/// Like [`int_of`], but also accepts a `float` that is a whole number. For a `dict`, an `int` and
/// an equal `float` are the same key.
#[inline]
pub(crate) fn equal_int(object: &Bound<'_, PyAny>) -> Result<Option<i64>, Refusal> {
    int_of(object).or_else(|refusal| whole(object, refusal))
}

/// Returns the `int` that a `float` is equal to.
#[cold]
fn whole(object: &Bound<'_, PyAny>, refusal: Refusal) -> Result<Option<i64>, Refusal> {
    // From here on, 64 bits do not do.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let Ok(number) = object.cast::<PyFloat>() else { return Err(refusal) };
    let number = number.value();
    if number.fract() != 0.0 {
        return Err(refusal);
    }
    Ok((-END..END).contains(&number).then_some(number as i64))
}

/// Converts an object to a number of a kind of integers. Returns `None` for a number that is out of
/// range. `int` converts numbers.
pub(crate) fn any_int<'py>(
    kind: KeyKind,
    object: &Bound<'py, PyAny>,
    int: impl FnOnce(&Bound<'py, PyAny>) -> Result<Option<i64>, Refusal>,
) -> Result<Option<AnyKey>, Refusal> {
    let Some((bits, signed)) = kind.integer() else { return Ok(None) };
    // The upper half of `u64` is beyond `int`.
    let found = match int(object)? {
        Some(number) => Some(AnyKey::Signed(number)),
        None => object.extract().ok().map(AnyKey::Unsigned),
    };
    let (min, max) = range(bits, signed);
    Ok(found.filter(|found| match found {
        AnyKey::Signed(number) => (min..=max).contains(&(*number).into()),
        AnyKey::Unsigned(number) => (min..=max).contains(&(*number).into()),
        AnyKey::Bytes(_) => false,
    }))
}

/// Converts an object to the number of a counter, or to a number that is added to a counter.
pub(crate) fn counter_of(object: &Bound<'_, PyAny>) -> PyResult<i64> {
    match int_of(object) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => {
            let range = format!("a counter has 64 bits, {} to {}", i64::MIN, i64::MAX);
            Err(out_of_range(object, "", &range))
        }
        Err(refusal) => Err(refusal.error(object)),
    }
}

/// Makes the exception for a number that is not in a range. The message begins with `lead`.
#[cold]
pub(crate) fn out_of_range(object: &Bound<'_, PyAny>, lead: &str, range: &str) -> PyErr {
    // Larger ones are not printed: `str` refuses those of thousands of digits.
    let number = match (object.extract::<i64>(), object.extract::<u64>()) {
        (Ok(number), _) => number.to_string(),
        (_, Ok(number)) => number.to_string(),
        _ => "a number of more than 64 bits".to_owned(),
    };
    let text = format!("{lead}{number} is out of range: {range}");
    raise(object.py(), "OutOfRangeError", (text,))
}

/// Returns the range of integers of this many bits.
pub(crate) fn range(bits: u32, signed: bool) -> (i128, i128) {
    let value_bits = bits - u32::from(signed);
    let min = if signed { -(1 << value_bits) } else { 0 };
    (min, (1 << value_bits) - 1)
}
