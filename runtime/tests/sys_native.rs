//! The machine-near part of the runtime, run on hand-written machine code: entering, builtins, traps, stubs, interruption, stack walking.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

#[allow(dead_code, unused_imports)]
#[path = "../src/sys/mod.rs"]
mod sys;

#[path = "sys_support/blob.rs"]
mod blob;
#[path = "sys_support/world.rs"]
mod world;

mod table {
    crate::sys::builtin_shims!(crate::world::implementations);
}

/// What `sys` expects of the crate's builtins beside the shims' implementations.
mod builtins {
    pub use crate::world::find_to_interpreter;
}

use blob::at;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use sys::{Activation, Interruptible, LinearMemory, signals};
use trjit_module::TrapCode;
use world::{TRAPPED, World};

#[test]
fn code_is_entered_and_returns() {
    let world = World::new();
    assert_eq!(world.call(at::blob_answer(), 8), Some(50));
    assert_eq!(world.entry_sp(), 0);
}

#[test]
fn a_trap_unwinds_and_saved_registers_survive() {
    let world = World::new();
    for round in 0..3u64 {
        assert_eq!(world.call(at::blob_trap(), round), None);
        assert_eq!(world.trap_code(), TrapCode::Unreachable as usize);
        assert_eq!(TRAPPED.take(), [(Some(1), Some(11)), (None, None)]);
    }
    assert_eq!(world.call(at::blob_answer(), 0), Some(42));
}

#[test]
fn accesses_beyond_a_memory_trap_and_inside_do_not() {
    let world = World::new();
    let mut memory = LinearMemory::new(1).unwrap();
    let base = memory.base().addr() as u64;
    assert_eq!(world.call(at::blob_load(), base + 65528), Some(0));
    assert_eq!(world.call(at::blob_load(), base + 65536), None);
    assert_eq!(world.trap_code(), TrapCode::MemoryOutOfBounds as usize);
    // Half inside.
    assert_eq!(world.call(at::blob_load(), base + 65532), None);
    assert_eq!(world.call(at::blob_load(), base + (1 << 32) + (32 << 20) - 8), None);
    memory.grow(1, 2).unwrap();
    assert_eq!(world.call(at::blob_load(), base + 65536), Some(0));
}

#[test]
fn a_builtin_gets_its_arguments_and_returns() {
    let world = World::new();
    *world.grow.borrow_mut() = Some(Box::new(|_, delta| delta * 2));
    assert_eq!(world.call(at::blob_grow(), 1 << 40), Some((2 << 40) + 100));
}

#[test]
fn a_trap_in_a_nested_entry_leaves_the_outer_one_alone() {
    let world = World::new();
    *world.grow.borrow_mut() = Some(Box::new(|world, delta| {
        let outer = world.entry_sp();
        assert_eq!(world.call(at::blob_trap(), 0), None);
        assert_eq!(world.entry_sp(), outer);
        assert_eq!(world.call(at::blob_answer(), delta), Some(delta + 42));
        7
    }));
    assert_eq!(world.call(at::blob_nest(), 1), Some(1107));
    assert_eq!(world.entry_sp(), 0);
}

#[test]
fn a_builtin_that_traps_drops_all_frames_of_its_entry() {
    let world = World::new();
    *world.grow.borrow_mut() = Some(Box::new(|world, _| {
        // SAFETY: the store is leaked.
        unsafe { (*world.store).unwind = 1 };
        0
    }));
    assert_eq!(world.call(at::blob_nest(), 1), None);
    // SAFETY: the store is leaked.
    unsafe { assert_eq!(((*world.store).unwind, (*world.store).entry_sp), (0, 0)) };
}

