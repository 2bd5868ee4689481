//! The tables of a report: the arms side by side for each measure, their differences with tests, what
//! their answers were like, which verdicts were given, and where two measures disagree.

use super::numbers::{NOTHING, Scale, count, difference, estimate, p_of, p_value, statistic};
use super::rates::shown;
use super::results::{Cut, Difference, Group, Rate, Results};
use super::table::{Cell, Table, Tone};
use crate::record::Measure;

/// How a cut is called: `pass@5`, `easy`, `easy, pass@5`.
pub(crate) fn label(cut: &Cut, several_k: bool) -> String {
    let statistic = statistic(cut);
    match &cut.group {
        Some(group) if cut.k.is_some_and(|k| k > 1) || several_k => {
            format!("{}, {statistic}", called(group))
        }
        Some(group) => called(group),
        None => statistic,
    }
}

/// A group's value; one that is a bare number says of what: `numbers 3`.
fn called(group: &Group) -> String {
    match group.value.parse::<f64>() {
        Ok(_) => format!("{} {}", group.name, group.value),
        Err(_) => group.value.clone(),
    }
}

/// The cuts of a measure that tables show: overall for each k, then each group that has a number.
fn cuts<'a>(results: &'a Results, measure: &str) -> Vec<&'a Cut> {
    let shown = shown(&results.run);
    let first = results.run.arms.first().map(|arm| arm.label.as_str()).unwrap_or_default();
    let rows = results.rates.iter().filter(|r| r.arm == first && r.cut.measure == measure);
    let mut cuts: Vec<&Cut> =
        rows.map(|rate| &rate.cut).filter(|cut| cut.k.is_none_or(|k| shown.contains(&k))).collect();
    cuts.retain(|cut| cut.group.is_none() || has_number(results, cut));
    cuts.sort_by_key(|cut| cut.group.is_some());
    cuts
}

/// Whether some arm has a number there: of a group that nobody was asked about yet none has.
pub(crate) fn has_number(results: &Results, cut: &Cut) -> bool {
    results.rates.iter().any(|rate| rate.cut == *cut && rate.problems > 0)
}

fn rate<'a>(results: &'a Results, cut: &Cut, arm: &str) -> Option<&'a Rate> {
    results.rates.iter().find(|rate| rate.cut == *cut && rate.arm == arm)
}

fn against<'a>(results: &'a Results, cut: &Cut, arm: &str) -> Option<&'a Difference> {
    results.differences.iter().find(|d| d.cut == *cut && d.arm == arm)
}

/// The arms that have a number of this measure; all of them where none has one yet. What compares other
/// arms with the reference is nothing that the reference has.
pub(crate) fn measured<'a>(results: &'a Results, measure: &str) -> Vec<&'a str> {
    let labels = || results.run.arms.iter().map(|arm| arm.label.as_str());
    let of = |rate: &&Rate| rate.cut.measure == measure && rate.problems > 0;
    let with: Vec<&str> = results.rates.iter().filter(of).map(|rate| rate.arm.as_str()).collect();
    match with.is_empty() {
        true => labels().collect(),
        false => labels().filter(|label| with.contains(label)).collect(),
    }
}

/// The arms that are compared with the reference by this measure.
pub(crate) fn others<'a>(results: &'a Results, measure: &str) -> Vec<&'a str> {
    let arms = measured(results, measure);
    let reference = results.run.reference.as_str();
    match arms.contains(&reference) {
        true => arms.into_iter().filter(|&label| label != reference).collect(),
        false => Vec::new(),
    }
}

/// The arms side by side for one measure, overall and by group, with the differences.
pub(crate) fn rates(results: &Results, measure: &Measure) -> Table {
    let (arms, others) = (measured(results, &measure.name), others(results, &measure.name));
    let mut table = Table::new(measure.title.clone(), ["", "problems"]);
    table.heads.extend(arms.iter().map(|arm| (*arm).to_owned()));
    let against_reference = |arm: &&str| format!("{arm} − {}", results.run.reference);
    table.heads.extend(others.iter().map(against_reference));
    let several = shown(&results.run).len() > 1;
    for cut in cuts(results, &measure.name) {
        let of_arm: Vec<Option<&Rate>> = arms.iter().map(|arm| rate(results, cut, arm)).collect();
        let mut row = vec![Cell::plain(label(cut, several)), Cell::plain(problems(&of_arm))];
        row.extend(of_arm.into_iter().map(of_rate));
        row.extend(others.iter().map(|arm| of_difference(against(results, cut, arm))));
        table.rows.push(row);
    }
    table
}

