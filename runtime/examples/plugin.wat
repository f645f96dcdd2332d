;; The plugin of `plugin_host.rs`: a reactor, which has no `main` but is initialized once and then serves requests.
;;
;; Memory: 0 a table for the checksum, 1024 what `fd_write` needs, 2048 texts, 4096 requests.
(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 2048) "plugin: ready\n")

    (func $say (param $at i32) (param $len i32)
        (i32.store (i32.const 1024) (local.get $at))
        (i32.store (i32.const 1028) (local.get $len))
        (drop (call $fd_write (i32.const 2) (i32.const 1024) (i32.const 1) (i32.const 1032))))

    ;; The remainder of a byte, for the table.
    (func $remainder (param $value i32) (result i32) (local $bit i32)
        (loop $next
            (local.set $value
                (i32.xor
                    (i32.shr_u (local.get $value) (i32.const 1))
                    (i32.and (i32.const 0xedb88320) (i32.sub (i32.const 0) (i32.and (local.get $value) (i32.const 1))))))
            (br_if $next (i32.lt_u (local.tee $bit (i32.add (local.get $bit) (i32.const 1))) (i32.const 8))))
        (local.get $value))

    (func $initialize (export "_initialize") (local $byte i32)
        (loop $next
            (i32.store (i32.shl (local.get $byte) (i32.const 2)) (call $remainder (local.get $byte)))
            (br_if $next (i32.lt_u (local.tee $byte (i32.add (local.get $byte) (i32.const 1))) (i32.const 256))))
        (call $say (i32.const 2048) (i32.const 14)))

    ;; Where a request may be written that has so many bytes; 0: it is too large.
    (func $place (export "place") (param $len i32) (result i32)
        (select (i32.const 4096) (i32.const 0) (i32.le_u (local.get $len) (i32.const 65536))))

    (func $step (param $sum i32) (param $byte i32) (result i32)
        (i32.xor
            (i32.shr_u (local.get $sum) (i32.const 8))
            (i32.load (i32.shl (i32.and (i32.xor (local.get $sum) (local.get $byte)) (i32.const 255)) (i32.const 2)))))

    ;; The CRC-32 of a request.
    (func $checksum (export "checksum") (param $at i32) (param $len i32) (result i32) (local $sum i32)
        (local.set $sum (i32.const -1))
        (block $done
            (loop $next
                (br_if $done (i32.eqz (local.get $len)))
                (local.set $sum (call $step (local.get $sum) (i32.load8_u (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next)))
        (i32.xor (local.get $sum) (i32.const -1)))

    ;; How often a byte occurs in a request.
    (func $count (export "count") (param $at i32) (param $len i32) (param $byte i32) (result i32) (local $found i32)
        (block $done
            (loop $next
                (br_if $done (i32.eqz (local.get $len)))
                (local.set $found (i32.add (local.get $found) (i32.eq (i32.load8_u (local.get $at)) (local.get $byte))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next)))
        (local.get $found)))
