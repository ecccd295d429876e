//! Systems by the number of images that they are trained on, compared draw by draw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use nfbmr_metrics::mean_std;

use crate::run::Run;
use crate::tables::{categories, header};

/// A category with fewer images than a training needs.
pub struct TooFew {
    pub category: String,
    pub limit: usize,
}

/// What each number of images gives, and what it takes.
pub fn tables(runs: &[Run], too_few: &[TooFew], systems: &[&str]) -> String {
    auroc_table(runs, too_few, systems) + &cost_table(runs, systems)
}

/// Image AUROC of a category and number of images a row, and by how much the first system is above each other.
fn auroc_table(runs: &[Run], too_few: &[TooFew], systems: &[&str]) -> String {
    let [first, others @ ..] = systems else {
        return String::new();
    };
    let above: Vec<String> = others.iter().map(|other| format!("{first} − {other}")).collect();
    let mut columns = vec!["category", "images"];
    columns.extend(systems);
    columns.extend(above.iter().map(String::as_str));
    let mut table = header("Few images: image AUROC, mean over the draws, %", &columns);

    let mut names = categories(runs);
    names.extend(too_few.iter().map(|few| few.category.as_str()));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let mut limits: BTreeSet<usize> = runs.iter().map(|run| run.limit).collect();
    limits.extend(too_few.iter().map(|few| few.limit));

    let mut rows: Vec<(&str, Option<&str>)> =
        names.iter().map(|name| (*name, Some(*name))).collect();
    rows.extend((names.len() > 1).then_some(("mean", None)));
    for (name, category) in rows {
        for &limit in &limits {
            let of = |system: &str| -> Vec<&Run> {
                let kept = |run: &&Run| {
                    run.limit == limit
                        && run.system == system
                        && category.is_none_or(|category| run.category == category)
                };
                runs.iter().filter(kept).collect()
            };
            let all: Vec<Vec<&Run>> = systems.iter().map(|system| of(system)).collect();
            if all.iter().all(Vec::is_empty) {
                let cells = " not trainable |".repeat(systems.len()) + &" - |".repeat(others.len());
                let _ = writeln!(table, "| {name} | {limit} |{cells}");
                continue;
            }
            let _ = write!(table, "| {name} | {limit} |");
            for own in &all {
                let _ = write!(table, " {} |", mean(own, |run| 100.0 * run.image_auroc, 1));
            }
            for other in &all[1..] {
                let _ = write!(table, " {} |", difference(&differences(&all[0], other)));
            }
            table.push('\n');
        }
    }
    table.push('\n');
    if !others.is_empty() {
        table.push_str(
            "Differences are paired by draw, ± their standard error; bold where the first system is below by more than \
             two of them.\n\n",
        );
    }
    table
}

/// Times and sizes of a system and number of images a row.
fn cost_table(runs: &[Run], systems: &[&str]) -> String {
    let columns = ["images", "system", "training, s", "detection, ms", "model, MB"];
    let title = "Few images: times and sizes, means over the categories and draws";
    let mut table = header(title, &columns);
    let limits: BTreeSet<usize> = runs.iter().map(|run| run.limit).collect();
    for limit in limits {
        for system in systems {
            let own = runs.iter().filter(|run| run.limit == limit && run.system == *system);
            let own: Vec<&Run> = own.collect();
            let _ = writeln!(
                table,
                "| {limit} | {system} | {} | {} | {} |",
                mean(&own, |run| run.train_s, 2),
                mean(&own, |run| run.detect_ms, 1),
                mean(&own, |run| run.model_mb, 2),
            );
        }
    }
    table + "\n"
}

fn mean(runs: &[&Run], of: impl Fn(&Run) -> f64, digits: usize) -> String {
    match runs.len() {
        0 => "-".to_owned(),
        count => {
            let sum: f64 = runs.iter().map(|run| of(run)).sum();
            format!("{:.digits$}", sum / count as f64)
        }
    }
}

/// By how many percent the first runs are above those of another system on the same images: of each draw, the mean
/// over the categories.
fn differences(first: &[&Run], others: &[&Run]) -> Vec<f64> {
    let mut by_draw: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for run in first {
        let same = |other: &&&Run| other.category == run.category && other.seed == run.seed;
        if let Some(other) = others.iter().find(same) {
            let above = 100.0 * (run.image_auroc - other.image_auroc);
            by_draw.entry(run.seed).or_default().push(above);
        }
    }
    by_draw.values().map(|own| own.iter().sum::<f64>() / own.len() as f64).collect()
}

/// The mean with its standard error, bold where it is below zero by more than two of them.
fn difference(by_draw: &[f64]) -> String {
    match (mean_std(by_draw), by_draw) {
        (Ok(spread), _) => {
            let error = spread.std / (by_draw.len() as f64).sqrt();
            let cell = format!("{:+.2} ± {error:.2}", spread.mean);
            if spread.mean < -2.0 * error { format!("**{cell}**") } else { cell }
        }
        (_, [one]) => format!("{one:+.2}"),
        _ => "-".to_owned(),
    }
}
