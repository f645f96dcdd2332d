;; Tail calls through a table with 64-bit indices.

(module
  (type $step (func (param i64 i64) (result i64)))
  (table i64 funcref (elem $up $done))
  ;; Counts the first argument down to 0 and the second one up; the table's second function ends it.
  (func $up (type $step)
    (return_call_indirect (type $step)
      (i64.sub (local.get 0) (i64.const 1)) (i64.add (local.get 1) (i64.const 1))
      (i64.extend_i32_u (i64.eq (local.get 0) (i64.const 1)))))
  (func $done (type $step) (local.get 1))
  (func (export "count") (param i64) (result i64) (return_call $up (local.get 0) (i64.const 0)))
  (func (export "at") (param i64) (result i64) (return_call_indirect (type $step) (i64.const 1) (i64.const 5) (local.get 0)))
)

(assert_return (invoke "count" (i64.const 1)) (i64.const 1))
(assert_return (invoke "count" (i64.const 100_000)) (i64.const 100_000))
(assert_return (invoke "at" (i64.const 0)) (i64.const 6))
(assert_return (invoke "at" (i64.const 1)) (i64.const 5))
(assert_trap (invoke "at" (i64.const 2)) "undefined element")
(assert_trap (invoke "at" (i64.const 0x1_0000_0000)) "undefined element")
