//! End-to-end tests, benches and the recordings they stand on.
