//! Two calls of the C API that PyO3 provides only if the oldest supported Python is 3.10.
//!
//! Both are part of the stable ABI since 3.10, so 3.10 and every later version has them as they are
//! declared here. Python 3.9, the only older version that this module supports, has them too,
//! outside of its limited API. Without these two calls, a lookup would create a tuple of its
//! arguments and a `bytes` of its key, which takes as long as the rest of the lookup.

#![allow(unsafe_code, reason = "calls of the C API; the rest of the crate has none")]

use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use pyo3::exceptions::PyTypeError;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{Borrowed, PyClass, PyTypeInfo, ffi};

unsafe extern "C" {
    fn PyUnicode_AsUTF8AndSize(
        unicode: *mut ffi::PyObject,
        size: *mut ffi::Py_ssize_t,
    ) -> *const c_char;
}

/// Returns the text of a string without copying it. (A string that is not ASCII keeps its UTF-8
/// from then on.)
#[inline(always)]
pub(crate) fn utf8<'a>(text: &'a Bound<'_, PyString>) -> PyResult<&'a str> {
    let mut len = 0;
    // SAFETY: a string, and this thread is attached, as a `Bound` says.
    let start = unsafe { PyUnicode_AsUTF8AndSize(text.as_ptr(), &raw mut len) };
    let Some(start) = NonNull::new(start.cast_mut().cast::<u8>()) else {
        return Err(PyErr::fetch(text.py()));
    };
    // SAFETY: the buffer belongs to the string, which does not change, and which the borrow keeps
    // alive.
    let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), len.unsigned_abs()) };
    // SAFETY: it is UTF-8; lone surrogates have been refused.
    Ok(unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// A method with one argument or two.
pub(crate) trait Method {
    /// The class of the method.
    type Class: PyClass;
    const NAME: &'static CStr;
    /// Signature and description.
    const DOC: &'static CStr;
    /// The names of its arguments: one or two.
    const ARGUMENTS: &'static [&'static str];
    /// Number of arguments that must be given.
    const REQUIRED: usize;

    /// Calls the method with its first argument, and the second if it was given.
    fn call<'py>(
        this: &Bound<'py, Self::Class>,
        first: &Bound<'py, PyAny>,
        second: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>>;
}

/// `METH_FASTCALL | METH_KEYWORDS`: arguments come in an array.
const FAST: c_int = 0x0080 | ffi::METH_KEYWORDS;
/// The type of the function that Python calls with these flags.
type Fast = unsafe extern "C" fn(
    *mut ffi::PyObject,
    *const *mut ffi::PyObject,
    ffi::Py_ssize_t,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;

/// Makes `M` a method of its class.
pub(crate) fn add<M: Method>(py: Python<'_>) -> PyResult<()> {
    let class = M::Class::type_object(py);
    let call: Fast = call::<M>;
    // SAFETY: pointers to functions have one size; Python goes by `ml_flags`.
    let call = unsafe { std::mem::transmute::<Fast, ffi::PyCFunctionWithKeywords>(call) };
    // For ever: a method's definition must outlive the type.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: M::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionWithKeywords: call },
        ml_flags: FAST,
        ml_doc: M::DOC.as_ptr(),
    }));
    // SAFETY: a type and a definition that lives on; `call` has the form that `FAST` says.
    let method = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: a new reference, or null with an exception set.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, method) }?;
    class.setattr(M::NAME, method)
}

/// The function that Python calls.
unsafe extern "C" fn call<M: Method>(
    this: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python calls with this thread attached.
    let py = unsafe { Python::assume_attached() };
    let found = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: Python holds the object that it calls with.
        let this = unsafe { Borrowed::from_ptr(py, this) };
        // SAFETY: the method's descriptor, which `add` made of the class, has checked that it is an
        // instance.
        let this = unsafe { this.cast_unchecked::<M::Class>() };
        // SAFETY: as Python hands them over.
        let taken = unsafe { Arguments::take::<M>(py, arguments, count, names) };
        let Arguments { first, second } = taken.map_err(|wrong| wrong.error::<M>())?;
        M::call(&this, &first, second.as_deref())
    }));
    let error = match found {
        Ok(Ok(found)) => return found.unwrap_or_else(|| py.None().into_bound(py)).into_ptr(),
        Ok(Err(error)) => error,
        Err(_) => PanicException::new_err("a bug in shmap"),
    };
    error.restore(py);
    ptr::null_mut()
}

