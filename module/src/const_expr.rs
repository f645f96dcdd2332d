//! Constant expressions: in WebAssembly 2.0 they are one instruction and an `end`, so a record holds each of them.

use crate::error::ParseError;
use crate::flat::ConstExpr;
use wasmparser::Operator;

/// Reads a validated constant expression.
pub(crate) fn read(expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, ParseError> {
    let constant = |value| ConstExpr { kind: ConstExpr::CONST, reserved: 0, value };
    let index = |kind, index: u32| ConstExpr { kind, reserved: 0, value: index.into() };
    let mut reader = expr.get_operators_reader();
    let (operator, offset) = reader.read_with_offset()?;
    let read = match operator {
        // The sign must not reach the high half: slots are zero-extended.
        Operator::I32Const { value } => constant(u64::from(value as u32)),
        Operator::I64Const { value } => constant(value as u64),
        Operator::F32Const { value } => constant(value.bits().into()),
        Operator::F64Const { value } => constant(value.bits()),
        Operator::GlobalGet { global_index } => index(ConstExpr::GLOBAL_GET, global_index),
        Operator::RefNull { .. } => ConstExpr::NULL,
        Operator::RefFunc { function_index } => index(ConstExpr::REF_FUNC, function_index),
        other => return Err(ParseError::Invalid { offset, message: format!("constant expression begins with {other:?}") }),
    };
    match reader.read_with_offset()? {
        (Operator::End, _) => Ok(read),
        (other, offset) => {
            Err(ParseError::Invalid { offset, message: format!("constant expression goes on with {other:?}, expected end") })
        }
    }
}
