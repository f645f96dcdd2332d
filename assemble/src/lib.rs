//! From a profile to a plan, parallel compilation, linking, and one cache file
