//! A table before it is Markdown, text for a terminal, or HTML. Cells hold raw text; each renderer
//! makes it safe for its target.

use super::numbers::NOTHING;
use super::text;

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// What it shows.
    pub title: String,
    /// The columns' heads; the first column is text, all others are set to the right.
    pub heads: Vec<String>,
    /// The rows, each as long as `heads`.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    /// The number or the name.
    pub text: String,
    /// What it was counted from: `82/126`.
    pub count: String,
    /// What stands after that in small print: its interval, a share, whose it is.
    pub small: String,
    /// Whether it is set off.
    pub tone: Tone,
}

/// How a cell is set off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Not at all.
    #[default]
    Plain,
    /// In bold.
    Strong,
    /// In bold, as a gain.
    Better,
    /// In bold, as a loss.
    Worse,
}

impl Cell {
    /// A cell of plain text.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn in_one(&self) -> String {
        let parts = [self.text.as_str(), self.count.as_str(), self.small.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl Table {
    /// A table with these heads and no rows yet.
    pub(crate) fn new<const N: usize>(title: impl Into<String>, heads: [&str; N]) -> Self {
        let heads = heads.map(str::to_owned).to_vec();
        Self { title: title.into(), heads, rows: Vec::new() }
    }

    /// The same without the columns of these heads in which nothing stands.
    #[must_use]
    pub(crate) fn without_empty(mut self, heads: &[&str]) -> Self {
        for column in (0..self.heads.len()).rev() {
            let empty = self.rows.iter().all(|row| row[column].text == NOTHING);
            if empty && heads.contains(&self.heads[column].as_str()) {
                self.heads.remove(column);
                self.rows.iter_mut().for_each(|row| drop(row.remove(column)));
            }
        }
        self
    }

    /// As Markdown, without the title.
    pub(crate) fn markdown(&self) -> String {
        let heads = self.heads.iter().map(|head| text::markdown(head));
        let mut out = format!("| {} |\n|", heads.collect::<Vec<_>>().join(" | "));
        for column in 0..self.heads.len() {
            out.push_str(if column == 0 { "---|" } else { "--:|" });
        }
        out.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(markdown_cell).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        out
    }

    /// How many characters a line of the terminal's text may have.
    pub(crate) fn width(&self) -> usize {
        self.terminal().lines().skip(1).map(|line| line.chars().count()).max().unwrap_or(0)
    }

    /// For a terminal, with the title, in columns as wide as their widest cell.
    pub(crate) fn terminal(&self) -> String {
        let plain = |row: &Vec<Cell>| row.iter().map(|cell| text::name(&cell.in_one())).collect();
        let mut lines: Vec<Vec<String>> = vec![self.heads.iter().map(|h| text::name(h)).collect()];
        lines.extend(self.rows.iter().map(plain));
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let mut out = format!("{}\n", text::line(&self.title, text::TITLE));
        for line in &lines {
            let mut row = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.chars().count());
                match column {
                    0 => row.push_str(&format!("  {cell}{gap}")),
                    _ => row.push_str(&format!("  {gap}{cell}")),
                }
            }
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }

    /// As HTML, with the title as its caption.
    pub(crate) fn html(&self) -> String {
        self.html_under(&self.title)
    }

    /// As HTML, under another caption.
    pub(crate) fn html_under(&self, caption: &str) -> String {
        let mut out = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table><caption>{0}\
             </caption><thead><tr>",
            text::html_title(caption)
        );
        for head in &self.heads {
            out.push_str(&format!("<th scope=\"col\">{}</th>", text::html(head)));
        }
        out.push_str("</tr></thead><tbody>");
        for row in &self.rows {
            out.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                out.push_str(&html_cell(column, cell));
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>\n");
        out
    }
}

fn markdown_cell(cell: &Cell) -> String {
    let text = text::markdown(&cell.text);
    let text = if cell.tone == Tone::Plain { text } else { format!("**{text}**") };
    let more = [&cell.count, &cell.small].into_iter().filter(|part| !part.is_empty());
    more.fold(text, |text, part| format!("{text} {}", text::markdown(part)))
}

fn html_cell(column: usize, cell: &Cell) -> String {
    let (open, close) =
        if column == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
    let text = text::html(&cell.text);
    let text = match cell.tone {
        Tone::Plain => text,
        Tone::Strong => format!("<strong>{text}</strong>"),
        Tone::Better => format!("<strong class=\"pass\">{text}</strong>"),
        Tone::Worse => format!("<strong class=\"fail\">{text}</strong>"),
    };
    let count = match cell.count.as_str() {
        "" => String::new(),
        count => format!(" <small class=\"count\">{}</small>", text::html(count)),
    };
    match cell.small.as_str() {
        "" => format!("{open}{text}{count}{close}"),
        small => {
            // Intervals stand below one another.
            let class = if small.starts_with('[') { " class=\"range\"" } else { "" };
            format!("{open}{text}{count} <small{class}>{}</small>{close}", text::html(small))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_gets_safe_text_in_its_columns() {
        let mut table = Table::new("t", ["", "<b>"]);
        let strong = Cell {
            text: "+3.0".into(),
            count: "3/9".into(),
            small: "[1, 2]".into(),
            tone: Tone::Better,
        };
        table.rows.push(vec![Cell::plain("a|\u{1b}[31m"), strong]);
        assert_eq!(
            table.markdown(),
            "|  | &lt;b&gt; |\n|---|--:|\n| a\\|␛\\[31m | **+3.0** 3/9 \\[1, 2\\] |\n"
        );
        assert_eq!(table.terminal(), "t\n                       <b>\n  a|␛[31m  +3.0 3/9 [1, 2]\n");
        let html = table.html();
        assert!(
            html.contains("&lt;b&gt;") && html.contains("<strong class=\"pass\">+3.0</strong>"),
            "{html}"
        );
        assert!(!html.contains('\u{1b}'), "{html}");
    }
}
