//! libespeak-ng as an engine of duplex-synthesis.
