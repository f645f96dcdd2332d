//! The side table of hand-written functions, entry by entry. Positions in the comments are offsets from the function's first instruction.

use trjit_module::flat::{FunctionRecord, NONE};
use trjit_module::{FuncIndex, Module};

/// (delta_ip, delta_st, keep, height)
type Entry = (i32, i32, u32, u32);

fn parse(text: &str) -> Module {
    Module::parse(wat::parse_str(text).expect("the test's text is well-formed")).expect("the test's module is valid")
}

fn entries(module: &Module, record: &FunctionRecord) -> Vec<Entry> {
    let body = module.body(record).expect("a body");
    body.side_table.iter().map(|entry| (entry.delta_ip, entry.delta_st, entry.keep, entry.height)).collect()
}

/// Checks the only function of a module, and that `length` is the length of its instructions.
#[track_caller]
fn check(text: &str, length: u32, expected: &[Entry]) -> FunctionRecord {
    let module = parse(text);
    let record = module.functions()[0];
    assert_eq!(record.body.offset + record.body.len - record.code_start, length, "the comments' positions are wrong");
    assert_eq!(entries(&module, &record), expected);
    record
}

#[test]
fn block() {
    // 0 block, 2 br, 4 end, 5 end
    check("(module (func (param i32) block br 0 end))", 6, &[(3, 1, 0, 1)]);
}

#[test]
fn loop_goes_back() {
    // 0 loop, 2 local.get, 4 br_if, 6 end, 7 end
    let record = check("(module (func (param i32) loop local.get 0 br_if 0 end))", 8, &[(-2, 0, 0, 1)]);
    assert_eq!(record.flags, FunctionRecord::HAS_LOOP);
}

#[test]
fn tight_loop_is_a_back_edge() {
    // 0 loop, 2 br, 4 end, 5 end
    let module = parse("(module (func loop br 0 end))");
    assert_eq!(entries(&module, &module.functions()[0]), [(0, 0, 0, 0)]);
    assert!(module.body(&module.functions()[0]).expect("a body").side_table[0].is_back_edge());
}

#[test]
fn branch_back_over_entries() {
    // 0 loop, 2 local.get, 4 br_if, 6 local.get, 8 if, 10 br 1, 12 end, 13 end, 14 end
    let text = "(module (func (param i32) loop local.get 0 br_if 0 local.get 0 if br 1 end end))";
    check(text, 15, &[(-2, 0, 0, 1), (5, 2, 0, 1), (-8, -2, 0, 1)]);
}

#[test]
fn if_else_with_result() {
    // 0 local.get, 2 if, 4 i32.const, 6 else, 7 i32.const, 9 end, 10 end
    let text = "(module (func (param i32) (result i32) local.get 0 if (result i32) i32.const 1 else i32.const 2 end))";
    let record = check(text, 11, &[(5, 2, 0, 1), (4, 1, 1, 1)]);
    assert_eq!((record.params, record.results, record.locals, record.frame_slots, record.flags), (1, 1, 1, 2, 0));
}

#[test]
fn if_without_else() {
    // 0 local.get, 2 if, 4 nop, 5 end, 6 end
    check("(module (func (param i32) local.get 0 if nop end))", 7, &[(4, 1, 0, 1)]);
}

#[test]
fn if_with_parameters_keeps_them() {
    // 0 i32.const, 2 local.get, 4 if (type 0), 6 i32.const, 8 i32.add, 9 end, 10 drop, 11 end
    let text = "(module (type $t (func (param i32) (result i32)))
        (func (param i32) i32.const 1 local.get 0 if (type $t) i32.const 2 i32.add end drop))";
    check(text, 12, &[(6, 1, 1, 1)]);
}

#[test]
fn br_table_default_last() {
    // 0 block, 2 block, 4 local.get, 6 br_table, 11 end, 12 end, 13 end
    let text = "(module (func (param i32) block block local.get 0 br_table 0 1 2 end end))";
    check(text, 14, &[(6, 3, 0, 1), (7, 2, 0, 1), (7, 1, 0, 1)]);
}

#[test]
fn br_table_with_values_into_a_loop_and_a_block() {
    // 0 i32.const, 2 block (type $b), 4 loop (type $b), 6 local.get, 8 br_table, 13 end, 14 end, 15 drop, 16 end
    let text = "(module (type $b (func (param i32) (result i32)))
        (func (param i32) i32.const 1 block (type $b) loop (type $b) local.get 0 br_table 0 1 0 end end drop))";
    check(text, 17, &[(-2, 0, 1, 1), (7, 2, 1, 1), (-2, -2, 1, 1)]);
}

