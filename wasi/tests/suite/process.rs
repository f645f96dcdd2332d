//! Arguments, environment, clocks, random bytes, exit, sockets, standard streams.

use crate::guest::*;
use crate::program::*;
use trjit_wasi::{OutputBuffer, WasiCtxBuilder, WasiError};

fn plain() -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder.arg("program");
    builder
}

fn three_arguments() -> WasiCtxBuilder {
    let mut builder = plain();
    builder.args(["first", "the \"second\" arg", "3"]);
    builder
}

fn three_variables() -> WasiCtxBuilder {
    let mut builder = plain();
    builder.env("a", "text").env("b", "escap \" ing").env("c", "new\nline");
    builder
}

/// Count of strings and bytes that they need.
fn sizes(g: &mut Guest, name: &str) -> (u64, u64) {
    assert_eq!(g.done(name, &[RESULT, RESULT + 4]), Ok(()));
    (g.u32_at(RESULT).into(), g.u32_at(RESULT + 4).into())
}

fn strings(g: &mut Guest, sizes_name: &str, name: &str) -> Vec<String> {
    let (count, size) = sizes(g, sizes_name);
    let (pointers, buffer) = (g.alloc(count as usize * 4), g.alloc(size as usize));
    assert_eq!(g.done(name, &[pointers, buffer]), Ok(()));
    let starts: Vec<u64> = (0..count).map(|i| g.u32_at(pointers + i * 4).into()).collect();
    let text = |start| g.slice(start, buffer + size - start).split(|b| *b == 0).next().unwrap_or_default().to_vec();
    starts.into_iter().map(|start| String::from_utf8(text(start)).expect("what was given")).collect()
}

#[test]
fn several_arguments_arrive() {
    guests(three_arguments, |g| {
        let found = strings(g, "args_sizes_get", "args_get");
        assert_eq!(found, ["program", "first", "the \"second\" arg", "3"]);
    });
}

#[test]
fn several_arguments_are_counted() {
    guests(three_arguments, |g| assert_eq!(sizes(g, "args_sizes_get"), (4, 8 + 6 + 17 + 2)));
}

#[test]
fn the_name_alone_is_one_argument() {
    guests(plain, |g| assert_eq!(sizes(g, "args_sizes_get"), (1, 8)));
}

#[test]
fn several_variables_arrive() {
    guests(three_variables, |g| {
        let mut found = strings(g, "environ_sizes_get", "environ_get");
        found.sort();
        assert_eq!(found, ["a=text", "b=escap \" ing", "c=new\nline"]);
    });
}

#[test]
fn several_variables_are_counted() {
    guests(three_variables, |g| assert_eq!(sizes(g, "environ_sizes_get"), (3, 7 + 14 + 11)));
}

#[test]
fn no_variable_is_none() {
    guests(plain, |g| assert_eq!(sizes(g, "environ_sizes_get"), (0, 0)));
}

#[test]
fn an_invalid_descriptor_cannot_be_written() {
    guests(plain, |g| assert_eq!(g.done("fd_write", &[u64::from(-31337i32 as u32), 0, 0, RESULT]), Err(errno::BADF)));
}

#[test]
fn standard_output_is_written() {
    for linked in [false, true] {
        let buffer = OutputBuffer::default();
        let mut builder = plain();
        builder.stdout(&buffer);
        let mut g = if linked { Guest::linked(&mut builder) } else { Guest::new(&mut builder) };
        assert_eq!(g.write(1, b"hello"), Ok(5));
        assert_eq!(buffer.contents(), b"hello");
    }
}

#[test]
fn exit_with_a_status_ends_the_program() {
    guests(plain, |g| assert_eq!(g.try_call("proc_exit", &[33]), Err(WasiError::Exit(33))));
}

#[test]
fn exit_with_zero_ends_the_program() {
    guests(plain, |g| assert_eq!(g.try_call("proc_exit", &[0]), Err(WasiError::Exit(0))));
}

#[test]
fn random_bytes_fill_what_was_asked_for() {
    guests(plain, |g| {
        let at = g.alloc(64);
        assert_eq!(g.done("random_get", &[at, 32]), Ok(()));
        assert!(g.slice(at, 32).iter().any(|byte| *byte != 0));
        assert_eq!(g.slice(at + 32, 32), [0; 32]);
    });
}

#[test]
fn no_random_bytes_are_fine() {
    guests(plain, |g| {
        let at = g.alloc(8);
        assert_eq!(g.done("random_get", &[at, 0]), Ok(()));
        assert_eq!(g.slice(at, 8), [0; 8]);
    });
}

