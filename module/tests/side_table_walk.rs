//! An independent check of side tables: two machines walk the same random paths through a function. One knows nothing but the side table, the other
//! nothing but the structure (a label stack and a scan for the matching `end`). They must agree on position, entry, height and arity at every step.

mod common;

use common::Random;
use trjit_module::flat::{FunctionRecord, SideTableEntry};
use trjit_module::wasmparser::{BlockType, Catch, FuncValidatorAllocations, Operator, Parser, ValidPayload, Validator};
use trjit_module::{FEATURES, Module, TypeIndex};

/// An operator with what the structured machine needs to know.
struct Op<'a> {
    ip: i32,
    operator: Operator<'a>,
    /// Values popped and pushed, of plain instructions.
    arity: (u32, u32),
}

/// Decodes and validates without the crate under test.
fn decode(wasm: &[u8]) -> Vec<Vec<Op<'_>>> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let valid = validator.payload(&payload.expect("parses")).expect("valid");
        let ValidPayload::Func(function, body) = valid else { continue };
        let mut validator = function.into_validator(FuncValidatorAllocations::default());
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader).expect("valid locals");
        let mut operators = body.get_operators_reader().expect("operators");
        let start = operators.original_position();
        let mut ops = Vec::new();
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset().expect("parses");
            let arity = operator.operator_arity(&validator).unwrap_or((0, 0));
            validator.op(offset, &operator).expect("valid");
            ops.push(Op { ip: (offset - start) as i32, operator, arity });
        }
        functions.push(ops);
    }
    functions
}

/// Entries that the instruction has where it is reachable.
fn own_entries(operator: &Operator<'_>) -> usize {
    match operator {
        Operator::Br { .. } | Operator::BrIf { .. } | Operator::BrOnNull { .. } | Operator::BrOnNonNull { .. } => 1,
        Operator::If { .. } | Operator::Else => 1,
        operator if is_indirect_call(operator) => 1,
        Operator::BrTable { targets } => targets.len() as usize + 1,
        Operator::TryTable { try_table } => try_table.catches.len(),
        _ => 0,
    }
}

fn is_indirect_call(operator: &Operator<'_>) -> bool {
    let is_call = matches!(operator, Operator::CallIndirect { .. } | Operator::CallRef { .. });
    is_call || matches!(operator, Operator::ReturnCallIndirect { .. } | Operator::ReturnCallRef { .. })
}

/// Whether control leaves the function (or the handlers that the path knows) here.
fn leaves(operator: &Operator<'_>) -> bool {
    let returns = matches!(operator, Operator::Return | Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. });
    let throws = matches!(operator, Operator::Throw { .. } | Operator::ThrowRef | Operator::Unreachable);
    returns || throws || matches!(operator, Operator::ReturnCallRef { .. })
}

fn opens(operator: &Operator<'_>) -> bool {
    let blocks = matches!(operator, Operator::Block { .. } | Operator::Loop { .. } | Operator::TryTable { .. });
    blocks || matches!(operator, Operator::If { .. })
}

/// For each operator how many entries come before it in the function, and the total.
fn expected_positions(ops: &[Op<'_>]) -> Vec<usize> {
    let mut positions = Vec::new();
    let (mut total, mut reachable) = (0, true);
    let mut opened = vec![true];
    for op in ops {
        positions.push(total);
        if reachable {
            total += own_entries(&op.operator);
        }
        match op.operator {
            _ if opens(&op.operator) => opened.push(reachable),
            Operator::Else => reachable = *opened.last().expect("inside of an if"),
            Operator::End => reachable = opened.pop().expect("balanced"),
            Operator::Br { .. } | Operator::BrTable { .. } => reachable = false,
            _ => reachable &= !leaves(&op.operator),
        }
    }
    positions.push(total);
    positions
}

/// The position of the `else` or `end` that belongs to the block opened at `opener`.
fn matching(ops: &[Op<'_>], opener: usize, want_else: bool) -> Option<usize> {
    let mut depth = 0;
    for (at, op) in ops.iter().enumerate().skip(opener + 1) {
        match op.operator {
            _ if opens(&op.operator) => depth += 1,
            Operator::Else if depth == 0 && want_else => return Some(at),
            Operator::End if depth == 0 => return (!want_else).then_some(at),
            Operator::End => depth -= 1,
            _ => {}
        }
    }
    None
}

#[derive(Clone, Copy)]
struct Label {
    /// The operator that opened the block; `None` for the body.
    opener: Option<usize>,
    is_loop: bool,
    base: u32,
    params: u32,
    results: u32,
}

struct Walk<'w> {
    module: &'w Module,
    ops: &'w [Op<'w>],
    positions: Vec<usize>,
    record: FunctionRecord,
    entries: &'w [SideTableEntry],
    /// The structured machine.
    at: usize,
    labels: Vec<Label>,
    height: u32,
    /// The machine that has only the side table.
    ip: i32,
    st: i32,
    taken: Taken,
}

