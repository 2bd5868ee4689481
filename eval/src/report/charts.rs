//! The charts of one measure: pass@k with bands, groups with intervals, differences from the reference.

use super::numbers::{NOTHING, Scale, difference, estimate, rate, several, statistic};
use super::rates::shown;
use super::results::{Cut, Difference, Estimate, Rate, Results};
use super::svg::{Axis, COLOURS, Svg, WIDTH, key};
use super::table::{Cell, Tone};
use super::tables::{has_number, label, measured, others};
use super::text::{html, html_title};
use crate::record::{Measure, MeasureKind};

const LEFT: f64 = 40.0;
const RIGHT: f64 = 12.0;
/// Room for names of rows.
const NAMES: f64 = 104.0;
/// Characters of a name that fit there.
const NAME: usize = 15;

/// The charts of a measure, those that there is something to draw for.
pub(crate) fn charts(results: &Results, measure: &Measure) -> String {
    let labels: Vec<(usize, &str)> =
        results.run.arms.iter().enumerate().map(|(at, arm)| (at, arm.label.as_str())).collect();
    let mut out = String::new();
    for (title, chart) in [
        ("pass@k, with 95 % intervals", curve(results, measure)),
        ("By group, with 95 % intervals", groups(results, measure)),
        ("Difference from the reference, with 95 % intervals", forest(results, measure)),
    ] {
        let Some(chart) = chart else { continue };
        out.push_str(&format!("<figure><figcaption>{title}</figcaption>{chart}</figure>\n"));
    }
    match out.is_empty() {
        true => out,
        false => format!("{}<div class=\"charts\">{out}</div>", key(&labels)),
    }
}

fn arm_number(results: &Results, label: &str) -> usize {
    results.run.arms.iter().position(|arm| arm.label == label).unwrap_or(0)
}

/// A sentence about a number, for the pointer and for screen readers.
fn said(who: &str, cut: &Cut, cell: &Cell) -> String {
    format!("{who}, {}: {} {}", label(cut, true), cell.text, cell.small)
}

/// pass@k over k, one line an arm, with the band of its interval.
fn curve(results: &Results, measure: &Measure) -> Option<String> {
    let of = |r: &&Rate| {
        r.cut.measure == measure.name && r.cut.group.is_none() && r.estimate.value.is_some()
    };
    let rates: Vec<&Rate> = results.rates.iter().filter(of).collect();
    let most = rates.iter().filter_map(|rate| rate.cut.k).max()?;
    if measure.kind != MeasureKind::Verdict || most < 2 {
        return None;
    }
    let height = 240.0;
    let highest = rates.iter().map(|r| r.estimate.interval.map_or(0.0, |i| i.high));
    let y = Axis::new([0.0, highest.fold(0.01, f64::max)], [height - 34.0, 12.0], Scale::Rate);
    let x = |k: usize| {
        LEFT + 8.0 + (k as f64).log2() / (most as f64).log2() * (WIDTH - LEFT - RIGHT - 16.0)
    };
    let mut svg = Svg::new(height);
    for (place, name) in y.ticks() {
        svg.line("grid", (LEFT, place), (WIDTH - RIGHT, place));
        svg.text("tick", "end", (LEFT - 6.0, place + 4.0), &name);
    }
    svg.text("tick", "start", (2.0, 10.0), "%");
    for k in tick_ks(&rates) {
        svg.text("tick", "middle", (x(k), height - 16.0), &k.to_string());
    }
    svg.text("axis", "middle", (WIDTH / 2.0, height - 2.0), "k (samples)");
    for (arm, one) in results.run.arms.iter().enumerate() {
        let own: Vec<&Rate> = rates.iter().copied().filter(|r| r.arm == one.label).collect();
        line(&mut svg, arm, &own, &x, &y);
    }
    Some(svg.finish(&format!("pass@k of {}", measure.title)))
}

/// The k to name below the curve: each that is a power of two, and the largest.
fn tick_ks(rates: &[&Rate]) -> Vec<usize> {
    let mut ks: Vec<usize> = rates.iter().filter_map(|rate| rate.cut.k).collect();
    ks.sort_unstable();
    ks.dedup();
    let most = ks.last().copied().unwrap_or(1);
    ks.retain(|&k| k == most || (k.is_power_of_two() && 4 * k <= 3 * most));
    ks
}

fn line(svg: &mut Svg, arm: usize, rates: &[&Rate], x: &dyn Fn(usize) -> f64, y: &Axis) {
    let at = |rate: &Rate| x(rate.cut.k.unwrap_or(1));
    let ends = |pick: fn(&crate::statistics::Interval) -> f64| {
        let ends = rates.iter().filter_map(move |r| Some((at(r), pick(&r.estimate.interval?))));
        ends.map(|(x, number)| (x, y.place(number))).collect::<Vec<_>>()
    };
    let mut band = ends(|interval| interval.high);
    band.extend(ends(|interval| interval.low).into_iter().rev());
    let colour = arm % COLOURS;
    svg.path(&format!("band a{colour}"), &band, true);
    let points: Vec<(f64, f64)> =
        rates.iter().filter_map(|r| Some((at(r), y.place(r.estimate.value?)))).collect();
    svg.path(&format!("line a{colour} d{}", arm % 4), &points, false);
    for (rate, point) in rates.iter().zip(points) {
        let title = said(&rate.arm, &rate.cut, &estimate(&rate.estimate, Scale::Rate));
        svg.titled(&title, |svg| svg.mark(arm, point));
    }
}

