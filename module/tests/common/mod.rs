//! Seeded randomness and random valid modules for the tests of this crate.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write;

/// xorshift64*: the same numbers on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % u64::from(bound)) as u32
    }

    pub fn one_in(&mut self, bound: u32) -> bool {
        self.below(bound) == 0
    }
}

/// Most parameters, and most results, of a generated function or block.
const MAX_ARITY: u32 = 3;

/// The text of a random valid module whose values are all i32, rich in control flow.
pub fn random_module(seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut text = String::from("(module (memory 1) (table 4 funcref) (global (mut i32) (i32.const 0))\n");
    for params in 0..=MAX_ARITY {
        for results in 0..=MAX_ARITY {
            let _ = writeln!(text, "(type $t{params}_{results} (func{}{}))", list("param", params), list("result", results));
        }
    }
    let signatures: Vec<(u32, u32)> =
        (0..1 + random.below(4)).map(|_| (random.below(MAX_ARITY + 1), random.below(MAX_ARITY + 1))).collect();
    for &(params, results) in &signatures {
        let locals = random.below(3);
        let _ = writeln!(text, "(func (type $t{params}_{results}) {}", "(local i32) ".repeat(locals as usize));
        let mut body = Body {
            random: &mut random,
            text: &mut text,
            signatures: &signatures,
            labels: vec![results],
            locals: params + locals,
            budget: 60,
        };
        body.sequence(0, results);
        text.push_str(")\n");
    }
    text.push(')');
    text
}

fn list(word: &str, count: u32) -> String {
    if count == 0 { String::new() } else { format!(" ({word}{})", " i32".repeat(count as usize)) }
}

struct Body<'r> {
    random: &'r mut Random,
    text: &'r mut String,
    signatures: &'r [(u32, u32)],
    /// Arity of each label, the innermost last.
    labels: Vec<u32>,
    locals: u32,
    /// Instructions that may still be generated.
    budget: u32,
}

impl Body<'_> {
    fn emit(&mut self, instruction: &str) {
        self.text.push_str(instruction);
        self.text.push(' ');
    }

    /// Fills the stack up to `wanted` values.
    fn need(&mut self, height: &mut u32, wanted: u32) {
        while *height < wanted {
            let local = self.random.below(self.locals + 1);
            if local < self.locals {
                self.emit(&format!("local.get {local}"));
            } else {
                self.emit("i32.const 1");
            }
            *height += 1;
        }
    }

    /// Instructions that turn `height` values into `results` values. Behind a stop it goes on with an empty stack, which is valid as well.
    fn sequence(&mut self, mut height: u32, results: u32) {
        for _ in 0..self.random.below(9) {
            if self.budget == 0 {
                break;
            }
            self.budget -= 1;
            self.instruction(&mut height);
        }
        while height > results {
            self.emit("drop");
            height -= 1;
        }
        self.need(&mut height, results);
    }

    fn instruction(&mut self, height: &mut u32) {
        match self.random.below(16) {
            0 | 1 => self.emit("nop"),
            2 => {
                let more = *height + 1 + self.random.below(2);
                self.need(height, more);
            }
            3 => {
                self.need(height, 2);
                self.emit("i32.add");
                *height -= 1;
            }
            4..=6 => self.block(height),
            7 => {
                let depth = self.depth();
                let arity = self.arity(depth);
                self.need(height, arity);
                self.emit(&format!("br {depth}"));
                *height = 0;
            }
            8 | 9 => {
                let depth = self.depth();
                let wanted = self.arity(depth) + 1;
                self.need(height, wanted);
                self.emit(&format!("br_if {depth}"));
                *height -= 1;
            }
            10 | 11 => self.br_table(height),
            12 => self.call(height),
            13 => {
                let results = self.labels[0];
                self.need(height, results);
                self.emit("return");
                *height = 0;
            }
            14 if self.random.one_in(3) => {
                self.emit("unreachable");
                *height = 0;
            }
            _ => {
                self.need(height, 1);
                self.emit("global.set 0");
                *height -= 1;
            }
        }
    }

    fn depth(&mut self) -> u32 {
        self.random.below(self.labels.len() as u32)
    }

    fn arity(&self, depth: u32) -> u32 {
        self.labels[self.labels.len() - 1 - depth as usize]
    }

    fn block(&mut self, height: &mut u32) {
        let (params, mut results) = (self.random.below(MAX_ARITY + 1), self.random.below(MAX_ARITY + 1));
        let kind = self.random.below(4);
        let word = ["block", "loop", "if", "if"][kind as usize];
        // Without an else the parameters are the results.
        let otherwise = kind == 2;
        if kind == 3 {
            results = params;
        }
        let condition = u32::from(kind >= 2);
        self.need(height, params + condition);
        self.emit(&format!("{word} (type $t{params}_{results})"));
        self.labels.push(if kind == 1 { params } else { results });
        self.sequence(params, results);
        if otherwise {
            self.emit("else");
            self.sequence(params, results);
        }
        self.labels.pop();
        self.emit("end");
        *height = *height - params - condition + results;
    }

    fn br_table(&mut self, height: &mut u32) {
        let default = self.depth();
        let arity = self.arity(default);
        let same: Vec<u32> = (0..self.labels.len() as u32).filter(|&depth| self.arity(depth) == arity).collect();
        self.need(height, arity + 1);
        let mut instruction = String::from("br_table");
        for _ in 0..self.random.below(5) {
            let _ = write!(instruction, " {}", same[self.random.below(same.len() as u32) as usize]);
        }
        self.emit(&format!("{instruction} {default}"));
        *height = 0;
    }

    fn call(&mut self, height: &mut u32) {
        let callee = self.random.below(self.signatures.len() as u32);
        let (params, results) = self.signatures[callee as usize];
        let indirect = self.random.one_in(2);
        self.need(height, params + u32::from(indirect));
        if indirect {
            self.emit(&format!("call_indirect (type $t{params}_{results})"));
            *height -= 1;
        } else {
            self.emit(&format!("call {callee}"));
        }
        *height = *height - params + results;
    }
}

/// The text fixtures of the repository, as wasm; those with features that are not supported are left out.
pub fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/wat");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ext| ext == "wat")).collect();
    paths.sort();
    let name = |path: &std::path::Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().filter_map(|path| Some((name(path), wat::parse_file(path).ok()?))).collect()
}
