// SPDX-License-Identifier: MPL-2.0

//! A backend as a file: where it lies, loading it, and its table.

use std::{
    error::Error as _,
    ffi::{CStr, OsString},
    path::{Path, PathBuf},
};

use duplex_synthesis::Error;

use super::abi::{Backend, Entry, SYMBOL, VERSION};

/// The file of the CUDA half, named by [`VERSION`]. It lies beside plugins, and GStreamer takes what ends with `.so` for one: it would
/// load it to look, and complain wherever there is no CUDA.
pub const CUDA: &str = "libduplex_neural_cuda.so.2";
/// Names a file or a folder of it, before all other places.
const OVERRIDE: &str = "DUPLEX_NEURAL_CUDA";

/// Where it may lie: what the environment names, then beside the file that this code is in (a plugin, a worker), then where the
/// system's loader looks.
pub fn places() -> Vec<PathBuf> {
    let named = std::env::var_os(OVERRIDE).filter(|named| !named.is_empty());
    places_of(named, own_folder())
}

fn places_of(named: Option<OsString>, own: Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(named) = named {
        let named = PathBuf::from(named);
        // Who names one means it.
        return vec![if named.is_dir() {
            named.join(CUDA)
        } else {
            named
        }];
    }
    let mut places: Vec<PathBuf> = own
        .map(|folder| folder.join(CUDA))
        .filter(|path| path.exists())
        .into_iter()
        .collect();
    places.push(CUDA.into());
    places
}

/// The folder of the file that holds this very code.
fn own_folder() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: a place for the answer is given, and any address may be asked for.
    let found = unsafe { libc::dladdr((own_folder as *const ()).cast(), info.as_mut_ptr()) };
    if found == 0 {
        return None;
    }
    // SAFETY: it was found, so that the answer is written; the name lives as long as the file is loaded.
    let name = unsafe {
        let info = info.assume_init();
        if info.dli_fname.is_null() {
            return None;
        }
        CStr::from_ptr(info.dli_fname)
    };
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    path.canonicalize().ok()?.parent().map(Path::to_owned)
}

/// Loads a backend from the first of these places that has one. It stays loaded to the end of the process: CUDA has threads of its own.
///
/// # Errors
/// [`Error::Unavailable`] with the loader's reason, or with both versions where it is another one than this.
pub fn load(places: &[PathBuf]) -> Result<&'static Backend, Error> {
    let mut reasons = Vec::new();
    for place in places {
        match load_one(place) {
            Ok(backend) => return Ok(backend),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(Error::Unavailable(format!(
        "the CUDA half of the neural voices cannot be loaded: {}; `make cuda` builds it, {OVERRIDE} names its file",
        reasons.join("; ")
    )))
}

fn load_one(place: &Path) -> Result<&'static Backend, String> {
    // SAFETY: a library of ours, whose initialisers are those of CUDA.
    let library = unsafe { libloading::Library::new(place) }.map_err(|error| {
        // The loader's own words are below.
        let reason = error
            .source()
            .map_or_else(|| error.to_string(), ToString::to_string);
        format!("{}: {reason}", place.display())
    })?;
    // SAFETY: the symbol's type is part of what its name says.
    let table = unsafe {
        let entry = library
            .get::<Entry>(SYMBOL)
            .map_err(|_| format!("{} is no backend of ours", place.display()))?;
        entry()
    };
    if table.is_null() {
        return Err(format!("{} has no table", place.display()));
    }
    // SAFETY: all versions begin with their number.
    let version = unsafe { (&raw const (*table).version).read() };
    if version != VERSION {
        return Err(format!(
            "{} is of another build: its interface is {version}, {VERSION} is needed",
            place.display()
        ));
    }
    std::mem::forget(library);
    // SAFETY: of this version, and the library is never unloaded.
    Ok(unsafe { &*table })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_comes_before_what_lies_beside() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().to_owned();
        assert!(CUDA.ends_with(&format!(".so.{VERSION}")), "{CUDA}");
        assert_eq!(places_of(None, Some(own.clone())), [PathBuf::from(CUDA)]);
        let beside = own.join(CUDA);
        std::fs::write(&beside, "").unwrap();
        assert_eq!(
            places_of(None, Some(own.clone())),
            [beside.clone(), CUDA.into()]
        );
        assert_eq!(places_of(Some(own.into()), None), [beside]);
        assert_eq!(
            places_of(Some("/a/b.so".into()), None),
            [PathBuf::from("/a/b.so")]
        );
    }

    #[test]
    fn a_test_knows_the_folder_that_it_is_in() {
        let own = std::env::current_exe().unwrap().canonicalize().unwrap();
        assert_eq!(own_folder().as_deref(), own.parent());
    }

    #[test]
    fn what_cannot_be_loaded_is_told_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.so");
        std::fs::write(&broken, "no library").unwrap();
        let told = load(&["/none/such.so".into(), broken])
            .unwrap_err()
            .to_string();
        assert!(told.contains("/none/such.so"), "{told}");
        assert!(told.contains("broken.so"), "{told}");
        assert!(
            told.ends_with("`make cuda` builds it, DUPLEX_NEURAL_CUDA names its file"),
            "{told}"
        );
        // Some library, but none of ours.
        let told = load(&["libm.so.6".into()]).unwrap_err().to_string();
        assert!(told.contains("libm.so.6 is no backend of ours"), "{told}");
    }
}
