//! Declarative pipelines for gst-duplex, and the duplex command.