#[test]
fn br_if_carries_a_value_over_others() {
    // 0 i32.const, 2 block, 4 i32.const, 6 local.get, 8 br_if, 10 drop, 11 i32.const, 13 end, 14 i32.add, 15 end
    let text = "(module (func (param i32) (result i32)
        i32.const 7 block (result i32) i32.const 8 local.get 0 br_if 0 drop i32.const 9 end i32.add))";
    let record = check(text, 16, &[(6, 1, 1, 2)]);
    assert_eq!(record.frame_slots, 4);
}

#[test]
fn loop_keeps_its_parameters() {
    // 0 i32.const, 2 i32.const, 4 loop (type 0), 6 local.get, 8 br_if, 10 i32.add, 11 end, 12 end
    let text = "(module (type $t (func (param i32 i32) (result i32)))
        (func (param i32) (result i32) i32.const 1 i32.const 2 loop (type $t) local.get 0 br_if 0 i32.add end))";
    check(text, 13, &[(-2, 0, 2, 1)]);
}

#[test]
fn branch_to_the_body_goes_to_its_end() {
    // 0 block, 2 i32.const, 4 br 1, 6 end, 7 i32.const, 9 end
    let text = "(module (func (param i32) (result i32) block i32.const 5 br 1 end i32.const 0))";
    check(text, 10, &[(5, 1, 1, 1)]);
}

#[test]
fn unreachable_code_has_no_entries() {
    // 0 block, 2 br, 4 br, 6 block, 8 br, 10 end, 11 i32.const, 13 br_if, 15 end, 16 block, 18 br, 20 end, 21 end
    let text = "(module (func block br 0 br 0 block br 0 end i32.const 0 br_if 0 end block br 0 end))";
    check(text, 22, &[(14, 1, 0, 0), (3, 1, 0, 0)]);
}

#[test]
fn else_behind_a_stop_has_no_entry() {
    // 0 local.get, 2 if, 4 unreachable, 5 else, 6 nop, 7 end, 8 end
    check("(module (func (param i32) local.get 0 if unreachable else nop end))", 9, &[(4, 1, 0, 1)]);
}

#[test]
fn whole_if_in_unreachable_code_has_no_entries() {
    // 0 return, 1 i32.const, 3 if, 5 br 0, 7 else, 8 br 0, 10 end, 11 end
    check("(module (func return i32.const 0 if br 0 else br 0 end))", 12, &[]);
}

#[test]
fn return_and_br_table_stop_until_the_end() {
    // 0 local.get, 2 if, 4 return, 5 br 0, 7 end, 8 block, 10 local.get, 12 br_table 0 0, 16 br 0, 18 end, 19 end
    let text = "(module (func (param i32) local.get 0 if return br 0 end block local.get 0 br_table 0 0 br 0 end))";
    check(text, 20, &[(6, 1, 0, 1), (7, 2, 0, 1), (7, 1, 0, 1)]);
}

#[test]
fn indirect_calls_are_numbered_through_the_module() {
    let module = parse(
        "(module (type $v (func)) (table 1 funcref)
            (func (param i32) local.get 0 call_indirect (type $v) local.get 0 call_indirect (type $v)
                unreachable local.get 0 call_indirect (type $v))
            (func)
            (func (param i32) local.get 0 call_indirect (type $v)))",
    );
    let records = module.functions();
    assert_eq!(entries(&module, &records[0]), [(0, 1, 0, NONE), (0, 1, 1, NONE)]);
    assert_eq!(entries(&module, &records[2]), [(0, 1, 2, NONE)]);
    let sites: Vec<_> = records.iter().map(|record| (record.indirect_sites_start, record.indirect_sites_len)).collect();
    assert_eq!(sites, [(0, 2), (2, 0), (2, 1)]);
    assert_eq!(module.header().indirect_sites, 3);
    assert_eq!(records.iter().map(|record| record.flags).collect::<Vec<_>>(), [FunctionRecord::HAS_CALL, 0, FunctionRecord::HAS_CALL]);
}

#[test]
fn frame_holds_the_results_and_the_deepest_stack() {
    let module = parse(
        "(module (func (param i64) (result i32 i32 i32) (local f64 f32) i32.const 1 i32.const 2 i32.const 3) (func (result i32 i32) unreachable))",
    );
    let records = module.functions();
    assert_eq!((records[0].locals, records[0].frame_slots), (3, 6));
    assert_eq!((records[1].locals, records[1].frame_slots), (0, 2));
    assert_eq!(module.function(FuncIndex(1)).map(|record| record.type_index), Some(1));
}
