// SPDX-License-Identifier: MPL-2.0

//! What cargo says of the workspace: its packages, what they link, which files they make.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use crate::plugins;

/// What cargo says of the workspace; with `--no-deps` of our own packages alone.
pub fn metadata(arguments: &[&str]) -> Value {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--offline", "--format-version", "1"]);
    let told = plugins::succeeds(cargo.args(arguments).current_dir(plugins::source()));
    serde_json::from_str(&told).expect("cargo metadata is JSON")
}

/// The file that a build of its own makes of gst-plugin-webrtc: not ours, but installed beside ours.
pub const WEBRTC: &str = "libgstrswebrtc.so";

/// What that build is, as an argument of [`metadata`].
pub const WEBRTC_MANIFEST: &str = "--manifest-path=plugins/webrtc/Cargo.toml";

/// The build that makes the half of cudattsynth that links CUDA, as arguments of [`metadata`].
pub const NEURAL_CUDA_MANIFEST: [&str; 2] = [
    "--manifest-path=plugins/cudatts/cuda/Cargo.toml",
    "--features=cuda",
];

/// Every file that the workspace makes for others to load or run: those of the tests are nobody's.
pub fn shipped() -> Vec<String> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap().iter();
    let targets = packages
        .filter(|package| package["name"] != "duplex-tests")
        .flat_map(|package| package["targets"].as_array().unwrap());
    targets
        .filter_map(|target| {
            let kinds = target["kind"].as_array().unwrap();
            let name = target["name"].as_str().unwrap();
            if kinds.iter().any(|kind| kind == "cdylib") {
                Some(format!("lib{}.so", name.replace('-', "_")))
            } else if kinds.iter().any(|kind| kind == "bin") {
                Some(name.to_owned())
            } else {
                None
            }
        })
        .chain([WEBRTC.to_owned()])
        .collect()
}

/// The packages of `metadata` by their ids.
pub fn packages(metadata: &Value) -> BTreeMap<&str, &Value> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect()
}

/// The ids of what a package links, itself included: neither for its tests, nor for its build script, nor in a macro.
pub fn linked<'a>(metadata: &'a Value, package: &'a str) -> BTreeSet<&'a str> {
    let packages = packages(metadata);
    let is_macro = |id: &str| {
        let targets = packages[id]["targets"].as_array().into_iter().flatten();
        let mut kinds = targets.flat_map(|target| target["kind"].as_array().into_iter().flatten());
        kinds.any(|kind| kind == "proc-macro")
    };
    let nodes = metadata["resolve"]["nodes"].as_array();
    let links: BTreeMap<&str, Vec<&str>> = nodes
        .into_iter()
        .flatten()
        .filter_map(|node| {
            let deps = node["deps"].as_array()?.iter().filter(|dep| {
                let mut kinds = dep["dep_kinds"].as_array().into_iter().flatten();
                kinds.any(|kind| kind["kind"].is_null())
            });
            let ids = deps.filter_map(|dep| dep["pkg"].as_str()).collect();
            Some((node["id"].as_str()?, ids))
        })
        .collect();
    let (mut open, mut seen) = (vec![package], BTreeSet::new());
    while let Some(id) = open.pop() {
        if !is_macro(id) && seen.insert(id) {
            open.extend(&links[id]);
        }
    }
    seen
}
