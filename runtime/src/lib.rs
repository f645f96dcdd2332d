//! Engine, store, instance, interpreter, trampolines, traps
