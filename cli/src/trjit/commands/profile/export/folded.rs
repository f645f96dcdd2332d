//! Folded stacks, what flame graph tools read: a line a stack, names from the outermost to the innermost with semicolons between, a blank, a number.

use super::stacks::Stack;

/// The stacks with one of their values, without those where it is 0. Names lose what would end a name or a line.
pub fn encode(names: &[String], stacks: &[Stack], value: usize) -> String {
    let plain = |name: &String| name.replace(';', ":").replace(|c: char| c.is_control(), " ");
    let names: Vec<String> = names.iter().map(plain).collect();
    let line = |stack: &Stack| {
        let frames: Vec<&str> = stack.frames.iter().map(|&function| names[function].as_str()).collect();
        format!("{} {}\n", frames.join(";"), stack.values[value])
    };
    stacks.iter().filter(|stack| stack.values[value] != 0).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_stack_and_a_number() {
        let names = ["_start", "a;b\n", "operator new"].map(String::from);
        let stack = |frames: &[usize], values| Stack { frames: frames.to_vec(), values };
        let stacks = [stack(&[0], [1, 0]), stack(&[0, 1], [2, 30]), stack(&[0, 1, 2], [7, 40])];
        assert_eq!(encode(&names, &stacks, 1), "_start;a:b  30\n_start;a:b ;operator new 40\n");
        assert_eq!(encode(&names, &stacks, 0).lines().next(), Some("_start 1"));
    }
}