#[test]
fn stacks_are_walked_across_activations() {
    let world = World::new();
    *world.grow.borrow_mut() = Some(Box::new(|world, depth| {
        // SAFETY: the store is alive, and so are all entries below this frame.
        let outer = unsafe { Activation::calling(world.store) };
        let expected = [(Some(3), Some(44)), (Some(4), Some(55)), (None, None)];
        assert_eq!(World::frames(outer), expected);
        // SAFETY: as above.
        let beyond = unsafe { outer.outer() };
        assert_eq!(beyond.is_some(), depth == 1);
        if let Some(beyond) = beyond {
            assert_eq!(World::frames(beyond), expected);
        } else {
            assert_eq!(world.call(at::blob_nest(), 1), Some(1100));
            // SAFETY: as above.
            assert_eq!(unsafe { Activation::calling(world.store) }, outer);
        }
        0
    }));
    assert_eq!(world.call(at::blob_nest(), 0), Some(1100));
}

#[test]
fn recursion_traps_at_the_limit_with_all_its_frames() {
    let world = World::new();
    assert_eq!(world.call(at::blob_recurse(), 0), None);
    assert_eq!(world.trap_code(), TrapCode::StackOverflow as usize);
    let frames = TRAPPED.take();
    assert_eq!(frames[0], (Some(6), Some(33)));
    // 512 KiB asked for, of which each frame takes 16 bytes.
    let recursive = frames.iter().filter(|frame| frame.0 == Some(6)).count();
    assert!((30_000..33_000).contains(&recursive), "{recursive}");
}

#[test]
fn the_lazy_stub_keeps_all_arguments() {
    let world = World::new();
    assert_eq!(world.call(at::blob_call(), 9), Some(511));
    world.jump_table[9].set(0);
    assert_eq!(world.call(at::blob_call(), 9), Some(1511));
}

#[test]
fn a_trampoline_that_is_made_late_gets_all_arguments() {
    let world = World::new();
    world.jump_table[8].set(0);
    // Function 8 has type 0, which has no trampoline: the one found takes the arguments of function 9's type.
    world.late_trampoline.set(world.image.code(at::blob_to_interpreter()));
    assert_eq!(world.call(at::blob_call(), 8), Some(1511));
    assert_eq!(world.asked_for.get(), 8);
}

#[test]
fn the_dispatch_stub_goes_through_the_jump_table() {
    let world = World::new();
    let stub = sys::dispatch_stub_address().addr() as u64;
    assert_eq!(world.call(at::blob_call_import(), stub), Some(511));
    world.jump_table[9].set(0);
    assert_eq!(world.call(at::blob_call_import(), stub), Some(1511));
}

#[test]
fn an_endless_loop_is_interrupted_from_another_thread() {
    let world = World::new();
    // SAFETY: the store is leaked.
    let interruptible = unsafe { Interruptible::new(world.store) };
    let handle = interruptible.handle();
    for _ in 0..20 {
        let scope = interruptible.enter_guest();
        let other = handle.clone();
        let other = std::thread::spawn(move || other.interrupt());
        assert_eq!(world.call(at::blob_loop(), 0), None);
        assert_eq!(world.trap_code(), TrapCode::Interrupt as usize);
        assert_eq!(TRAPPED.take().last(), Some(&(None, None)));
        drop(scope);
        assert!(other.join().unwrap());
        // SAFETY: the store is leaked; nobody else uses it now.
        assert_eq!(unsafe { (*world.store).interrupt }, 0, "the request ended with the run");
    }
    drop(interruptible);
    assert!(handle.interrupt(), "nothing to wait for without a store");
}

/// Signals come at any instruction: in prologues, between calls, in the shim, in Rust.
#[test]
fn interruption_stops_short_calls_wherever_they_are() {
    let world = World::new();
    // SAFETY: the store is leaked.
    let interruptible = unsafe { Interruptible::new(world.store) };
    *world.grow.borrow_mut() = Some(Box::new(|world, depth| if depth == 0 { 0 } else { world.call(at::blob_grow(), 0).unwrap_or(0) }));
    for round in 0..25 {
        let scope = interruptible.enter_guest();
        let handle = interruptible.handle();
        let other = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(round * 23));
            handle.interrupt()
        });
        while world.call(at::blob_nest(), 1).is_some() {}
        assert_eq!((world.trap_code(), world.entry_sp()), (TrapCode::Interrupt as usize, 0));
        drop(scope);
        assert!(other.join().unwrap());
    }
}

