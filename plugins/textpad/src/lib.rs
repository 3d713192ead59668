//! What every text-to-audio element of gst-duplex does the same way; no GTypes.