/// The same with a row for each arm: for many arms in a narrow place.
pub(crate) fn rates_by_arm(results: &Results, measure: &Measure) -> Table {
    let (arms, others) = (measured(results, &measure.name), others(results, &measure.name));
    let mut table = Table::new(measure.title.clone(), ["", "arm", "problems", "number"]);
    if !others.is_empty() {
        table.heads.push(format!("less {}", results.run.reference));
    }
    let several = shown(&results.run).len() > 1;
    for cut in cuts(results, &measure.name) {
        for (at, arm) in arms.iter().enumerate() {
            let found = rate(results, cut, arm);
            let name = if at == 0 { label(cut, several) } else { String::new() };
            let mut row = vec![Cell::plain(name), Cell::plain(*arm)];
            row.extend([Cell::plain(problems(&[found])), of_rate(found)]);
            if !others.is_empty() {
                let compared = others.contains(arm);
                row.push(of_difference(against(results, cut, arm).filter(|_| compared)));
            }
            table.rows.push(row);
        }
    }
    table
}

fn of_rate(rate: Option<&Rate>) -> Cell {
    rate.map_or_else(|| Cell::plain(NOTHING), super::numbers::rate)
}

fn of_difference(found: Option<&Difference>) -> Cell {
    found.map_or_else(
        || Cell::plain(NOTHING),
        |found| difference(&found.estimate, Scale::of(found.cut.kind)),
    )
}

/// `400`, or `398–400` where arms answered different numbers of problems.
fn problems(rates: &[Option<&Rate>]) -> String {
    let counts = rates.iter().flatten().map(|rate| rate.problems);
    match (counts.clone().min(), counts.max()) {
        (Some(least), Some(most)) if least != most => format!("{least}–{most}"),
        (Some(all), _) => count(all as u64),
        (None, _) => NOTHING.to_owned(),
    }
}

/// The tests of one measure's differences.
pub(crate) fn tests(results: &Results, measure: &Measure) -> Table {
    let title = format!("{}: against {}", measure.title, results.run.reference);
    let others = others(results, &measure.name);
    let of = |d: &&Difference| {
        let told = d.cut.group.is_none() || has_number(results, &d.cut);
        d.cut.measure == measure.name && others.contains(&d.arm.as_str()) && told
    };
    let mut found: Vec<&Difference> = results.differences.iter().filter(of).collect();
    found.sort_by_key(|d| d.cut.group.is_some());
    differences_table(&title, &found, shown(&results.run).len() > 1)
}

/// The tests of one measure's preferences against one half; `None` for what is no preference.
pub(crate) fn against_half(results: &Results, measure: &Measure) -> Option<Table> {
    let heads = ["", "arm", "problems", "for", "against", "ties", "p", HOLM, "detectable distance"];
    let mut table = Table::new(format!("{}: against one half", measure.title), heads);
    let rates = results.rates.iter().filter(|rate| rate.cut.measure == measure.name);
    let mut rates: Vec<&Rate> = rates.collect();
    rates.sort_by_key(|rate| rate.cut.group.is_some());
    for rate in rates {
        let Some(half) = rate.against_half else { continue };
        let number = |number: usize| Cell::plain(count(number as u64));
        table.rows.push(vec![
            Cell::plain(label(&rate.cut, false)),
            Cell::plain(&rate.arm),
            number(rate.problems),
            number(half.above),
            number(half.below),
            number(half.ties),
            p_of(&half.test),
            or_nothing(half.test.p_holm.map(p_value)),
            or_nothing(half.minimum_detectable.map(|size| Scale::Rate.number(size))),
        ]);
    }
    (!table.rows.is_empty()).then_some(table.without_empty(&[HOLM]))
}

fn or_nothing(text: Option<String>) -> Cell {
    Cell::plain(text.unwrap_or_else(|| NOTHING.into()))
}

/// Differences, one a row, with everything that is known of each.
pub(crate) fn differences_table(title: &str, found: &[&Difference], several_k: bool) -> Table {
    let heads =
        ["", "arm", "difference", "pairs", "differ", "better / worse", "p", HOLM, "detectable"];
    let mut table = Table::new(title, heads);
    for d in found {
        let scale = Scale::of(d.cut.kind);
        table.rows.push(vec![
            Cell::plain(label(&d.cut, several_k)),
            Cell::plain(&d.arm),
            difference(&d.estimate, scale),
            Cell::plain(count(d.problems as u64)),
            Cell::plain(count(d.differing as u64)),
            Cell::plain(format!("{} / {}", count(d.better as u64), count(d.worse as u64))),
            d.test.as_ref().map_or_else(|| Cell::plain(NOTHING), p_of),
            or_nothing(d.test.and_then(|test| test.p_holm).map(p_value)),
            or_nothing(d.minimum_detectable.map(|size| scale.number(size))),
        ]);
    }
    table.without_empty(&[HOLM])
}

