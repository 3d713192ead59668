// SPDX-License-Identifier: MPL-2.0
//! Links libpocketsphinx, and tells the plugin its version, commit and date.

fn main() {
    gst_plugin_version_helper::info();
    for library in ["sphinxbase", "pocketsphinx"] {
        // Not by what its file says besides: it asks for a library of sound devices that nobody here uses.
        if let Err(error) = pkg_config::Config::new()
            .cargo_metadata(false)
            .probe(library)
        {
            panic!("lib{library} is missing; on Debian: apt install lib{library}-dev\n{error}");
        }
        println!("cargo:rustc-link-lib={library}");
    }
}