/// A row of a chart of intervals.
struct Row<'a> {
    name: String,
    marks: Vec<(usize, Estimate, String)>,
    /// What the row is under: drawn once above rows of the same.
    under: &'a str,
}

/// Rates by group, one row a value.
fn groups(results: &Results, measure: &Measure) -> Option<String> {
    let k = (measure.kind == MeasureKind::Verdict).then_some(1);
    let arms = measured(results, &measure.name);
    let of = |r: &&Rate| {
        let meant = r.cut.measure == measure.name && r.cut.k == k;
        meant && arms.contains(&r.arm.as_str()) && has_number(results, &r.cut)
    };
    let rates: Vec<&Rate> = results.rates.iter().filter(of).collect();
    if rates.iter().all(|rate| rate.cut.group.is_none()) {
        return None;
    }
    let scale = Scale::of(measure.kind);
    let mark = |r: &&Rate| {
        let title = said(&r.arm, &r.cut, &estimate(&r.estimate, scale));
        (arm_number(results, &r.arm), r.estimate, title)
    };
    let rows = by_cut(&rates, |r| &r.cut).into_iter().map(|(cut, rates)| Row {
        name: cut.group.as_ref().map_or("all".to_owned(), |group| group.value.clone()),
        marks: rates.iter().map(mark).collect(),
        under: cut.group.as_ref().map_or("", |group| &group.name),
    });
    let label = format!("{} by group", measure.title);
    intervals(&rows.collect::<Vec<_>>(), scale, false, &label)
}

/// Differences from the reference: overall for each k, then by group.
fn forest(results: &Results, measure: &Measure) -> Option<String> {
    let ks = shown(&results.run);
    let of = |d: &&Difference| {
        let wanted = d.cut.group.is_none() || d.cut.k.is_none_or(|k| k == 1);
        let shown = d.problems > 0 && d.cut.k.is_none_or(|k| ks.contains(&k));
        d.cut.measure == measure.name && wanted && shown
    };
    let mut found: Vec<&Difference> = results.differences.iter().filter(of).collect();
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|d| d.cut.group.is_some());
    let scale = Scale::of(measure.kind);
    let mark = |d: &&Difference| {
        let who = format!("{} − {}", d.arm, d.reference);
        let title = said(&who, &d.cut, &difference(&d.estimate, scale));
        (arm_number(results, &d.arm), d.estimate, title)
    };
    let rows = by_cut(&found, |d| &d.cut).into_iter().map(|(cut, found)| Row {
        name: label(cut, false),
        marks: found.iter().map(mark).collect(),
        under: cut.group.as_ref().map_or("", |group| &group.name),
    });
    let label = format!("{}: difference from {}", measure.title, results.run.reference);
    intervals(&rows.collect::<Vec<_>>(), scale, true, &label)
}

/// Neighbours of the same cut together.
fn by_cut<'a, T>(items: &[&'a T], cut: fn(&T) -> &Cut) -> Vec<(&'a Cut, Vec<&'a T>)> {
    let mut rows: Vec<(&Cut, Vec<&T>)> = Vec::new();
    for &item in items {
        match rows.last_mut() {
            Some((last, row)) if *last == cut(item) => row.push(item),
            _ => rows.push((cut(item), vec![item])),
        }
    }
    rows
}

