// SPDX-License-Identifier: MPL-2.0

//! Whether this machine can run the CUDA half: its driver, its cards, the libraries that come with CUDA.
//!
//! Nothing of it is linked. Whatever is missing becomes one sentence: what was found, what is needed, what to do.

use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    fmt,
    sync::LazyLock,
};

use duplex_synthesis::Error;
use libloading::Library;

/// The driver's own library.
const DRIVER: &str = "libcuda.so.1";
/// The oldest driver's CUDA, as the toolkit that the backend is built with wants it.
const NEEDED: Version = Version {
    major: 13,
    minor: 0,
};
/// The oldest driver of that CUDA.
const NEEDED_DRIVER: u32 = 580;
/// The oldest cards that compute with bfloat16.
const NEEDED_CAPABILITY: Version = Version { major: 8, minor: 0 };
/// What the backend links beside the driver, and the PyPI package that has it.
const LIBRARIES: [(&str, &str); 4] = [
    ("libcublas.so.13", "nvidia-cublas"),
    ("libcublasLt.so.13", "nvidia-cublas"),
    ("libcurand.so.10", "nvidia-curand"),
    ("libcudart.so.13", "nvidia-cuda-runtime"),
];

/// cuDeviceGetAttribute: the two halves of the compute capability.
const CAPABILITY: [c_int; 2] = [75, 76];
/// cuInit: no device, or none that is visible.
const NO_DEVICE: c_int = 100;
/// cuInit: the driver's library and its kernel module differ.
const MISMATCH: c_int = 803;

/// A pair of numbers as NVIDIA writes them: 13.0, 9.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u32,
    /// After it.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A card that is visible to this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its number, from 0, as `device-id` takes it.
    pub ordinal: u32,
    /// What NVIDIA calls it.
    pub name: String,
    /// Its compute capability.
    pub capability: Version,
    /// Its memory, in bytes.
    pub memory: u64,
}

impl Card {
    /// Whether it is new enough.
    pub fn is_in_range(&self) -> bool {
        self.capability >= NEEDED_CAPABILITY
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gigabytes = self.memory as f64 / f64::from(1 << 30);
        write!(
            f,
            "{} {} (compute capability {}, {gigabytes:.0} GiB)",
            self.ordinal, self.name, self.capability
        )
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuda {
    /// The newest CUDA that the driver knows.
    pub driver: Version,
    /// All cards that are visible, those that are too old included.
    pub cards: Vec<Card>,
}

/// What is missing, in a sentence.
fn missing(what: impl fmt::Display) -> Error {
    Error::Unavailable(format!("no CUDA: {what}"))
}

/// A function of the driver.
///
/// # Safety
/// `F` is its type.
unsafe fn function<F: Copy>(driver: &Library, name: &CStr) -> Result<F, Error> {
    // SAFETY: the caller's.
    let symbol = unsafe { driver.get::<F>(name) };
    symbol.map(|symbol| *symbol).map_err(|_| {
        missing(format_args!(
            "{DRIVER} has no function {}: it is not NVIDIA's, or older than driver {NEEDED_DRIVER}; install that driver",
            name.to_string_lossy()
        ))
    })
}

/// The driver and its cards. Asks once in a process: what is found later than that needs another process.
pub fn cuda() -> Result<&'static Cuda, Error> {
    static FOUND: LazyLock<Result<Cuda, Error>> = LazyLock::new(look);
    FOUND.as_ref().map_err(Clone::clone)
}

/// Whether NVIDIA's driver is here, whatever its state.
pub fn is_installed() -> bool {
    // SAFETY: as in `look`.
    unsafe { Library::new(DRIVER) }.is_ok()
}

/// Looks whether the backend can run on a card of this number: the driver, the card, the libraries.
pub fn check(ordinal: u32) -> Result<&'static Card, Error> {
    let cuda = cuda()?;
    let card = cuda.cards.iter().find(|card| card.ordinal == ordinal);
    let list = || {
        let cards: Vec<String> = cuda.cards.iter().map(Card::to_string).collect();
        cards.join(", ")
    };
    let Some(card) = card else {
        return Err(missing(format_args!(
            "there is no card {ordinal}; there are {}: set device-id to one of them",
            list()
        )));
    };
    if !card.is_in_range() {
        return Err(missing(format_args!(
            "card {card} is too old: compute capability {NEEDED_CAPABILITY} (Ampere) or newer is needed; use another card (device-id) or device=cpu"
        )));
    }
    for (library, package) in LIBRARIES {
        // SAFETY: libraries of NVIDIA's, whose initialisers do nothing but what they need themselves.
        let loaded = unsafe { Library::new(library) };
        // Loaded again with the backend, from the same place.
        loaded.map_err(|_| {
            missing(format_args!(
                "{library} of CUDA {NEEDED} is not found; install CUDA's libraries, or `pip install {package}` and name its folder in LD_LIBRARY_PATH"
            ))
        })?;
    }
    Ok(card)
}

