// SPDX-License-Identifier: GPL-3.0-or-later
//! Links libespeak-ng.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(error) = pkg_config::Config::new()
        .atleast_version("1.50")
        .probe("espeak-ng")
    {
        panic!("libespeak-ng is missing; on Debian: apt install libespeak-ng-dev\n{error}");
    }
}
