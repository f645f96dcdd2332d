//! Traces and profiles: record, codec, merge, staleness
