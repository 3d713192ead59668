// SPDX-License-Identifier: MPL-2.0

//! What machines without CUDA, with too old a CUDA or with half of one are told. Drivers and libraries are made here, with the
//! C compiler that Rust links with; a process of its own loads them.

use std::{
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
};

use duplex_neural::backend::driver;

/// A driver as a machine may have it.
const SOURCE: &str = r#"
#ifndef NO_INIT
int cuInit(unsigned int flags) { return INIT; }
#endif
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGetCount(int *count) { *count = CARDS; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal + 70; return 0; }
int cuDeviceGetName(char *name, int room, int device) {
    const char *is = "Card of a test"; int n = 0;
    while (is[n] && n < room - 1) { name[n] = is[n]; n++; }
    name[n] = 0;
    return 0;
}
int cuDeviceGetAttribute(int *value, int which, int device) {
    /* The first card is as old as is asked for, others are new. */
    if (which == 75) *value = device == 70 ? MAJOR : 9;
    else if (which == 76) *value = device == 70 ? MINOR : 0;
    else return 1;
    return 0;
}
int cuDeviceTotalMem_v2(unsigned long *bytes, int device) { *bytes = 24UL << 30; return 0; }
"#;

struct Machine {
    init: i32,
    version: i32,
    cards: i32,
    capability: (i32, i32),
    more: &'static str,
}

const NEW: Machine = Machine {
    init: 0,
    version: 13_000,
    cards: 2,
    capability: (9, 0),
    more: "",
};

fn compile(source: &str, to: &Path, flags: &[String]) {
    let file = to.with_extension("c");
    std::fs::write(&file, source).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(to)
        .arg(&file)
        .args(flags)
        .status()
        .expect("the C compiler that Rust links with");
    assert!(made.success());
}

impl Machine {
    fn install(&self, folder: &Path) {
        let mut flags = vec![
            format!("-DINIT={}", self.init),
            format!("-DVERSION={}", self.version),
            format!("-DCARDS={}", self.cards),
            format!("-DMAJOR={}", self.capability.0),
            format!("-DMINOR={}", self.capability.1),
        ];
        flags.extend(self.more.split_whitespace().map(str::to_owned));
        compile(SOURCE, &folder.join("libcuda.so.1"), &flags);
    }
}

/// Not a test of its own: what the processes do that the tests start.
#[test]
fn in_a_process_of_its_own() {
    let Ok(ordinal) = std::env::var("DUPLEX_TEST_ORDINAL") else {
        return;
    };
    let found = driver::check(ordinal.parse().unwrap());
    match found {
        Ok(card) => println!("<found {card}>"),
        Err(error) => println!("<{error}>"),
    }
}

fn run(folder: &Path, ordinal: u32, visible: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
        .env("LD_LIBRARY_PATH", folder)
        .env("DUPLEX_TEST_ORDINAL", ordinal.to_string())
        .env_remove("CUDA_VISIBLE_DEVICES");
    if let Some(visible) = visible {
        command.env("CUDA_VISIBLE_DEVICES", visible);
    }
    let Output { status, stdout, .. } = command.output().unwrap();
    let told = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{told}");
    let answer = told
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once(">\n"));
    answer.unwrap_or_else(|| panic!("{told}")).0.to_owned()
}

/// A machine with a card that no test is to find: only where there is none can its absence be shown.
fn has_a_driver() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| driver::cuda().is_ok())
}

#[test]
fn without_a_driver_the_sentence_names_it() {
    if has_a_driver() {
        println!("SKIPPED: this machine has NVIDIA's driver, so that its absence cannot be shown");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        run(folder.path(), 0, None),
        "no CUDA: libcuda.so.1 is not found, so that there is no NVIDIA driver; install driver 580 or newer, or use device=cpu"
    );
}

#[test]
fn each_driver_that_will_not_do_is_told_apart() {
    for (machine, ordinal, visible, sentence) in [
        (
            Machine {
                version: 12_040,
                ..NEW
            },
            0,
            None,
            "no CUDA: the driver is one for CUDA 12.4; 13.0 is needed, that is driver 580 or newer: update it",
        ),
        (
            Machine { init: 100, ..NEW },
            0,
            None,
            "no CUDA: the driver finds no card; in a container it has to be handed in (docker run --gpus all)",
        ),
        (
            Machine { init: 100, ..NEW },
            0,
            Some("-1"),
            "no CUDA: no card is visible, and CUDA_VISIBLE_DEVICES is `-1`: name a card in it, or unset it",
        ),
        (
            Machine { cards: 0, ..NEW },
            0,
            Some(""),
            "no CUDA: no card is visible, and CUDA_VISIBLE_DEVICES is ``: name a card in it, or unset it",
        ),
        (
            Machine { init: 803, ..NEW },
            0,
            None,
            "no CUDA: the driver was updated while the old one was running (803); restart the machine",
        ),
        (
            Machine { init: 999, ..NEW },
            0,
            None,
            "no CUDA: the driver does not start (cuInit: 999); `nvidia-smi` says more",
        ),
        (
            Machine {
                more: "-DNO_INIT",
                ..NEW
            },
            0,
            None,
            "no CUDA: libcuda.so.1 has no function cuInit: it is not NVIDIA's, or older than driver 580; install that driver",
        ),
        (
            Machine {
                capability: (7, 5),
                ..NEW
            },
            0,
            None,
            "no CUDA: card 0 Card of a test (compute capability 7.5, 24 GiB) is too old: compute capability 8.0 (Ampere) or newer is needed; use another card (device-id) or device=cpu",
        ),
        (
            NEW,
            5,
            None,
            "no CUDA: there is no card 5; there are 0 Card of a test (compute capability 9.0, 24 GiB), 1 Card of a test (compute capability 9.0, 24 GiB): set device-id to one of them",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        machine.install(folder.path());
        assert_eq!(run(folder.path(), ordinal, visible), sentence);
    }
}

#[test]
fn libraries_that_are_missing_are_named_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    NEW.install(folder.path());
    for (library, package) in [
        ("libcublas.so.13", "nvidia-cublas"),
        ("libcublasLt.so.13", "nvidia-cublas"),
        ("libcurand.so.10", "nvidia-curand"),
        ("libcudart.so.13", "nvidia-cuda-runtime"),
    ] {
        assert_eq!(
            run(folder.path(), 0, None),
            format!(
                "no CUDA: {library} of CUDA 13.0 is not found; install CUDA's libraries, or `pip install {package}` and name its folder in LD_LIBRARY_PATH"
            )
        );
        compile("int nothing;", &folder.path().join(library), &[]);
    }
    assert_eq!(
        run(folder.path(), 1, None),
        "found 1 Card of a test (compute capability 9.0, 24 GiB)"
    );
}
