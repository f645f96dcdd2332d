//! Exceptions: handlers of every kind around statements and values, payloads, rethrown references, and throws in the depth of calls.
//!
//! ```text
//! block $out                         what the whole gives
//!   block $handler-1 (payload)       one block for each clause of the table, the last clause outermost
//!     block $handler-0 (payload)
//!       try_table (catch ... $handler-0) (catch ... $handler-1)   guarded    end
//!       br $out
//!     end   payload to locals, statements   br $out
//!   end     payload to locals, statements
//! end
//! ```

use super::body::Body;
use std::borrow::Cow;
use wasm_encoder::{BlockType, Catch, Instruction, ValType};

/// A clause: of a tag or of all, and whether with the reference.
#[derive(Clone, Copy)]
struct Clause {
    tag: Option<u32>,
    reference: bool,
}

impl Body<'_> {
    /// Throws where a condition says so: seldom enough that loops get on.
    pub(super) fn throw_statement(&mut self) {
        let mask = *self.rng.pick(&[3, 7, 31]);
        self.seldom(mask);
        self.open(Instruction::If(BlockType::Empty), &[]);
        self.throw();
        self.close();
    }

    fn throw(&mut self) {
        if self.rng.one_in(5) {
            self.expression(ValType::EXNREF, 2);
            return self.emit(Instruction::ThrowRef);
        }
        let tag = self.rng.below(self.plan.tags.len() as u64) as u32;
        let payload = self.plan.tags[tag as usize].clone();
        self.expressions(&payload, 2);
        self.emit(Instruction::Throw(tag));
    }

    fn clauses(&mut self) -> Vec<Clause> {
        let tags = self.plan.tags.len() as u64;
        let one =
            |body: &mut Self| Clause { tag: (!body.rng.one_in(4)).then(|| body.rng.below(tags) as u32), reference: body.rng.one_in(2) };
        (0..self.rng.range(1, 3)).map(|_| one(self)).collect()
    }

    /// What a clause gives to its handler.
    fn payload(&self, clause: Clause) -> Vec<ValType> {
        let mut types = clause.tag.map_or(Vec::new(), |tag| self.plan.tags[tag as usize].clone());
        types.extend(clause.reference.then_some(ValType::EXNREF));
        types
    }

    /// Opens the blocks of the handlers and the `try_table` with this result.
    fn open_try(&mut self, clauses: &[Clause], result: &[ValType]) {
        for &clause in clauses.iter().rev() {
            let payload = self.payload(clause);
            self.open(Instruction::Block(self.block_type(&payload)), &payload);
        }
        let catch = |(label, clause): (u32, &Clause)| match (clause.tag, clause.reference) {
            (Some(tag), false) => Catch::One { tag, label },
            (Some(tag), true) => Catch::OneRef { tag, label },
            (None, false) => Catch::All { label },
            (None, true) => Catch::AllRef { label },
        };
        let catches: Vec<Catch> = (0..).zip(clauses).map(catch).collect();
        self.open(Instruction::TryTable(self.block_type(result), Cow::Owned(catches)), result);
    }

    pub(super) fn try_statement(&mut self) {
        let clauses = self.clauses();
        self.open(Instruction::Block(BlockType::Empty), &[]);
        self.open_try(&clauses, &[]);
        for _ in 0..self.rng.range(1, 4) {
            match self.rng.below(5) {
                0 => self.throw_statement(),
                1 | 2 => self.call_statement(),
                _ => self.statement(),
            }
        }
        self.close();
        self.handlers(&clauses, |body| body.statements(2));
    }

    /// A value, computed under handlers that have one of their own.
    pub(super) fn try_expression(&mut self, ty: ValType, depth: u32) {
        let clauses = self.clauses();
        self.open(Instruction::Block(BlockType::Result(ty)), &[ty]);
        self.open_try(&clauses, &[ty]);
        if self.rng.one_in(2) {
            self.throw_statement();
        }
        self.expression(ty, depth + 1);
        self.close();
        self.handlers(&clauses, |body| body.expression(ty, depth + 2));
    }

    /// The code of each handler, and the end of the whole.
    fn handlers(&mut self, clauses: &[Clause], code: impl Fn(&mut Self)) {
        for (outer, &clause) in (0..clauses.len() as u32).rev().zip(clauses) {
            // Labels around this handler: the outer handlers, then the whole.
            self.emit(Instruction::Br(outer + 1));
            self.close();
            let payload = self.payload(clause);
            self.keep(&payload);
            code(self);
        }
        self.close();
    }

    /// A reference to an exception that is thrown and caught at once, perhaps through a call.
    pub(super) fn caught(&mut self, depth: u32) {
        let all = Clause { tag: None, reference: true };
        self.open_try(&[all], &[]);
        if self.rng.one_in(2) && depth < 4 {
            self.call_statement();
        }
        let tag = self.rng.below(self.plan.tags.len() as u64) as u32;
        let payload = self.plan.tags[tag as usize].clone();
        self.expressions(&payload, depth + 2);
        self.emit(Instruction::Throw(tag));
        self.close();
        self.emit(Instruction::Unreachable);
        self.close();
    }
}
