//! Versions of builders: three numbers, compared as such.

/// `major.minor.patch`; anything behind a `-` or `+` is not looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    pub const fn new(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch }
    }

    /// Parses `1.2.3`, `1.2.3-rc1`, `1.2.3+abc`.
    pub fn parse(text: &str) -> Option<Version> {
        let numbers = text.split(['-', '+']).next()?;
        let mut parts = numbers.split('.').map(|part| part.parse().ok());
        let version = Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(version)
    }

    /// The version of this build.
    pub fn current() -> Version {
        // The package's version is three numbers: a test holds that.
        Version::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Version::new(0, 0, 0))
    }
}

/// The oldest builder whose code this build runs. Raised by hand when a fault of code generation is found that makes older caches unsafe.
pub const MINIMUM_SAFE_BUILDER: Version = Version::new(0, 1, 0);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_and_compare() {
        assert_eq!(Version::parse("1.2.3-rc1+x.y"), Some(Version::new(1, 2, 3)));
        assert!(Version::new(0, 10, 0) > Version::new(0, 9, 9));
        for bad in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1.+2.3"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
        assert_eq!(Version::current().to_string(), env!("CARGO_PKG_VERSION"));
        assert!(Version::current() >= MINIMUM_SAFE_BUILDER);
    }
}
