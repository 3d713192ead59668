// SPDX-License-Identifier: MPL-2.0

//! Where a model is computed: what people are told on machines without a card, and on those whose driver will not do.

use std::process::{Command, Output};

use duplex_neural_small::SmallModel;
use duplex_tests::plugins;

/// Speaks a short text as people type it, with these properties and, where one is given, with this driver.
fn launch(model: &str, properties: &str, driver: Option<&tempfile::TempDir>) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "One, two, three.").unwrap();
    let mut command = plugins::command("gst-launch-1.0");
    command
        .args(["-m", "filesrc"])
        .arg(format!("location={}", text.display()))
        .args(["!", "text/x-raw,format=utf8", "!", "cudattsynth"])
        .arg(format!("model={model}"))
        .args(properties.split_whitespace())
        .args(["!", "fakesink"])
        .env_remove("CUDA_VISIBLE_DEVICES");
    if let Some(driver) = driver {
        command.env("LD_LIBRARY_PATH", driver.path());
    }
    command.output().unwrap()
}

/// The folder of a small model, and the voice that is built in: both are computed on cards.
fn models(small: &SmallModel) -> [&str; 2] {
    [small.path().to_str().unwrap(), "compact"]
}

/// A driver that knows no more than this CUDA.
fn driver(version: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("driver.c");
    let text = format!(
        "int cuInit(unsigned flags) {{ return 0; }} int cuDriverGetVersion(int *v) {{ *v = {version}; return 0; }}"
    );
    std::fs::write(&source, text).unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.path().join("libcuda.so.1"))
        .arg(&source)
        .status();
    assert!(made.expect("the C compiler that Rust links with").success());
    folder
}

/// A machine with a card that no test is to find.
fn has_a_driver() -> bool {
    duplex_neural::backend::driver::is_installed()
}

#[test]
fn a_machine_without_a_card_speaks_and_says_nothing_of_it() {
    if has_a_driver() {
        println!("SKIPPED: this machine has NVIDIA's driver, so that its absence cannot be shown");
        return;
    }
    for model in models(&SmallModel::new("lsd")) {
        let output = launch(model, "", None);
        let told = plugins::told(&output);
        assert!(output.status.success(), "{told}");
        assert!(
            !told.contains("CUDA") && !told.contains("WARNING"),
            "{told}"
        );
        let output = launch(model, "device=cuda", None);
        let told = plugins::told(&output);
        assert!(!output.status.success(), "{told}");
        assert!(
            told.contains("no CUDA: libcuda.so.1 is not found, so that there is no NVIDIA driver; install driver 580 or newer, or use device=cpu"),
            "{told}"
        );
    }
}

#[test]
fn a_driver_that_is_too_old_is_a_warning_and_the_cpu_speaks() {
    let old = driver(12_040);
    let reason = "no CUDA: the driver is one for CUDA 12.4; 13.0 is needed, that is driver 580 or newer: update it";
    for model in models(&SmallModel::new("lsd")) {
        let output = launch(model, "", Some(&old));
        let told = plugins::told(&output);
        assert!(output.status.success(), "{told}");
        assert!(
            told.contains(&format!("{reason}. The CPU speaks instead")),
            "{told}"
        );
        let output = launch(model, "device=cpu", Some(&old));
        let told = plugins::told(&output);
        assert!(output.status.success() && !told.contains("CUDA"), "{told}");
        let output = launch(model, "device=cuda", Some(&old));
        let told = plugins::told(&output);
        assert!(!output.status.success() && told.contains(reason), "{told}");
        assert!(!told.contains("The CPU speaks instead"), "{told}");
    }
}

#[test]
fn numbers_that_a_device_does_not_compute_with_are_refused() {
    let model = SmallModel::new("lsd");
    for (properties, sentence) in [
        (
            "device=cuda quantization=q8_0",
            "quantization q8_0 is for the CPU: use auto, bf16 or none with device=cuda",
        ),
        (
            "device=cpu quantization=bf16",
            "quantization bf16 is for cards: use auto, q8_0 or none with device=cpu",
        ),
    ] {
        let output = launch(model.path().to_str().unwrap(), properties, None);
        let told = plugins::told(&output);
        assert!(
            !output.status.success() && told.contains(sentence),
            "{told}"
        );
    }
}

#[test]
fn gst_inspect_shows_the_devices() {
    let shown = plugins::succeeds(plugins::command("gst-inspect-1.0").arg("cudattsynth"));
    let devices = shown.split_once("  devices  ").expect("a property").1;
    let line = devices.lines().nth(2).unwrap();
    assert!(line.contains("\"cpu ("), "{line}");
    assert!(
        line.contains("cuda 0 ") || line.contains("no CUDA: "),
        "{line}"
    );
}