/// The arguments, given by position or by name. The second argument is present if it is required.
struct Arguments<'a, 'py> {
    first: Borrowed<'a, 'py, PyAny>,
    second: Option<Borrowed<'a, 'py, PyAny>>,
}

/// How arguments can be wrong.
enum Wrong {
    Missing([bool; 2]),
    TooMany(usize),
    Unknown(String),
    Twice(String),
}

impl<'py> Arguments<'_, 'py> {
    /// # Safety
    /// The call is as Python makes it: `count` objects by position, and then one for each of
    /// `names`, which is a tuple or null. All of them are held during the lifetime of the result.
    #[inline]
    unsafe fn take<M: Method>(
        py: Python<'py>,
        arguments: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        names: *mut ffi::PyObject,
    ) -> Result<Self, Wrong> {
        let at = |place: usize| {
            // SAFETY: there are as many, the caller says.
            let argument = unsafe { arguments.add(place) };
            // SAFETY: as above.
            let argument = unsafe { argument.read() };
            // SAFETY: an object that is held meanwhile.
            unsafe { Borrowed::from_ptr(py, argument) }
        };
        let count = count.unsigned_abs();
        if count > M::ARGUMENTS.len() {
            return Err(Wrong::TooMany(count));
        }
        let mut taken = [(count > 0).then(|| at(0)), (count > 1).then(|| at(1))];
        if let ([Some(first), second], true) = (taken, names.is_null())
            && count >= M::REQUIRED
        {
            return Ok(Self { first, second });
        }
        // SAFETY: null or an object that is held meanwhile.
        let names = unsafe { Borrowed::<PyAny>::from_ptr_or_opt(py, names) };
        for (place, name) in names.iter().flat_map(|names| names.try_iter()).flatten().enumerate() {
            let name = name.map(|name| name.to_string()).unwrap_or_default();
            let known = M::ARGUMENTS.iter().zip(&mut taken).find(|(known, _)| **known == name);
            let Some((_, slot)) = known else { return Err(Wrong::Unknown(name)) };
            if slot.replace(at(count + place)).is_some() {
                return Err(Wrong::Twice(name));
            }
        }
        match taken {
            [Some(first), second] if second.is_some() || M::REQUIRED == 1 => {
                Ok(Self { first, second })
            }
            [first, second] => {
                Err(Wrong::Missing([first.is_none(), second.is_none() && M::REQUIRED > 1]))
            }
        }
    }
}

impl Wrong {
    /// Makes the exception, with the wording of Python's own exceptions.
    #[cold]
    fn error<M: Method>(self) -> PyErr {
        let name = M::NAME.to_string_lossy();
        PyTypeError::new_err(match self {
            Self::Missing(missing) => {
                let names = M::ARGUMENTS.iter().zip(missing).filter(|(_, missing)| *missing);
                let names: Vec<_> = names.map(|(name, _)| format!("'{name}'")).collect();
                let arguments = if names.len() > 1 { "arguments" } else { "argument" };
                let (count, names) = (names.len(), names.join(" and "));
                format!("{name}() missing {count} required positional {arguments}: {names}")
            }
            Self::TooMany(count) => {
                let most = match (M::REQUIRED, M::ARGUMENTS.len()) {
                    (1, 1) => "1 positional argument",
                    (1, _) => "from 1 to 2 positional arguments",
                    _ => "2 positional arguments",
                };
                format!("{name}() takes {most} but {count} were given")
            }
            Self::Unknown(word) => {
                format!("{name}() got an unexpected keyword argument '{word}'")
            }
            Self::Twice(word) => format!("{name}() got multiple values for argument '{word}'"),
        })
    }
}