#[test]
fn many_random_bytes_are_not_all_zero() {
    guests(plain, |g| {
        let at = g.alloc(1024);
        assert_eq!(g.done("random_get", &[at, 1024]), Ok(()));
        assert!(g.slice(at, 1024).iter().filter(|byte| **byte != 0).count() > 900);
    });
}

fn time(g: &mut Guest, clock: u64, precision: u64) -> u64 {
    assert_eq!(g.done("clock_time_get", &[clock, precision, RESULT]), Ok(()));
    g.u64_at(RESULT)
}

fn resolution(g: &mut Guest, clock: u64) -> u64 {
    assert_eq!(g.done("clock_res_get", &[clock, RESULT]), Ok(()));
    g.u64_at(RESULT)
}

#[test]
fn the_monotonic_clock_has_a_resolution() {
    guests(plain, |g| assert!((1..1_000_000_000).contains(&resolution(g, 1))));
}

#[test]
fn the_real_clock_has_a_resolution() {
    guests(plain, |g| assert!((1..1_000_000_000).contains(&resolution(g, 0))));
}

#[test]
fn the_monotonic_clock_does_not_go_back() {
    guests(plain, |g| {
        let times: Vec<_> = (0..100).map(|_| time(g, 1, 1)).collect();
        assert!(times.is_sorted());
    });
}

#[test]
fn the_real_clock_tells_the_time() {
    guests(plain, |g| {
        let host = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
        assert!(time(g, 0, 1).abs_diff(host) < 60_000_000_000);
    });
}

#[test]
fn any_precision_may_be_asked_for() {
    guests(plain, |g| {
        let first = time(g, 1, 1);
        let second = time(g, 1, 0);
        assert!(first <= second && second <= time(g, 1, u64::MAX));
    });
}

#[test]
fn yielding_succeeds() {
    guests(plain, |g| assert_eq!(g.done("sched_yield", &[]), Ok(())));
}

#[test]
fn a_closed_descriptor_is_no_socket() {
    guests(plain, |g| assert_eq!(g.done("sock_shutdown", &[3, 1]), Err(errno::BADF)));
}

#[test]
fn an_output_is_no_socket() {
    guests(plain, |g| assert_eq!(g.done("sock_shutdown", &[1, 1]), Err(errno::NOTSOCK)));
}

const CLOCK_ID: u64 = 0x0123_4567_89ab;
const INPUT_ID: u64 = 0x8765_4321_0fed;

/// A subscription: user data, tag, then a relative monotonic timeout or a descriptor.
fn subscription(g: &mut Guest, at: u64, userdata: u64, tag: u8, value: u64) {
    g.set(at, &[0; 48]);
    g.set(at, &userdata.to_le_bytes());
    g.set(at + 8, &[tag]);
    if tag == 0 {
        g.set(at + 16, &1u32.to_le_bytes());
        g.set(at + 24, &value.to_le_bytes());
    } else {
        g.set(at + 16, &(value as u32).to_le_bytes());
    }
}

/// User data, error and type of each event.
fn poll(g: &mut Guest, subscriptions: &[(u64, u8, u64)]) -> Vec<(u64, u16, u8)> {
    let count = subscriptions.len() as u64;
    let (array, events) = (g.alloc(subscriptions.len() * 48), g.alloc(subscriptions.len() * 32));
    for (i, (userdata, tag, value)) in subscriptions.iter().enumerate() {
        subscription(g, array + i as u64 * 48, *userdata, *tag, *value);
    }
    assert_eq!(g.done("poll_oneoff", &[array, events, count, RESULT]), Ok(()));
    let found = (0..u64::from(g.u32_at(RESULT))).map(|i| events + i * 32);
    found.map(|at| (g.u64_at(at), g.u16_at(at + 8), g.memory[at as usize + 10])).collect()
}

#[test]
fn standard_streams_are_waited_for() {
    guests(plain, |g| {
        let events = poll(g, &[(CLOCK_ID, 0, 200_000_000), (INPUT_ID, 1, 0)]);
        assert_eq!(events, [(INPUT_ID, 0, 1)], "an input at its end is ready at once");
        let events = poll(g, &[(1, 2, 1), (2, 2, 2), (CLOCK_ID, 0, 200_000_000)]);
        assert_eq!(events, [(1, 0, 2), (2, 0, 2)]);
        assert_eq!(poll(g, &[(CLOCK_ID, 0, 1_000_000)]), [(CLOCK_ID, 0, 0)]);
    });
}
