//! Every threshold of the runtime, with its unit and the reason for its value. Each is a field of [`Tunables`], an entry of [`Tunables::ALL`], and so a key of the command
//! line's `-O`: one definition makes all three.

/// A tunable that can be read and set by its name.
pub struct Tunable {
    /// The field, words joined by dashes instead of underscores are accepted, too.
    pub name: &'static str,
    /// What its number counts.
    pub unit: &'static str,
    /// What it decides, and why its default is what it is.
    pub help: &'static str,
    get: fn(&Tunables) -> String,
    set: fn(&mut Tunables, &str) -> Result<(), String>,
}

impl Tunable {
    /// The value as text.
    pub fn get(&self, tunables: &Tunables) -> String {
        (self.get)(tunables)
    }

    /// Sets it from text; the error tells what was expected.
    pub fn set(&self, tunables: &mut Tunables, value: &str) -> Result<(), String> {
        (self.set)(tunables, value)
    }

    /// Whether it is meant by this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.len() == name.len()
            && self.name.bytes().zip(name.bytes()).all(|(own, given)| own == given || own == b'_' && given == b'-')
    }
}

/// What tunables are: numbers, and `y` or `n`.
trait Value: Sized {
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            fn parse(text: &str) -> Result<$ty, String> {
                text.parse().map_err(|_| format!("`{text}` is not a number from 0 to {}", <$ty>::MAX))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

numbers!(u32, u64, usize);

impl Value for bool {
    fn parse(text: &str) -> Result<bool, String> {
        match text {
            "" | "y" | "yes" | "true" => Ok(true),
            "n" | "no" | "false" => Ok(false),
            _ => Err(format!("`{text}` is neither y nor n")),
        }
    }

    fn show(&self) -> String {
        if *self { "y" } else { "n" }.to_string()
    }
}

macro_rules! tunables {
    ($($(#[doc = $doc:literal])+ $name:ident: $ty:ty = $default:expr, $unit:literal;)*) => {
        /// When code moves up a tier, and how much stack guests get. Defaults suit command-line programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Tunables {
            $($(#[doc = $doc])+ pub $name: $ty,)*
        }

        impl Default for Tunables {
            fn default() -> Tunables {
                Tunables { $($name: $default,)* }
            }
        }

        impl Tunables {
            /// All of them, in the order of their definition.
            pub const ALL: &'static [Tunable] = &[$(Tunable {
                name: stringify!($name),
                unit: $unit,
                help: concat!($($doc),+),
                get: |tunables| tunables.$name.show(),
                set: |tunables, text| Value::parse(text).map(|value| tunables.$name = value),
            }),*];
        }
    };
}

tunables! {
    /// Calls (plus back-edges) of an interpreted function before it is compiled. Compiling a function costs about what some thousand interpreted
    /// instructions cost, so functions called a few times are not worth it.
    call_threshold: u32 = 400, "calls";
    /// Back-edges (plus calls) of a running function before compiled code for the loop is asked for.
    loop_threshold: u32 = 3000, "back-edges";
    /// How many more of the same pass before the interpreter looks again whether code has arrived; what waits gets hotter by so many.
    recheck_interval: u32 = 500, "calls or back-edges";
    /// Compile on threads of their own while the interpreter goes on; without it the guest waits, and runs are deterministic.
    background: bool = true, "y or n";
    /// Compiling threads, started as there is work for them; 0 stands for one a CPU that the process may use, less the guest's, and one at least.
    compile_threads: usize = 0, "threads";
    /// Whether what gets hot is first compiled with counters in it (tier T3), and by what they count when it stays hot; else it is compiled once, without counts.
    tiered: bool = false, "y or n";
    /// Calls of a function's counting code before it is compiled by the counts; rounded up to a power of two.
    profile_calls: u32 = 2048, "calls";
    /// Branches back to a loop of counting code before its function, or the loop, is compiled by the counts; rounded up to a power of two.
    profile_loops: u32 = 16384, "back-edges";
    /// Functions up to this size that neither loop nor call get no counting code: counts would tell nothing about them.
    trivial_wasm: usize = 48, "bytes of wasm";
    /// Where so many compilations wait, what gets hot is compiled at tier T2 first, which is the fastest to compile and counts only whether it stays hot. Always to do so was the best that
    /// was measured.
    light_queue: usize = 0, "compilations";
    /// Whether code compiled in the process is speculative (tier T4) where counts of earlier runs are given; it leaves for the interpreter where they say that nothing is executed.
    speculate: bool = false, "y or n";
    /// Whether speculative code is made under assumptions about instances, which are watched: so far that tables that only others can change last.
    assume: bool = true, "y or n";
    /// Side exits to one place before code that goes on from there, a bridge, is asked for.
    bridge_threshold: u32 = 100, "exits";
    /// Side exits of one function's code before that is compiled anew, by counts that have the exits in them.
    renewal_threshold: u32 = 1000, "exits";
    /// How often that is done; then the function is compiled without exits.
    renewals: u32 = 2, "compilations";
    /// Functions that are waiting are published together, up to this many: pages of code are never shared by two publications.
    publish_batch: usize = 2, "functions";
    /// So many bytes of code are published without waiting for more: they fill their pages well enough.
    publish_bytes: usize = 2048, "bytes";
    /// Functions that wait, and that code being compiled calls, are compiled with it up to this size together: then the calls are direct. Callers become hot before
    /// their callees, so that without this they would go by the jump table for good; what is hotter waits meanwhile.
    claimed_wasm: usize = 8000, "bytes of wasm";
    /// Native stack for compiled code and the crossings between tiers.
    max_wasm_stack: usize = 1 << 20, "bytes";
    /// The interpreter's value stack (locals and operands).
    interpreter_stack: usize = 8 << 20, "bytes";
    /// Most suspended interpreted callers.
    interpreter_frames: usize = 1 << 16, "frames";
    /// How much of a memory's image is copied from the cache rather than mapped: a mapping has its price, and each page that is written is copied anyway.
    copied_image: usize = 16 << 10, "bytes";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_set_by_its_name_and_no_other_changes() {
        for tunable in Tunables::ALL {
            let mut tunables = Tunables::default();
            let before = tunable.get(&tunables);
            let value = match before.as_str() {
                "y" => "n",
                "n" => "y",
                _ => "77",
            };
            tunable.set(&mut tunables, value).expect("the value is one");
            assert_eq!(tunable.get(&tunables), value);
            assert!(tunable.set(&mut tunables, "x").is_err() && tunable.set(&mut tunables, "-1").is_err(), "{}", tunable.name);
            assert_ne!(tunables, Tunables::default(), "{}", tunable.name);
            tunable.set(&mut tunables, &before).expect("the default is a value");
            assert_eq!(tunables, Tunables::default(), "{}", tunable.name);
            let dashed = tunable.name.replace('_', "-");
            assert_eq!(Tunables::ALL.iter().filter(|other| other.is_named(&dashed)).count(), 1);
            assert!(tunable.help.len() > 20, "{}", tunable.name);
        }
    }
}
