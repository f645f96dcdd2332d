//! From a cache file to usable code, or a typed refusal