#[test]
fn interruption_reaches_blocking_calls_and_gives_up_in_time() {
    let world = World::new();
    // SAFETY: the store is leaked.
    let interruptible = unsafe { Interruptible::new(world.store) };
    let handle = interruptible.handle();
    let scope = interruptible.enter_guest();
    let nested = interruptible.enter_guest();
    assert!(!handle.interrupt(), "the own thread cannot wait for itself");
    let other = std::thread::spawn(move || handle.interrupt_within(Duration::from_millis(50)));
    // SAFETY: waits for no descriptor.
    let result = unsafe { libc::poll(std::ptr::null_mut(), 0, 20_000) };
    assert_eq!((result, std::io::Error::last_os_error().kind()), (-1, std::io::ErrorKind::Interrupted));
    drop(nested);
    assert!(!other.join().unwrap(), "still inside after the time");
    drop(scope);
}

#[test]
fn a_late_interrupt_signal_does_nothing() {
    let world = World::new();
    let start = Instant::now();
    // SAFETY: signals the own thread.
    unsafe { assert_eq!(libc::pthread_kill(libc::pthread_self(), signals::INTERRUPT_SIGNAL), 0) };
    assert_eq!(world.call(at::blob_answer(), 1), Some(43));
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// Names the case that a child process is to run: what ends a process, or needs limits or a main thread of its own.
const CHILD: &str = "TRJIT_SYS_TEST_CHILD";

/// Runs `case` in a process of its own.
fn child(case: &str) -> Output {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "--nocapture", "--test-threads=1", "children_run_their_case"];
    Command::new(this).args(arguments).env(CHILD, case).output().unwrap()
}

/// The child's side; without a case it checks that an unknown one fails.
#[test]
fn children_run_their_case() {
    match std::env::var(CHILD).as_deref() {
        Ok("chains_to_sigaction") => chains_to(exits_with_42 as *const () as usize, libc::SA_SIGINFO),
        Ok("chains_to_plain_handler") => chains_to(exits_with_43 as *const () as usize, 0),
        Ok("default") => chains_to(libc::SIG_DFL, 0),
        Ok("ignored") => ignored(),
        Ok("standard_library") => {
            World::new();
            fault_in_rust();
        }
        Ok("sent") => sent(),
        Ok("wild_access") => drop(World::new().call(at::blob_load(), 16)),
        Ok("unlisted_trap") => drop(World::new().call(at::blob_unlisted(), 0)),
        Ok("missing_trampoline") => missing_trampoline(),
        Ok("limited_address_space") => limited_address_space(),
        Ok(other) => panic!("no case {other}"),
        Err(_) => assert_eq!(child("nonsense").status.code(), Some(101)),
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn fault_in_rust() {
    // SAFETY: none: this is the fault that the test is about; page 0 is never mapped.
    unsafe { std::ptr::with_exposed_provenance::<u8>(std::hint::black_box(16)).read_volatile() };
}

/// Replaces the handler of SIGSEGV (that of the standard library).
fn set_handler(handler: usize, flags: i32) {
    // SAFETY: zero is a valid value of the struct; the handlers below only exit.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()), 0);
    }
}

extern "C" fn exits_with_42(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the handler's arguments; ends the process at once.
    unsafe {
        let good = signal == libc::SIGSEGV && (*info).si_addr().addr() == 16 && !context.is_null();
        libc::_exit(if good { 42 } else { 1 })
    }
}

extern "C" fn exits_with_43(signal: i32) {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(if signal == libc::SIGSEGV { 43 } else { 1 }) }
}

