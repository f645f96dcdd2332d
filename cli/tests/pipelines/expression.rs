//! Expressions of GitHub's workflows.
//!
//! ```text
//! or := and (|| and)*    and := comparison (&& comparison)*    comparison := unary ((== | !=) unary)?    unary := !unary | (or) | value
//! value := 'text' | true | false | null | always() | success() | failure() | name.name..
//! ```
//! Invariant: what is not in this grammar, or names what the runner does not know, fails the test: a runner would give an empty text, and nobody would notice.

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Null,
    Flag(bool),
    Text(String),
}

impl Value {
    pub fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Flag(flag) => *flag,
            Value::Text(text) => !text.is_empty(),
        }
    }

    pub fn text(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) => text.clone(),
        }
    }

    /// As runners compare: texts without case; null and flags as numbers. Texts with others are left out of these files.
    fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Text(one), Value::Text(other)) => one.eq_ignore_ascii_case(other),
            (Value::Null, Value::Text(text)) | (Value::Text(text), Value::Null) => text.is_empty(),
            (Value::Text(_), _) | (_, Value::Text(_)) => panic!("{self:?} is compared with {other:?}"),
            _ => self.is_true() == other.is_true(),
        }
    }
}

/// What names and functions mean.
pub trait Context {
    /// The value of `a.b.c`; panics where the runner has no such thing.
    fn get(&self, path: &[&str]) -> Value;
    /// Whether a step before has failed.
    fn failed(&self) -> bool;
}

/// The value of an expression.
pub fn evaluate(text: &str, context: &dyn Context) -> Value {
    let mut parser = Parser { rest: text.trim(), context };
    let value = parser.or();
    assert!(parser.rest.is_empty(), "`{text}` has `{}` left", parser.rest);
    value
}

/// Whether a step with this condition runs. Without a function of the state it runs only where nothing has failed.
pub fn condition(text: Option<&str>, context: &dyn Context) -> bool {
    let Some(text) = text else { return !context.failed() };
    let inner = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text);
    let says = ["always()", "success()", "failure()"].iter().any(|function| inner.contains(function));
    (says || !context.failed()) && evaluate(inner, context).is_true()
}

/// A text with its `${{ .. }}` replaced.
pub fn fill(text: &str, context: &dyn Context) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inner, behind) = after.split_once("}}").unwrap_or_else(|| panic!("`{text}` has no end of an expression"));
        out += before;
        out += &evaluate(inner, context).text();
        rest = behind;
    }
    out + rest
}

struct Parser<'a> {
    rest: &'a str,
    context: &'a dyn Context,
}

impl Parser<'_> {
    fn takes(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }

    fn or(&mut self) -> Value {
        let mut value = self.and();
        while self.takes("||") {
            let other = self.and();
            value = if value.is_true() { value } else { other };
        }
        value
    }

    fn and(&mut self) -> Value {
        let mut value = self.comparison();
        while self.takes("&&") {
            let other = self.comparison();
            value = if value.is_true() { other } else { value };
        }
        value
    }

    fn comparison(&mut self) -> Value {
        let value = self.unary();
        if self.takes("==") {
            Value::Flag(value.equals(&self.unary()))
        } else if self.takes("!=") {
            Value::Flag(!value.equals(&self.unary()))
        } else {
            value
        }
    }

    fn unary(&mut self) -> Value {
        if self.rest.starts_with('!') && !self.rest.starts_with("!=") {
            self.takes("!");
            return Value::Flag(!self.unary().is_true());
        }
        if self.takes("(") {
            let value = self.or();
            assert!(self.takes(")"), "`)` is missing before `{}`", self.rest);
            return value;
        }
        if let Some(rest) = self.rest.strip_prefix('\'') {
            let (text, behind) = rest.split_once('\'').expect("a text has an end");
            self.rest = behind.trim_start();
            return Value::Text(text.to_string());
        }
        self.name()
    }

    fn name(&mut self) -> Value {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if self.takes("()") {
            return Value::Flag(match name {
                "always" => true,
                "success" => !self.context.failed(),
                "failure" => self.context.failed(),
                _ => panic!("unknown function `{name}`"),
            });
        }
        match name {
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            "null" => Value::Null,
            _ => self.context.get(&name.split('.').collect::<Vec<_>>()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(bool);

    impl Context for Fixed {
        fn get(&self, path: &[&str]) -> Value {
            match path {
                ["a", "text"] => Value::Text("x".into()),
                ["a", "empty"] => Value::Text(String::new()),
                ["a", "nothing"] => Value::Null,
                _ => panic!("unknown {path:?}"),
            }
        }

        fn failed(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn expressions_are_those_of_runners() {
        let value = |text: &str| evaluate(text, &Fixed(false));
        assert_eq!(value("a.empty || a.text"), Value::Text("x".into()));
        assert_eq!(value("a.text == 'X' && (a.empty || true)"), Value::Flag(true));
        assert_eq!(value("!a.text"), Value::Flag(false));
        assert_eq!(value("a.nothing != true"), Value::Flag(true));
        assert_eq!(fill("1 ${{ a.text }}-${{a.empty || 'y'}} 2", &Fixed(false)), "1 x-y 2");
        let runs = |text: Option<&str>, failed| condition(text, &Fixed(failed));
        assert!(
            runs(None, false) && !runs(None, true) && !runs(Some("a.text == 'x'"), true) && runs(Some("always() && a.text != ''"), true)
        );
        assert!(runs(Some("${{ a.text == 'x' }}"), false) && !runs(Some("failure()"), false));
    }

    #[test]
    #[should_panic(expected = "unknown")]
    fn what_a_runner_does_not_know_fails() {
        evaluate("a.texts", &Fixed(false));
    }
}
