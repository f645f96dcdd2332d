//! Constant expressions: most are one instruction and an `end`, so a record holds each of them; longer ones go to `ConstOps`.

use crate::builder::Builder;
use crate::error::ParseError;
use crate::flat::ConstExpr;
use wasmparser::Operator;

impl Builder<'_> {
    /// Reads a validated constant expression.
    pub(crate) fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, ParseError> {
        let mut reader = expr.get_operators_reader();
        let mut ops = Vec::new();
        loop {
            let (operator, offset) = reader.read_with_offset()?;
            let op = match operator {
                Operator::End => break,
                Operator::V128Const { value } => {
                    self.uses_v128 = true;
                    self.v128(value.i128() as u128)
                }
                operator => instruction(&operator, offset)?,
            };
            ops.push(op);
        }
        Ok(match ops[..] {
            [single] => single,
            _ => {
                let start = self.const_ops.len() as u64;
                let len = ops.len() as u64;
                self.const_ops.append(&mut ops);
                ConstExpr { kind: ConstExpr::EXTENDED, reserved: 0, value: len << 32 | start }
            }
        })
    }

    fn v128(&mut self, value: u128) -> ConstExpr {
        let start = self.const_ops.len() as u64;
        self.const_ops.extend([constant(value as u64), constant((value >> 64) as u64)]);
        ConstExpr { kind: ConstExpr::V128, reserved: 0, value: start }
    }
}

fn constant(value: u64) -> ConstExpr {
    ConstExpr { kind: ConstExpr::CONST, reserved: 0, value }
}

fn instruction(operator: &Operator<'_>, offset: u64) -> Result<ConstExpr, ParseError> {
    let with = |kind, value: u32| ConstExpr { kind, reserved: 0, value: value.into() };
    Ok(match *operator {
        // The sign must not reach the high half: slots are zero-extended.
        Operator::I32Const { value } => constant(u64::from(value as u32)),
        Operator::I64Const { value } => constant(value as u64),
        Operator::F32Const { value } => constant(value.bits().into()),
        Operator::F64Const { value } => constant(value.bits()),
        Operator::GlobalGet { global_index } => with(ConstExpr::GLOBAL_GET, global_index),
        Operator::RefNull { .. } => ConstExpr::NULL,
        Operator::RefFunc { function_index } => with(ConstExpr::REF_FUNC, function_index),
        Operator::I32Add => with(ConstExpr::I32_ADD, 0),
        Operator::I32Sub => with(ConstExpr::I32_SUB, 0),
        Operator::I32Mul => with(ConstExpr::I32_MUL, 0),
        Operator::I64Add => with(ConstExpr::I64_ADD, 0),
        Operator::I64Sub => with(ConstExpr::I64_SUB, 0),
        Operator::I64Mul => with(ConstExpr::I64_MUL, 0),
        ref other => return Err(ParseError::Invalid { offset, message: format!("constant expression has {other:?}") }),
    })
}
