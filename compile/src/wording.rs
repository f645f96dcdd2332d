//! Instructions as the text format writes them, with indices as numbers and branch depths as depths.

use std::fmt::Write;
use wasmparser::{BlockType, Operator};

/// Prefixes of names that a dot follows.
const SPACES: &[&str] = &[
    "i32", "i64", "f32", "f64", "v128", "i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2", "local", "global", "memory", "table", "ref",
    "elem", "data", "atomic",
];

/// The instruction with its immediates.
pub(crate) fn text(operator: &Operator<'_>) -> String {
    let mut text = name(visit_name(operator));
    immediates(&mut text, operator);
    text
}

/// The name of the visiting method, which all operators have.
fn visit_name(operator: &Operator<'_>) -> &'static str {
    macro_rules! names {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($annotation:tt)*))*) => {
            // The library may get operators that its list does not have.
            #[allow(unreachable_patterns)]
            match operator {
                $(Operator::$op { .. } => stringify!($visit),)*
                _ => "visit_unknown",
            }
        };
    }
    wasmparser::for_each_operator!(names)
}

/// `visit_i32_atomic_rmw8_add_u` is `i32.atomic.rmw8.add_u`.
fn name(visit: &str) -> String {
    let name = visit.strip_prefix("visit_").unwrap_or(visit).trim_start_matches("typed_");
    let Some((space, rest)) = name.split_once('_').filter(|(space, _)| SPACES.contains(space)) else {
        return if name == "select_multi" { "select".into() } else { name.into() };
    };
    let Some(atomic) = rest.strip_prefix("atomic_") else { return format!("{space}.{rest}") };
    let (before, after) = atomic.split_once('_').filter(|(before, _)| before.starts_with("rmw")).unwrap_or((atomic, ""));
    if after.is_empty() { format!("{space}.atomic.{atomic}") } else { format!("{space}.atomic.{before}.{after}") }
}

/// Writing to a string does not fail.
macro_rules! put {
    ($text:expr, $($part:tt)*) => { let _ = write!($text, $($part)*); };
}

fn immediates(text: &mut String, operator: &Operator<'_>) {
    use Operator as O;
    match operator {
        O::Block { blockty } | O::Loop { blockty } | O::If { blockty } => block_type(text, blockty),
        O::TryTable { try_table } => {
            block_type(text, &try_table.ty);
            try_table.catches.iter().for_each(|catch| put_catch(text, catch));
        }
        O::Br { relative_depth } | O::BrIf { relative_depth } | O::BrOnNull { relative_depth } | O::BrOnNonNull { relative_depth } => {
            put!(text, " {relative_depth}");
        }
        O::BrTable { targets } => {
            targets.targets().flatten().for_each(|target| {
                put!(text, " {target}");
            });
            put!(text, " {}", targets.default());
        }
        O::Call { function_index } | O::ReturnCall { function_index } | O::RefFunc { function_index } => {
            put!(text, " {function_index}");
        }
        O::CallIndirect { type_index, table_index } | O::ReturnCallIndirect { type_index, table_index } => {
            if *table_index != 0 {
                put!(text, " {table_index}");
            }
            put!(text, " (type {type_index})");
        }
        O::CallRef { type_index } | O::ReturnCallRef { type_index } => {
            put!(text, " {type_index}");
        }
        O::LocalGet { local_index } | O::LocalSet { local_index } | O::LocalTee { local_index } => {
            put!(text, " {local_index}");
        }
        O::GlobalGet { global_index } | O::GlobalSet { global_index } => {
            put!(text, " {global_index}");
        }
        O::I32Const { value } => {
            put!(text, " {value}");
        }
        O::I64Const { value } => {
            put!(text, " {value}");
        }
        O::F32Const { value } => {
            put!(text, " {:?}", f32::from_bits(value.bits()));
        }
        O::F64Const { value } => {
            put!(text, " {:?}", f64::from_bits(value.bits()));
        }
        O::V128Const { value } => {
            put!(text, " {:#034x}", value.i128());
        }
        O::Throw { tag_index } => {
            put!(text, " {tag_index}");
        }
        other => rest(text, other),
    }
}

