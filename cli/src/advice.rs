//! What to do about errors that libraries report: they say what was found and expected, and know nothing of options. What the command line refuses itself brings its own
//! advice, in a [`Failure`](crate::exit::Failure).

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use trjit_module::ParseError;
use trjit_runtime::{Error, LinkError};
use trjit_trace::OutputError;

/// The `help:` line of an error: that of the outermost cause which has one.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_cause)
}

fn of_cause(cause: &(dyn StdError + 'static)) -> Option<String> {
    // The wrappers are transparent: what they hold is no cause of its own.
    let link = cause.downcast_ref::<LinkError>().or_else(|| match cause.downcast_ref() {
        Some(Error::Link(error)) => Some(error),
        _ => None,
    });
    let parse = cause.downcast_ref::<ParseError>().or_else(|| match cause.downcast_ref() {
        Some(Error::Parse(error)) => Some(error),
        _ => None,
    });
    let output = cause.downcast_ref::<OutputError>();
    let file = cause.downcast_ref::<io::Error>();
    let call = cause.downcast_ref::<Error>();
    link.and_then(of_link)
        .or_else(|| parse.and_then(of_module))
        .or_else(|| output.map(|_| "the directory must exist, be writable, and have room; another one can be named".to_string()))
        .or_else(|| file.and_then(of_file))
        .or_else(|| call.and_then(of_call))
}

fn of_link(error: &LinkError) -> Option<String> {
    match error {
        LinkError::Unknown { module, .. } => {
            Some(format!("`--preload {module}=FILE` links a module that exports it; WASI preview 1 is always there"))
        }
        LinkError::Incompatible { module, .. } => Some(format!("give the build of `{module}` that this module was made for")),
        LinkError::Count { .. } | LinkError::OtherEngine => None,
    }
}

fn of_module(error: &ParseError) -> Option<String> {
    match error {
        ParseError::NotWasm { .. } => Some("give a *.wasm file, or a *.wat file in the text format".to_string()),
        ParseError::Unsupported { .. } => {
            Some("build the program without this feature; docs/limits.md lists what is supported".to_string())
        }
        ParseError::Invalid { .. } => Some("build the module again: it is damaged, or its producer is at fault".to_string()),
        // The error tells it.
        _ => None,
    }
}

fn of_file(error: &io::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::NotFound => {
            let folder = std::env::current_dir().ok()?;
            Some(format!("check the path; relative paths begin at `{}`", folder.display()))
        }
        ErrorKind::PermissionDenied => Some("check who may read the file and its directories".to_string()),
        ErrorKind::NotADirectory => Some("name a directory".to_string()),
        ErrorKind::IsADirectory => Some("name a file in the directory".to_string()),
        _ => None,
    }
}

fn of_call(error: &Error) -> Option<String> {
    match error {
        Error::ArgumentCount { .. } | Error::ArgumentType { .. } => {
            Some("arguments of the function stand behind the module, separated by spaces".to_string())
        }
        Error::NoSuchExport { names, .. } if !names.is_empty() => Some("name one of the exported functions with --invoke".to_string()),
        Error::Resource { what: "memory", .. } => {
            Some("raise the limit (`-W max-memory-size`, `ulimit -v`), or give the module less to begin with".to_string())
        }
        Error::Resource { what: "table", .. } => Some("raise the limit (`-W max-table-elements`)".to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn advice_is_found_behind_context() {
        let missing: anyhow::Error = Err::<(), _>(io::Error::from(ErrorKind::NotFound)).context("can not read `x`").expect_err("an error");
        assert!(of(&missing).is_some_and(|help| help.contains("check the path")));
        let import = LinkError::Unknown { module: "env".into(), name: "f".into(), expected: "a function".into() };
        let wrapped = anyhow::Error::new(Error::Link(import)).context("can not run `x`");
        assert!(of(&wrapped).is_some_and(|help| help.contains("--preload env=FILE")));
        assert_eq!(of(&anyhow::anyhow!("no idea")), None);
    }
}
