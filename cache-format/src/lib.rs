//! The cache file: sections, writer, reader, compatibility, digests
