//! Wasm functions to Cranelift IR to machine code