fn put_catch(text: &mut String, catch: &wasmparser::Catch) {
    use wasmparser::Catch as C;
    match catch {
        C::One { tag, label } => {
            put!(text, " (catch {tag} {label})");
        }
        C::OneRef { tag, label } => {
            put!(text, " (catch_ref {tag} {label})");
        }
        C::All { label } => {
            put!(text, " (catch_all {label})");
        }
        C::AllRef { label } => {
            put!(text, " (catch_all_ref {label})");
        }
    }
}

fn block_type(text: &mut String, ty: &BlockType) {
    match ty {
        BlockType::Empty => {}
        BlockType::Type(ty) => {
            put!(text, " (result {ty})");
        }
        BlockType::FuncType(ty) => {
            put!(text, " (type {ty})");
        }
    }
}

/// Accesses to memory, lanes, and the few others: by what the operator says of itself, such as
/// `V128Load8Lane { memarg: MemArg { align: 0, max_align: 0, offset: 4, target: Memory(0), .. }, lane: 5 }`.
fn rest(text: &mut String, operator: &Operator<'_>) {
    let shown = format!("{operator:?}");
    let Some((_, fields)) = shown.split_once('{') else { return };
    let (access, plain) = match fields.split_once("memarg: ") {
        Some((_, memarg)) => memarg.split_once('}').unwrap_or((memarg, "")),
        None => ("", fields),
    };
    put_access(text, access);
    for field in plain.trim_end_matches(['}', ' ']).split(", ") {
        if let Some((_, value)) = field.split_once(": ").filter(|(_, value)| !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()))
        {
            put!(text, " {value}");
        }
    }
}

fn put_access(text: &mut String, memarg: &str) {
    let number = |before: &str| -> u64 {
        let digits = memarg.split_once(before).map_or("", |(_, behind)| behind);
        digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let (memory, offset, align) = (number("Memory("), number(" offset: "), number(" align: "));
    if memory != 0 {
        put!(text, " {memory}");
    }
    if offset != 0 {
        put!(text, " offset={offset}");
    }
    if align != number("max_align: ") {
        put!(text, " align={}", 1u64 << align.min(63));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::OperatorsReader;

    #[test]
    fn names_are_those_of_the_text_format() {
        for (visit, expected) in [
            ("visit_i32_add", "i32.add"),
            ("visit_i64_extend_i32_u", "i64.extend_i32_u"),
            ("visit_br_if", "br_if"),
            ("visit_call_indirect", "call_indirect"),
            ("visit_local_get", "local.get"),
            ("visit_i32_atomic_rmw8_add_u", "i32.atomic.rmw8.add_u"),
            ("visit_i64_atomic_load", "i64.atomic.load"),
            ("visit_memory_atomic_wait32", "memory.atomic.wait32"),
            ("visit_atomic_fence", "atomic.fence"),
            ("visit_i8x16_extract_lane_s", "i8x16.extract_lane_s"),
            ("visit_typed_select", "select"),
            ("visit_unreachable", "unreachable"),
        ] {
            assert_eq!(name(visit), expected);
        }
    }

    #[test]
    fn immediates_follow() {
        // i32.load offset=8; local.get 3; i64.const -2; br_table 0 1; v128.load8_lane lane 5; end
        let code = [0x28, 2, 8, 0x20, 3, 0x42, 0x7e, 0x0e, 1, 0, 1, 0xfd, 84, 0, 4, 5, 0x04, 0x40, 0x0b, 0x0b];
        let reader = OperatorsReader::new(wasmparser::BinaryReader::new(&code, 0));
        let texts: Vec<String> = reader.into_iter().map(|operator| text(&operator.expect("the bytes are instructions"))).collect();
        let expected =
            ["i32.load offset=8", "local.get 3", "i64.const -2", "br_table 0 1", "v128.load8_lane offset=4 5", "if", "end", "end"];
        assert_eq!(texts, expected);
    }
}
