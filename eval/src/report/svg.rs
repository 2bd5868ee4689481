//! The parts that charts are drawn from: an axis with round ticks, marks that differ by shape as well as
//! by colour, text. Colours are classes of the page's style sheet.

use std::fmt::Write as _;

use super::numbers::Scale;
use super::text;

/// The width of every chart in its own units; the page scales it to the width there is.
pub(crate) const WIDTH: f64 = 400.0;

/// A drawing in the making.
pub(crate) struct Svg {
    body: String,
    height: f64,
}

impl Svg {
    /// An empty drawing.
    pub(crate) fn new(height: f64) -> Self {
        Self { body: String::new(), height }
    }

    /// A straight line.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = write!(
            self.body,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A line through points, or the area they enclose: the class says which.
    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)], closed: bool) {
        let mut path = String::new();
        for (at, (x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
        }
        if closed {
            path.push('Z');
        }
        let _ = write!(self.body, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    /// Text; `anchor` is `start`, `middle` or `end`.
    pub(crate) fn text(&mut self, class: &str, anchor: &str, (x, y): (f64, f64), said: &str) {
        let said = text::html(said);
        let _ = write!(
            self.body,
            "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{said}</text>"
        );
    }

    /// The mark of arm number `arm` at a point: disc, square, diamond, triangle, and again.
    pub(crate) fn mark(&mut self, arm: usize, (x, y): (f64, f64)) {
        let class = format!("mark a{}", arm % COLOURS);
        match arm % 4 {
            0 => {
                let _ = write!(
                    self.body,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
                );
            }
            1 => {
                self.polygon(&class, (x, y), &[(-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)])
            }
            2 => self.polygon(&class, (x, y), &[(0.0, -5.2), (5.2, 0.0), (0.0, 5.2), (-5.2, 0.0)]),
            _ => self.polygon(&class, (x, y), &[(0.0, -5.0), (4.8, 3.6), (-4.8, 3.6)]),
        }
    }

    fn polygon(&mut self, class: &str, (x, y): (f64, f64), corners: &[(f64, f64)]) {
        let points: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        self.path(class, &points, true);
    }

    /// Opens a group that shows `title` under the pointer and says it to a screen reader.
    pub(crate) fn titled(&mut self, title: &str, fill: impl FnOnce(&mut Self)) {
        let _ = write!(self.body, "<g><title>{}</title>", text::html(title));
        fill(self);
        self.body.push_str("</g>");
    }

    /// The finished drawing, described by `label`.
    pub(crate) fn finish(self, label: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">{}</svg>",
            self.height,
            text::html_title(label),
            self.body
        )
    }
}

/// Colours of arms in the style sheet, before they begin again.
pub(crate) const COLOURS: usize = 6;

/// A key to the arms' marks.
pub(crate) fn key(labels: &[(usize, &str)]) -> String {
    let mut out = String::from("<ul class=\"key\">");
    for (arm, label) in labels {
        let mut mark = Svg::new(14.0);
        mark.mark(*arm, (7.0, 7.0));
        let _ = write!(
            out,
            "<li><svg viewBox=\"0 0 14 14\" width=\"14\" height=\"14\" aria-hidden=\"true\">{}</svg>{}</li>",
            mark.body,
            text::html(label)
        );
    }
    out.push_str("</ul>");
    out
}

/// An axis from numbers to places.
pub(crate) struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    scale: Scale,
    step: f64,
}

impl Axis {
    /// An axis that holds `low` to `high`, widened to round numbers, drawn from place `start` to `end`.
    pub(crate) fn new([low, high]: [f64; 2], [start, end]: [f64; 2], scale: Scale) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let rough = (high - low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|&step| step >= rough * 0.999).unwrap_or(steps[3]);
        let from = (low / step + 1e-9).floor() * step;
        let to = ((high / step - 1e-9).ceil() * step).max(from + step);
        Self { from, to, start, end, scale, step }
    }

    /// Where a number lies.
    pub(crate) fn place(&self, number: f64) -> f64 {
        let share = (number - self.from) / (self.to - self.from);
        self.start + share * (self.end - self.start)
    }

    /// The round numbers along it, with their names.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let count = ((self.to - self.from) / self.step).round() as usize;
        let numbers = (0..=count).map(|at| self.from + at as f64 * self.step);
        numbers.map(|number| (self.place(number), self.name(number))).collect()
    }

    fn name(&self, number: f64) -> String {
        let (number, step) = match self.scale {
            Scale::Rate => (100.0 * number, 100.0 * self.step),
            Scale::Score => (number, self.step),
        };
        let digits = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let shown = format!("{number:.digits$}");
        match shown.strip_prefix('-') {
            Some(size) if size.bytes().all(|b| b == b'0' || b == b'.') => size.to_owned(),
            Some(size) => format!("−{size}"),
            None => shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_the_numbers() {
        let axis = Axis::new([0.031, 0.447], [0.0, 100.0], Scale::Rate);
        let names: Vec<String> = axis.ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["0", "10", "20", "30", "40", "50"]);
        assert_eq!((axis.place(0.0), axis.place(0.5)), (0.0, 100.0));
        let axis = Axis::new([-0.011, 0.052], [0.0, 1.0], Scale::Rate);
        let names: Vec<String> = axis.ticks().into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["−2", "0", "2", "4", "6"]);
        assert_eq!(Axis::new([0.0, 0.0], [0.0, 1.0], Scale::Score).ticks().len(), 6);
    }
}