#[test]
fn other_faults_go_to_the_handler_that_was_there() {
    assert_eq!(child("chains_to_sigaction").status.code(), Some(42));
    assert_eq!(child("chains_to_plain_handler").status.code(), Some(43));
    for test in ["default", "ignored", "standard_library", "sent"] {
        assert_eq!(child(test).status.signal(), Some(libc::SIGSEGV), "{test}");
    }
    assert!(String::from_utf8_lossy(&child("ignored").stdout).contains("still here"));
}

#[test]
fn errors_of_compiled_code_are_named_and_fatal() {
    let wild = child("wild_access");
    assert_eq!(wild.status.signal(), Some(libc::SIGSEGV));
    assert!(stderr(&wild).contains("trjit: internal error: compiled code at 0x"), "{}", stderr(&wild));
    assert!(stderr(&wild).contains(" accessed 0x10, which is not in a linear memory\n"), "{}", stderr(&wild));
    let unlisted = child("unlisted_trap");
    assert_eq!(unlisted.status.signal(), Some(libc::SIGILL));
    assert!(stderr(&unlisted).contains("raised signal 4, which its trap table does not list"), "{}", stderr(&unlisted));
    let missing = child("missing_trampoline");
    assert_eq!(missing.status.signal(), Some(libc::SIGILL));
    assert!(stderr(&missing).contains("no trampoline to the interpreter"), "{}", stderr(&missing));
}

#[test]
fn a_missing_address_space_names_its_limit() {
    let output = child("limited_address_space");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_main_thread_uses_its_stack_and_no_more() {
    let output = child("main_stack");
    assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
}

fn chains_to(handler: usize, flags: i32) {
    set_handler(handler, flags);
    World::new();
    fault_in_rust();
}

/// Ignored when sent, never as a fault.
fn ignored() {
    set_handler(libc::SIG_IGN, 0);
    World::new();
    // SAFETY: signals the own process.
    unsafe { libc::raise(libc::SIGSEGV) };
    println!("still here");
    fault_in_rust();
}

fn sent() {
    set_handler(libc::SIG_DFL, 0);
    World::new();
    // SAFETY: signals the own process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

fn missing_trampoline() {
    let world = World::new();
    world.jump_table[0].set(0);
    world.call(at::blob_call(), 0);
}

fn limited_address_space() {
    let limit = libc::rlimit { rlim_cur: 2 << 30, rlim_max: 2 << 30 };
    // SAFETY: only lowers a limit.
    unsafe { assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0) };
    let error = LinearMemory::new(1).err().unwrap().to_string();
    assert!(error.starts_with("cannot reserve 4328521728 bytes of address space for a linear memory: "), "{error}");
    assert!(error.ends_with("the limit of address space (RLIMIT_AS, `ulimit -v`) is 2147483648 bytes"), "{error}");
}

/// Runs before `main`, since the test harness runs nothing on the main thread.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn before_main() {
        if std::env::var(CHILD).as_deref() == Ok("main_stack") {
            main_stack();
            std::process::exit(77);
        }
    }
    before_main
};

/// Uses up the main thread's stack as it was when the process started, whatever is asked for.
fn main_stack() {
    // SAFETY: both only ask.
    assert_eq!(unsafe { libc::gettid() }, unsafe { libc::getpid() }, "the test runs on the main thread");
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: only asks.
    unsafe { assert_eq!(libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit), 0) };
    let world = World::new();
    // SAFETY: the store is leaked.
    unsafe { (*world.store).stack_limit = sys::stack::native_stack_limit(1 << 40) };
    assert_eq!(world.call(at::blob_recurse(), 0), None);
    assert_eq!(world.trap_code(), TrapCode::StackOverflow as usize);
    let used = TRAPPED.take().len() as u64 * 16;
    let expected = limit.rlim_cur.min(120 << 20) - (128 << 10);
    assert!((expected - (256 << 10)..=expected).contains(&used), "{used} of {expected}");
}
