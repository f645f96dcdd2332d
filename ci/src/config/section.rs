//! A table of the file beside what the table of keys says of it: hands out values, and notes what is unknown, of another kind, or missing.

use super::keys::{Default, FILE, Key, Table};
use super::nearest::nearest;
use super::problem::{Problems, What};
use super::values::{Found, Located, Wrong, describe};
use toml::de::{DeTable, DeValue};

/// A table that was found.
pub struct Section<'a> {
    table: &'static Table,
    found: &'a DeTable<'a>,
    /// Where its header stands, as a byte offset.
    pub at: usize,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// Looks at each key of a table: unknown ones are problems.
    pub fn open(table: &'static Table, found: &'a DeTable<'a>, at: usize, problems: &'a Problems) -> Section<'a> {
        for key in found.keys().filter(|key| table.key(key.get_ref()).is_none() && table.table(key.get_ref()).is_none()) {
            let what = What::UnknownKey { key: key.get_ref().to_string(), table: table.title() };
            problems.add_with_help(key.span().start, what, help_for_unknown(key.get_ref(), table));
        }
        Section { table, found, at, problems }
    }

    fn find(&self, name: &str) -> Option<&'a Found<'a>> {
        self.found.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    fn key(&self, name: &str) -> &'static Key {
        self.table.key(name).expect("the reader asks for keys of the table only, and the tests let it ask for each")
    }

    /// The value of a key. None where it is not there, or wrong, which is noted.
    pub fn located<T>(&self, name: &str, read: impl FnOnce(&Found<'_>) -> Result<T, Wrong>) -> Option<Located<T>> {
        let key = self.key(name);
        let Some(found) = self.find(name) else {
            if key.default == Default::Required {
                self.problems.add(self.at, What::MissingKey { key: key.name, table: self.table.title() });
            }
            return None;
        };
        let noted = read(found).map_err(|wrong| self.note(key, wrong));
        Some(Located { value: noted.ok()?, at: found.span().start })
    }

    /// As [`located`](Self::located), without the place.
    pub fn get<T>(&self, name: &str, read: impl FnOnce(&Found<'_>) -> Result<T, Wrong>) -> Option<T> {
        self.located(name, read).map(|located| located.value)
    }

    fn note(&self, key: &Key, wrong: Wrong) {
        let Wrong { at, found, item, help } = wrong;
        let what = match item {
            Some(expected) => What::Item { key: key.name.into(), found, expected: expected.into() },
            None => What::Value { key: key.name.into(), found, expected: key.kind.expected() },
        };
        match help {
            Some(help) => self.problems.add_with_help(at, what, help),
            None => self.problems.add(at, what),
        }
    }

    /// The table `name` within this one.
    pub fn table(&self, name: &str) -> Option<Section<'a>> {
        let table = self.within(name);
        let found = self.find(name)?;
        let DeValue::Table(keys) = found.get_ref() else {
            self.not_a_table(table, found);
            return None;
        };
        Some(Section::open(table, keys, found.span().start, self.problems))
    }

    /// The tables `[[name]]` within this one, in order.
    pub fn tables(&self, name: &str) -> Vec<Section<'a>> {
        let table = self.within(name);
        let Some(found) = self.find(name) else { return Vec::new() };
        let DeValue::Array(items) = found.get_ref() else {
            self.not_a_table(table, found);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(keys) => sections.push(Section::open(table, keys, item.span().start, self.problems)),
                _ => self.not_a_table(table, item),
            }
        }
        sections
    }

    fn within(&self, name: &str) -> &'static Table {
        self.table.table(name).expect("the reader asks for tables of the table only, and the tests let it ask for each")
    }

    fn not_a_table(&self, table: &'static Table, found: &Found<'_>) {
        let what =
            What::Value { key: table.name.into(), found: describe(found.get_ref()), expected: format!("the table {}", table.title()) };
        self.problems.add_with_help(found.span().start, what, format!("begin it with a line {}", table.title()));
    }
}

/// What may be meant: the nearest key, the table that a key belongs to, or the list of all.
fn help_for_unknown(found: &str, table: &'static Table) -> String {
    let names = || table.keys.iter().map(|key| key.name).chain(table.tables.iter().map(|table| table.last_name()));
    if let Some(other) = FILE.all().into_iter().find(|other| other.key(found).is_some()) {
        return format!("`{found}` is a key of {}", other.title());
    }
    match nearest(found, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known keys: {}", names().collect::<Vec<_>>().join(", ")),
    }
}