#[derive(Default, Clone, Copy)]
struct Taken {
    forward: u32,
    back: u32,
    carried: u32,
    caught: u32,
    steps: u32,
}

fn label_of(clause: &Catch) -> u32 {
    match clause {
        Catch::One { label, .. } | Catch::OneRef { label, .. } | Catch::All { label } | Catch::AllRef { label } => *label,
    }
}

impl Walk<'_> {
    fn run(&mut self, random: &mut Random) {
        self.labels = vec![Label { opener: None, is_loop: false, base: 0, params: 0, results: self.record.results }];
        (self.at, self.height, self.ip, self.st) = (0, 0, 0, 0);
        for _ in 0..400 {
            assert_eq!(self.ip, self.ops[self.at].ip, "position");
            assert_eq!(self.st as usize, self.positions[self.at], "entry at ip {}", self.ip);
            assert!(self.record.locals + self.height <= self.record.frame_slots, "frame at ip {}", self.ip);
            self.taken.steps += 1;
            if !self.step(random) {
                return;
            }
        }
    }

    /// Runs one instruction on both machines; false at the end of the path.
    fn step(&mut self, random: &mut Random) -> bool {
        let ops = self.ops;
        match &ops[self.at].operator {
            operator if leaves(operator) => return false,
            Operator::Block { blockty } => self.open(*blockty, false),
            Operator::TryTable { try_table } => {
                let clauses = try_table.catches.len();
                // As if something in the block threw: labels of clauses count from outside of it.
                let caught = random.below(2 * (clauses as u32 + 1)) as usize;
                if let Some(clause) = try_table.catches.get(caught) {
                    self.st += caught as i32;
                    self.branch(label_of(clause));
                    self.taken.caught += 1;
                    return true;
                }
                self.st += clauses as i32;
                self.open(try_table.ty, false);
            }
            Operator::Loop { blockty } => self.open(*blockty, true),
            Operator::If { blockty } => {
                self.height -= 1;
                self.open(*blockty, false);
                if random.one_in(2) {
                    self.skip_block();
                    return true;
                }
                self.st += 1;
            }
            Operator::Else => {
                // The end of the then-branch.
                let label = self.labels[self.labels.len() - 1];
                assert_eq!(self.height, label.base + label.results);
                self.branch(0);
                return true;
            }
            Operator::End => {
                let Some(label) = self.labels.pop() else { return false };
                assert_eq!(self.height, label.base + label.results);
                if self.labels.is_empty() {
                    return false;
                }
            }
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                return true;
            }
            Operator::BrIf { relative_depth } => {
                self.height -= 1;
                if random.one_in(2) {
                    self.branch(*relative_depth);
                    return true;
                }
                self.st += 1;
            }
            Operator::BrOnNull { relative_depth } => {
                if random.one_in(2) {
                    self.branch(*relative_depth);
                    return true;
                }
                self.st += 1;
            }
            Operator::BrOnNonNull { relative_depth } => {
                if random.one_in(2) {
                    self.branch(*relative_depth);
                    return true;
                }
                self.height -= 1;
                self.st += 1;
            }
            Operator::BrTable { targets } => {
                self.height -= 1;
                let chosen = random.below(targets.len() + 1);
                let depth = targets.targets().nth(chosen as usize).map_or(targets.default(), |depth| depth.expect("parses"));
                self.st += chosen as i32;
                self.branch(depth);
                return true;
            }
            operator => {
                let (pops, pushes) = ops[self.at].arity;
                self.height = self.height - pops + pushes;
                if is_indirect_call(operator) {
                    assert!(self.entries[self.st as usize].is_indirect_site());
                    self.st += 1;
                }
            }
        }
        self.at += 1;
        self.ip = ops[self.at].ip;
        true
    }

    fn open(&mut self, blockty: BlockType, is_loop: bool) {
        let (params, results) = match blockty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => {
                let ty = self.module.func_type(TypeIndex(ty));
                (ty.params().len() as u32, ty.results().len() as u32)
            }
        };
        self.labels.push(Label { opener: Some(self.at), is_loop, base: self.height - params, params, results });
    }

    /// Follows the current entry and compares it with where the structure says that control goes.
    fn follow(&mut self, target: usize, keep: u32, base: u32) {
        let entry = self.entries[self.st as usize];
        assert!(!entry.is_indirect_site());
        assert_eq!(entry.keep, keep, "keep at ip {}", self.ip);
        assert_eq!(entry.height, self.record.locals + base, "height at ip {}", self.ip);
        assert_eq!(entry.is_back_edge(), target <= self.at, "direction at ip {}", self.ip);
        self.taken.back += u32::from(target <= self.at);
        self.taken.forward += u32::from(target > self.at);
        self.taken.carried += keep;
        self.ip += entry.delta_ip;
        self.st += entry.delta_st;
        self.height = base + keep;
        self.at = target;
    }

    /// An `if` whose condition is zero: to the else-branch, or behind the end. Its label is on top already.
    fn skip_block(&mut self) {
        let label = self.labels[self.labels.len() - 1];
        match matching(self.ops, self.at, true) {
            Some(otherwise) => self.follow(otherwise + 1, label.params, label.base),
            None => {
                let end = matching(self.ops, self.at, false).expect("every block has an end");
                self.labels.pop();
                self.follow(end + 1, label.params, label.base);
            }
        }
    }

    fn branch(&mut self, depth: u32) {
        let position = self.labels.len() - 1 - depth as usize;
        let label = self.labels[position];
        match label.opener {
            Some(opener) if label.is_loop => {
                self.labels.truncate(position + 1);
                self.follow(opener + 1, label.params, label.base);
            }
            Some(opener) => {
                self.labels.truncate(position);
                let end = matching(self.ops, opener, false).expect("every block has an end");
                self.follow(end + 1, label.results, label.base);
            }
            None => {
                self.labels.truncate(1);
                self.follow(self.ops.len() - 1, label.results, label.base);
            }
        }
    }
}

