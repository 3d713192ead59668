// SPDX-License-Identifier: MPL-2.0

//! pipelines/schema.json is what the types say.

#[test]
fn the_committed_schema_is_current() {
    let committed = include_str!("../../schema.json");
    assert_eq!(
        committed,
        duplex_runner::description::schema(),
        "write it anew: duplex schema > pipelines/schema.json"
    );
}