/// Rows of marks with whiskers over one axis; `about_zero` draws the line of no difference.
fn intervals(rows: &[Row<'_>], scale: Scale, about_zero: bool, label: &str) -> Option<String> {
    let (gap, lane, head) = (9.0, 13.0, 16.0);
    let estimates = || rows.iter().flat_map(|row| &row.marks).map(|(_, estimate, _)| estimate);
    let lows = estimates().filter_map(|e| e.interval.map(|i| i.low).or(e.value));
    let highs = estimates().filter_map(|e| e.interval.map(|i| i.high).or(e.value));
    let (mut low, high) = (lows.fold(f64::MAX, f64::min), highs.fold(f64::MIN, f64::max));
    if low > high {
        return None;
    }
    if about_zero || scale == Scale::Rate {
        low = low.min(0.0);
    }
    let high = if about_zero { high.max(0.0) } else { high };
    let lanes: usize = rows.iter().map(|row| row.marks.len()).sum();
    let height = rows.len() as f64 * gap + lanes as f64 * lane + heads(rows) as f64 * head + 34.0;
    let axis = Axis::new([low, high], [NAMES, WIDTH - RIGHT], scale);
    let mut svg = Svg::new(height);
    for (place, name) in axis.ticks() {
        svg.line("grid", (place, 4.0), (place, height - 30.0));
        svg.text("tick", "middle", (place, height - 16.0), &name);
    }
    if about_zero {
        svg.line("zero", (axis.place(0.0), 4.0), (axis.place(0.0), height - 30.0));
    }
    let unit = match (scale, about_zero) {
        (Scale::Rate, true) => "points",
        (Scale::Rate, false) => "%",
        (Scale::Score, _) => "",
    };
    svg.text("axis", "middle", ((NAMES + WIDTH - RIGHT) / 2.0, height - 2.0), unit);
    let (mut y, mut under) = (2.0, "");
    for row in rows {
        if row.under != under {
            y += head;
            svg.text("axis", "end", (NAMES - 10.0, y), &shorter(row.under));
            under = row.under;
        }
        let middle = y + gap / 2.0 + row.marks.len() as f64 * lane / 2.0;
        svg.text("name", "end", (NAMES - 10.0, middle + 4.0), &shorter(&row.name));
        y += gap / 2.0;
        for (arm, estimate, title) in &row.marks {
            svg.titled(title, |svg| whisker(svg, *arm, estimate, y + lane / 2.0, &axis));
            y += lane;
        }
        y += gap / 2.0;
    }
    Some(svg.finish(label))
}

/// How many times a heading stands above rows.
fn heads(rows: &[Row<'_>]) -> usize {
    let mut names: Vec<&str> = rows.iter().map(|row| row.under).collect();
    names.dedup();
    names.iter().filter(|name| !name.is_empty()).count()
}

fn whisker(svg: &mut Svg, arm: usize, estimate: &Estimate, y: f64, axis: &Axis) {
    let class = format!("whisker a{}", arm % COLOURS);
    if let Some(interval) = estimate.interval {
        let [low, high] = [interval.low, interval.high].map(|end| axis.place(end));
        svg.line(&class, (low, y), (high, y));
        for end in [low, high] {
            svg.line(&class, (end, y - 3.0), (end, y + 3.0));
        }
    }
    match estimate.value {
        Some(value) => svg.mark(arm, (axis.place(value), y)),
        None => svg.text("tick", "start", (NAMES, y + 4.0), NOTHING),
    }
}

fn shorter(name: &str) -> String {
    match name.chars().count() > NAME {
        true => name.chars().take(NAME - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

/// The headline in large type: each arm's rate, then each difference.
pub(crate) fn tiles(results: &Results) -> String {
    let headline = &results.run.measures[0];
    let k = (headline.kind == MeasureKind::Verdict).then_some(1);
    let scale = Scale::of(headline.kind);
    let (arms, others) = (measured(results, &headline.name), others(results, &headline.name));
    let meant = |cut: &Cut| cut.measure == headline.name && cut.k == k && cut.group.is_none();
    let mut out = String::from("<div class=\"tiles\">");
    let told = |r: &&Rate| meant(&r.cut) && arms.contains(&r.arm.as_str());
    for found in results.rates.iter().filter(told) {
        let arm = arm_number(results, &found.arm) % COLOURS;
        let cell = rate(found);
        let about = about(found, &cell);
        out.push_str(&tile(&format!("tile a{arm}"), &found.arm, &cell, &about));
    }
    let told = |d: &&Difference| meant(&d.cut) && others.contains(&d.arm.as_str());
    for found in results.differences.iter().filter(told) {
        let cell = difference(&found.estimate, scale);
        let class = match cell.tone {
            Tone::Plain => "tile delta",
            Tone::Strong => "tile delta sure",
            Tone::Better => "tile delta sure pass",
            Tone::Worse => "tile delta sure fail",
        };
        let p = found.test.map_or(NOTHING.to_owned(), |test| p_is(test.p));
        let about = format!("{p}, {}, {} differ", several(found.problems, "pair"), found.differing);
        let who = format!("{} − {}", found.arm, found.reference);
        out.push_str(&tile(class, &who, &cell, &about));
    }
    out.push_str("</div>");
    out
}

/// What a tile says below an arm's number.
fn about(found: &Rate, cell: &Cell) -> String {
    let counts = [several(found.problems, "problem"), several(found.samples, "sample")].join(", ");
    let half = found
        .against_half
        .map_or_else(String::new, |half| format!(", {} against one half", p_is(half.test.p)));
    format!("{} {}, {counts}{half}", statistic(&found.cut), cell.count)
}

fn p_is(p: f64) -> String {
    let p = super::numbers::p_value(p);
    let equals = if p.starts_with('<') { "" } else { "= " };
    format!("p {equals}{p}")
}

fn tile(class: &str, who: &str, cell: &Cell, about: &str) -> String {
    format!(
        "<div class=\"{class}\"><div class=\"who\">{}</div><div class=\"big\">{}</div><div \
         class=\"range\">{}</div><div class=\"about\">{}</div></div>",
        html(who),
        html(&cell.text),
        html(&cell.small),
        html_title(about)
    )
}