fn walk_module(name: &str, wasm: &[u8], random: &mut Random, total: &mut Taken) {
    let module = Module::parse(wasm.to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (ops, record) in decode(wasm).iter().zip(module.functions()) {
        let positions = expected_positions(ops);
        assert_eq!(positions[ops.len()], record.side_table_len as usize, "{name}: entries");
        let entries = module.body(record).expect("a body").side_table;
        let (labels, taken) = (Vec::new(), *total);
        let mut walk = Walk { module: &module, ops, positions, record: *record, entries, at: 0, labels, height: 0, ip: 0, st: 0, taken };
        for _ in 0..20 {
            walk.run(random);
        }
        *total = walk.taken;
    }
}

#[test]
fn random_modules() {
    let mut total = Taken::default();
    for seed in 0..300 {
        let text = common::random_module(seed);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        walk_module(&format!("seed {seed}"), &wasm, &mut Random::new(seed), &mut total);
    }
    // The paths are worth something only if they branch.
    assert!(
        total.forward > 5_000 && total.back > 500 && total.carried > 5_000 && total.steps > 50_000,
        "{} {} {} {}",
        total.forward,
        total.back,
        total.carried,
        total.steps
    );
}

#[test]
fn fixtures() {
    let mut total = Taken::default();
    for (name, wasm) in common::fixtures() {
        if Validator::new_with_features(FEATURES).validate_all(&wasm).is_ok() {
            walk_module(&name, &wasm, &mut Random::new(1), &mut total);
        }
    }
    assert!(total.caught > 100, "{} clauses of fixtures were entered", total.caught);
}