/// The head of corrected p-values, which there are by group.
const HOLM: &str = "p (Holm)";

/// Counts, lengths, tokens and time of each arm.
pub(crate) fn arms(results: &Results) -> Table {
    let heads = [
        "arm",
        "graded",
        "failed",
        "not asked",
        "cut off",
        "characters",
        "tokens",
        "tokens in all",
        "seconds",
    ];
    let mut table = Table::new("Answers", heads);
    for arm in &results.arms {
        let middle = |spread: &Option<super::Spread>, digits: usize| match spread {
            None => Cell::plain(NOTHING),
            Some(spread) => Cell {
                text: format!("{:.digits$}", spread.mean),
                small: format!("median {:.digits$}", spread.median),
                ..Cell::default()
            },
        };
        let cut = match arm.ended {
            0 => String::new(),
            ended => format!("{}/{}", count(arm.truncated as u64), count(ended as u64)),
        };
        table.rows.push(vec![
            Cell::plain(&arm.label),
            Cell::plain(count(arm.graded as u64)),
            Cell::plain(count(arm.failed as u64)),
            Cell::plain(count(arm.absent as u64)),
            Cell { count: cut, ..estimate(&arm.truncated_share, Scale::Rate) },
            middle(&arm.characters, 0),
            middle(&arm.completion_tokens, 0),
            or_nothing(arm.completion_tokens.map(|tokens| count(tokens.total as u64))),
            middle(&arm.seconds, 2),
        ]);
    }
    table
}

/// Most verdicts that a table lists.
const VERDICTS: usize = 20;

/// What the grader called the answers, most frequent first.
pub(crate) fn verdicts(results: &Results) -> Table {
    let mut totals: Vec<(&str, usize)> = Vec::new();
    for (verdict, count) in results.arms.iter().flat_map(|arm| &arm.verdicts) {
        match totals.iter_mut().find(|(known, _)| known == verdict) {
            Some((_, total)) => *total += count,
            None => totals.push((verdict, *count)),
        }
    }
    totals.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut table = Table::new("Verdicts", [""]);
    table.heads.extend(results.arms.iter().map(|arm| arm.label.clone()));
    for (verdict, _) in totals.iter().take(VERDICTS) {
        let mut row = vec![Cell::plain(*verdict)];
        row.extend(results.arms.iter().map(|arm| {
            let times = arm.verdicts.get(*verdict).copied().unwrap_or(0);
            share(times, arm.graded)
        }));
        table.rows.push(row);
    }
    table
}

fn share(part: usize, whole: usize) -> Cell {
    let small = match whole {
        0 => String::new(),
        _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
    };
    Cell { text: count(part as u64), small, ..Cell::default() }
}

/// Where two verdicts on the same samples disagree; `None` with fewer than two verdicts.
pub(crate) fn agreements(results: &Results) -> Option<Table> {
    let heads = ["measures", "arm", "samples", "differ", "only first", "only second"];
    let mut table = Table::new("Measures side by side", heads);
    for found in &results.agreements {
        let differ = found.first_only + found.second_only;
        let samples = differ + found.both + found.neither;
        table.rows.push(vec![
            Cell::plain(format!("{} · {}", found.first, found.second)),
            Cell::plain(&found.arm),
            Cell::plain(count(samples as u64)),
            Cell {
                tone: if differ > 0 { Tone::Strong } else { Tone::Plain },
                ..share(differ, samples)
            },
            Cell::plain(count(found.first_only as u64)),
            Cell::plain(count(found.second_only as u64)),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Win rates with the length of answers taken out; `None` where nothing was judged.
pub(crate) fn length_controlled(results: &Results) -> Option<Table> {
    let heads = ["arm", "problems", "score", "at equal lengths", "longer answers gain"];
    let mut table = Table::new("Win rate with the length taken out", heads);
    for of_arm in &results.length_controlled {
        let found = &of_arm.found;
        let [low, high] = found.interval;
        let percent = |rate: f64| Scale::Rate.number(rate);
        let rate = Cell {
            text: format!("{} %", percent(found.rate)),
            small: format!("[{}, {}]", percent(low), percent(high)),
            ..Cell::default()
        };
        table.rows.push(vec![
            Cell::plain(&of_arm.arm),
            Cell::plain(count(found.comparisons as u64)),
            Cell::plain(format!("{} %", Scale::Rate.number(found.raw))),
            rate,
            Cell::plain(Scale::Score.signed(found.length_effect)),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}