fn look() -> Result<Cuda, Error> {
    // SAFETY: NVIDIA's library, whose initialisers may run anywhere.
    let driver = unsafe { Library::new(DRIVER) }.map_err(|_| {
        missing(format_args!(
            "{DRIVER} is not found, so that there is no NVIDIA driver; install driver {NEEDED_DRIVER} or newer, or use device=cpu"
        ))
    })?;
    // SAFETY: types as in NVIDIA's cuda.h.
    let (init, version): (
        unsafe extern "C" fn(c_uint) -> c_int,
        unsafe extern "C" fn(*mut c_int) -> c_int,
    ) = unsafe {
        (
            function(&driver, c"cuInit")?,
            function(&driver, c"cuDriverGetVersion")?,
        )
    };
    let mut number = 0;
    // SAFETY: may be called before cuInit.
    let asked = unsafe { version(&raw mut number) };
    let found = Version {
        major: number.unsigned_abs() / 1_000,
        minor: number.unsigned_abs() % 1_000 / 10,
    };
    if asked != 0 || found < NEEDED {
        return Err(missing(format_args!(
            "the driver is one for CUDA {found}; {NEEDED} is needed, that is driver {NEEDED_DRIVER} or newer: update it"
        )));
    }
    // SAFETY: 0 is the only flag that there is.
    match unsafe { init(0) } {
        0 => {}
        NO_DEVICE => return Err(no_card()),
        MISMATCH => {
            return Err(missing(
                "the driver was updated while the old one was running (803); restart the machine",
            ));
        }
        code => {
            return Err(missing(format_args!(
                "the driver does not start (cuInit: {code}); `nvidia-smi` says more"
            )));
        }
    }
    let cards = cards(&driver)?;
    if cards.is_empty() {
        return Err(no_card());
    }
    // The driver stays where it is: it has threads of its own by now.
    std::mem::forget(driver);
    Ok(Cuda {
        driver: found,
        cards,
    })
}

/// None is there, or none may be seen.
fn no_card() -> Error {
    match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(visible) => missing(format_args!(
            "no card is visible, and CUDA_VISIBLE_DEVICES is `{visible}`: name a card in it, or unset it"
        )),
        Err(_) => missing(
            "the driver finds no card; in a container it has to be handed in (docker run --gpus all)",
        ),
    }
}

fn cards(driver: &Library) -> Result<Vec<Card>, Error> {
    type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
    type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
    type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
    type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
    // SAFETY: types as in NVIDIA's cuda.h.
    let (count, get, name, attribute, memory): (Count, Get, Name, Attribute, Memory) = unsafe {
        (
            function(driver, c"cuDeviceGetCount")?,
            function(driver, c"cuDeviceGet")?,
            function(driver, c"cuDeviceGetName")?,
            function(driver, c"cuDeviceGetAttribute")?,
            function(driver, c"cuDeviceTotalMem_v2")?,
        )
    };
    let failed = |what: &str, code: c_int| {
        missing(format_args!(
            "{what} failed with {code}; `nvidia-smi` says more"
        ))
    };
    let called = |what: &str, code: c_int| match code {
        0 => Ok(()),
        code => Err(failed(what, code)),
    };
    let mut number = 0;
    // SAFETY: cuInit has been called.
    called("cuDeviceGetCount", unsafe { count(&raw mut number) })?;
    let mut cards = Vec::new();
    for ordinal in 0..number {
        let mut device = 0;
        let mut text = [0_u8; 256];
        let mut capability = [0; 2];
        let mut bytes = 0;
        // SAFETY: each writes what it is given room for.
        unsafe {
            called("cuDeviceGet", get(&raw mut device, ordinal))?;
            let room = text.len() as c_int - 1;
            called(
                "cuDeviceGetName",
                name(text.as_mut_ptr().cast(), room, device),
            )?;
            for (half, which) in capability.iter_mut().zip(CAPABILITY) {
                called("cuDeviceGetAttribute", attribute(half, which, device))?;
            }
            called("cuDeviceTotalMem", memory(&raw mut bytes, device))?;
        }
        let [major, minor] = capability.map(|half| half.unsigned_abs());
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        cards.push(Card {
            ordinal: ordinal.unsigned_abs(),
            name: text.to_string_lossy().into_owned(),
            capability: Version { major, minor },
            memory: bytes as u64,
        });
    }
    Ok(cards)
}
