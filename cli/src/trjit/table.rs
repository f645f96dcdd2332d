//! Tables for a terminal: columns as wide as they must be, numbers to the right, the last column as long as it is. Names come from files that others wrote: control
//! characters in them become spaces.

use trjit_cli::ui;

/// Rows of cells, under a head.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns, of which the last is text and the others are numbers.
    pub fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let plain = |cell: String| cell.replace(|c: char| c.is_control(), " ");
        let row: Vec<String> = cells.into_iter().map(plain).collect();
        assert_eq!(row.len(), self.head.len(), "a cell a column");
        self.rows.push(row);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn lines(&self) -> Vec<String> {
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_string()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let padded =
                cells.map(|(column, (cell, &width))| if column + 1 == row.len() { cell.clone() } else { format!("{cell:>width$}") });
            format!("  {}", padded.collect::<Vec<_>>().join("  "))
        };
        all().map(line).collect()
    }

    /// Prints it under a title; an empty one is left out.
    pub fn print(&self, title: &str) {
        if !self.is_empty() {
            ui::line(&format!("\n{title}"));
            self.lines().iter().for_each(|line| ui::line(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["calls", "n", "function"]);
        table.row(["7", "1234", "grö\u{1b}ßer"].map(str::to_string));
        table.row(["123456", "1", "f"].map(str::to_string));
        assert_eq!(table.lines(), ["   calls     n  function", "       7  1234  grö ßer", "  123456     1  f"]);
    }
}
