//! A page of `kubectl describe`: lines with tab stops, aligned at the end as Go's tabwriter aligns them (padding 2).
//! A column is a run of neighbouring lines that have a cell ended by a tab there; it is as wide as its widest cell.

/// A page being written.
#[derive(Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// Adds a line, two spaces in per level.
    pub fn line(&mut self, level: usize, text: impl AsRef<str>) {
        self.part(level, text);
        self.text.push('\n');
    }

    /// Adds text without ending the line.
    pub fn part(&mut self, level: usize, text: impl AsRef<str>) {
        self.text.push_str(&"  ".repeat(level));
        self.text.push_str(text.as_ref());
    }

    /// The page with its columns aligned.
    pub fn finish(self) -> String {
        let lines: Vec<Vec<&str>> = self.text.lines().map(|line| line.split('\t').collect()).collect();
        let mut out = String::new();
        align(&lines, &mut Vec::new(), &mut out);
        out
    }
}

const PADDING: usize = 2;

fn align(lines: &[Vec<&str>], widths: &mut Vec<usize>, out: &mut String) {
    let column = widths.len();
    let ends_here = |line: &Vec<&str>| column + 1 < line.len();
    let mut rest = lines;
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|l| !ends_here(l)).count();
        rest[..plain].iter().for_each(|l| write(l, widths, out));
        rest = &rest[plain..];
        let block = rest.iter().take_while(|l| ends_here(l)).count();
        let width = rest[..block].iter().map(|l| l[column].chars().count() + PADDING).max();
        if let Some(width) = width {
            widths.push(width);
            align(&rest[..block], widths, out);
            widths.pop();
        }
        rest = &rest[block..];
    }
}

fn write(cells: &[&str], widths: &[usize], out: &mut String) {
    for (at, cell) in cells.iter().enumerate() {
        match widths.get(at) {
            Some(&width) => out.push_str(&format!("{cell:width$}")),
            None => out.push_str(cell),
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_the_widest_cell_of_its_neighbours() {
        let mut page = Page::default();
        page.line(0, "Name:\tx");
        page.line(0, "Namespace:\tdefault");
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus");
        page.line(1, "Ready \tTrue ");
        assert_eq!(page.finish(), "Name:       x\nNamespace:  default\nConditions:\n  Type    Status\n  Ready   True \n");
    }
}
