//! The command `trjit` from outside, as one test binary so that it is linked once:
//!
//! | module | asks |
//! |---|---|
//! | [`text_fixtures`], [`c_fixtures`] | does every fixture give its recorded results in every mode? |
//! | [`fetched`] | the same of real programs |
//! | [`bad_modules`], [`bad_caches`], [`bad_profiles`], [`bad_files`] | one clear message, the documented status, nothing half-written? |
//! | [`passing_through`] | do arguments, environment, streams, directories and statuses reach the guest and come back? |
//! | [`run_only`] | is `trjit-run` the same as `trjit run`, and is it made of what it should be? |
//! | [`strict`] | does it work with less: no executable memory, little address space, read-only and noexec mounts, quotas? |
//! | [`training`], [`assembling`] | are counts exact, outputs where they belong, and the same every time? |
//! | [`profiles`], [`exporting`] | are merges, comparisons and exports of profiles what the runs were? |
//! | [`checking`] | does `check` answer as the loader would, for any CPU? |
//! | [`init`] | does a project get a first trjit.toml, and keep the one that it has? |
//! | [`ci`] | is the step from tests to a cache what its file says, and never half done? |
//! | [`wrapping`] | is all that a command runs recorded, and is else nothing different? |
//! | [`tutorial`] | does `docs/tutorial.md` print what it says? |
//! | [`verifying`] | does check mode pass what is right, and change nothing? |
//! | [`explaining`] | is what `explain` tells of a function what the run counted and the cache holds? |
//! | [`inlining`] | do hot calls vanish from caches, and nothing else? |
//! | [`observing`] | do the log, the sums, and what profilers read agree, and read back? |
//! | [`fuel`] | the same end with the same fuel, caches for it and not for it |
//! | [`shell`] | do completions and manuals know everything, is quiet quiet? |
//! | [`variables`] | what goes before what; colours; does each error say what to do? |
//! | [`stopping`] | signals, time limits, kills |
//! | [`crashes`] | do stacks of every size, and of a real interpreter in the guest, end in the same trap in every mode? |
//! | [`native_stack`] | does the interpreter stay in constant native stack? |

mod assembling;
mod bad_caches;
mod bad_files;
mod bad_modules;
mod bad_profiles;
mod c_fixtures;
mod checking;
mod ci;
mod counts;
mod crashes;
mod explaining;
mod exporting;
mod fetched;
mod fuel;
mod init;
mod inlining;
mod native_stack;
mod observing;
mod passing_through;
mod profiles;
mod run_only;
mod shell;
mod stopping;
mod strict;
mod support;
mod text_fixtures;
mod training;
mod tutorial;
mod variables;
mod verifying;
mod wrapping;
