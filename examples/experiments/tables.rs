//! The outcome of all runs as JSON, CSV and Markdown.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use nfbmr::report::{self, Report};
use nfbmr_metrics::mean_std;

use crate::few::{self, TooFew};
use crate::paper;
use crate::run::Run;

/// Writes `results.json`, `results.csv`, `tables.md`, `report.html` and the report's pictures. The report and
/// the tables of one number of images are of the largest.
pub fn write(
    out: &Path,
    runs: &[Run],
    too_few: &[TooFew],
    systems: &[&str],
) -> Result<(), Box<dyn Error>> {
    fs::write(out.join("results.json"), serde_json::to_string_pretty(runs)?)?;
    fs::write(out.join("results.csv"), csv(runs))?;
    let few = few::tables(runs, too_few, systems);
    let largest = runs.iter().map(|run| run.limit).max();
    let note = match largest {
        Some(limit) if runs.iter().any(|run| run.limit != limit) => {
            format!(
                "Of {limit} training images at most, but for the last two tables.

"
            )
        }
        _ => String::new(),
    };
    let runs = runs.iter().filter(|run| Some(run.limit) == largest).cloned().collect::<Vec<_>>();
    let runs = runs.as_slice();
    let tables = [
        note,
        auroc_table(runs, systems),
        precision_table(runs),
        ablation_table(runs, systems),
        pixel_table(runs, systems),
        defect_table(runs, systems),
        few,
    ];
    fs::write(out.join("tables.md"), tables.concat())?;
    print!("{}", tables.concat());

    let mut report = Report::new("Visual defect detection");
    report.runs = runs.iter().map(reported).collect();
    report.examples = runs.iter().flat_map(|run| run.pictures.examples.iter().cloned()).collect();
    let share = |&(system, percent): &(&str, f64)| (system.to_owned(), percent / 100.0);
    report.published = Some(report::Published {
        source: "paper, MVTec AD".to_owned(),
        image_auroc: paper::ABLATION.iter().map(share).collect(),
    });
    report.write_folder(out)?;
    Ok(())
}

fn reported(run: &Run) -> report::Run {
    let mut reported = report::Run::new(&run.category, run.seed, &run.system);
    reported.scores = run
        .scores
        .iter()
        .map(|score| report::Score {
            path: score.path.clone(),
            defect: score.defect.clone(),
            score: score.score,
            likelihood: score.likelihood,
            kind: score.kind,
        })
        .collect();
    reported.image_auroc_interval = Some(run.image_auroc_interval);
    reported.pixel = run.pixel.map(|pixel| report::Pixel {
        auroc: pixel.auroc,
        aupro: pixel.aupro,
        f1_max: pixel.f1_max,
    });
    reported.projections = run.pictures.projections.clone();
    reported.train_s = Some(run.train_s);
    reported.detect_ms = Some(run.detect_ms);
    reported
}

fn csv(runs: &[Run]) -> String {
    let mut csv = String::from(
        "category,seed,system,image_auroc,image_auroc_low,image_auroc_high,image_average_precision,\
         precision,recall,f1,pixel_auroc,pixel_aupro,pixel_f1_max,train_images,train_s,detect_ms,\
         model_mb,limit\n",
    );
    for run in runs {
        let pixel = run.pixel.map_or(",,".to_owned(), |pixel| {
            format!("{:.5},{:.5},{:.5}", pixel.auroc, pixel.aupro, pixel.f1_max)
        });
        let [low, high] = run.image_auroc_interval;
        let _ = writeln!(
            csv,
            "\"{}\",{},{},{:.5},{low:.5},{high:.5},{:.5},{:.5},{:.5},{:.5},{pixel},{},{:.3},{:.1},{:.3},{}",
            run.category.replace('"', "\"\""),
            run.seed,
            run.system,
            run.image_auroc,
            run.image_average_precision,
            run.precision,
            run.recall,
            run.f1,
            run.train_images,
            run.train_s,
            run.detect_ms,
            run.model_mb,
            run.limit,
        );
    }
    csv
}

/// Categories in the order of the runs.
pub fn categories(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for run in runs {
        if !names.contains(&run.category.as_str()) {
            names.push(&run.category);
        }
    }
    names
}

/// The runs of a system, of one category or of all.
fn select<'a>(runs: &'a [Run], system: &str, category: Option<&str>) -> Vec<&'a Run> {
    let kept = |run: &&Run| {
        run.system == system && category.is_none_or(|category| run.category == category)
    };
    runs.iter().filter(kept).collect()
}

/// Mean over the categories of each seed, then over the seeds, in percent, with the deviation over them.
fn percent(runs: &[&Run], of: impl Fn(&Run) -> Option<f64>) -> String {
    let mut seeds: Vec<u64> = runs.iter().map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let mean = |seed: &u64| {
        let own = runs.iter().filter(|run| run.seed == *seed);
        let own = own.map(|run| of(run)).collect::<Option<Vec<f64>>>()?;
        Some(100.0 * own.iter().sum::<f64>() / own.len() as f64)
    };
    let means: Vec<f64> = seeds.iter().filter_map(mean).collect();
    match (mean_std(&means), &means[..]) {
        (Ok(spread), _) => format!("{:.1} ± {:.1}", spread.mean, spread.std),
        (_, [value]) => format!("{value:.1}"),
        _ => "-".to_owned(),
    }
}

pub fn header(title: &str, columns: &[&str]) -> String {
    format!("## {title}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

/// Tables 1 and 3: a category a row, a system a column.
fn by_category(
    runs: &[Run],
    systems: &[&str],
    title: &str,
    of: impl Fn(&Run) -> Option<f64> + Copy,
    paper: impl Fn(&str) -> Option<String>,
) -> String {
    let categories = categories(runs);
    let reported = categories.iter().any(|category| paper(category).is_some());
    let mut columns = vec!["category"];
    columns.extend(systems);
    columns.extend(reported.then_some("paper, NF-BMR"));
    let mut table = header(title, &columns);
    for category in &categories {
        let _ = write!(table, "| {category} |");
        for system in systems {
            let _ = write!(table, " {} |", percent(&select(runs, system, Some(category)), of));
        }
        if reported {
            let _ = write!(table, " {} |", paper(category).unwrap_or("-".to_owned()));
        }
        table.push('\n');
    }
    table.push_str("| mean |");
    for system in systems {
        let _ = write!(table, " {} |", percent(&select(runs, system, None), of));
    }
    table.push_str(if reported { " |\n\n" } else { "\n\n" });
    table
}

fn auroc_table(runs: &[Run], systems: &[&str]) -> String {
    let paper =
        |category: &str| Some(paper::cell(paper::AUROC, category)).filter(|cell| cell != "-");
    let title = "Image AUROC, % (Tables 1 and 3)";
    by_category(runs, systems, title, |run| Some(run.image_auroc), paper)
}

fn pixel_table(runs: &[Run], systems: &[&str]) -> String {
    if runs.iter().all(|run| run.pixel.is_none()) {
        return String::new();
    }
    let auroc = |run: &Run| run.pixel.map(|pixel| pixel.auroc);
    let aupro = |run: &Run| run.pixel.map(|pixel| pixel.aupro);
    let none = |_: &str| None;
    by_category(runs, systems, "Pixel AUROC, %", auroc, none)
        + &by_category(runs, systems, "AUPRO up to a false-positive rate of 0.3, %", aupro, none)
}

/// Tables 2 and 4: precision, recall and F1 of NF-BMR, n = 2.
fn precision_table(runs: &[Run]) -> String {
    let columns = ["category", "precision", "recall", "F1", "paper: precision", "recall", "F1"];
    let mut table =
        header("NF-BMR (n = 2) at the threshold with the highest F1, % (Tables 2 and 4)", &columns);
    for category in categories(runs) {
        let own = select(runs, "nf-bmr-2", Some(category));
        let paper = paper::PRECISION_RECALL_F1.iter().find(|(name, _)| *name == category);
        let paper = paper.map_or(["-"; 3].map(str::to_owned), |(_, values)| {
            values.map(|value| format!("{value:.1}"))
        });
        let _ = writeln!(
            table,
            "| {category} | {} | {} | {} | {} |",
            percent(&own, |run| Some(run.precision)),
            percent(&own, |run| Some(run.recall)),
            percent(&own, |run| Some(run.f1)),
            paper.join(" | "),
        );
    }
    table + "\n"
}

/// Table 5, with the time that each takes.
fn ablation_table(runs: &[Run], systems: &[&str]) -> String {
    let columns = [
        "system",
        "image AUROC, %",
        "paper, MVTec AD",
        "training, s",
        "detection, ms",
        "model, MB",
    ];
    let mut table = header("Systems, means over the categories (Table 5)", &columns);
    for system in systems {
        let own = select(runs, system, None);
        let mean = |of: fn(&Run) -> f64| {
            own.iter().map(|run| of(run)).sum::<f64>() / own.len().max(1) as f64
        };
        let _ = writeln!(
            table,
            "| {system} | {} | {} | {:.1} | {:.1} | {:.2} |",
            percent(&own, |run| Some(run.image_auroc)),
            paper::cell(paper::ABLATION, system),
            mean(|run| run.train_s),
            mean(|run| run.detect_ms),
            mean(|run| run.model_mb),
        );
    }
    table
        + "\nA flow that several systems build on is trained, and its time counted, with the first of them.\n\n"
}

/// Image AUROC by kind of defect.
fn defect_table(runs: &[Run], systems: &[&str]) -> String {
    let mut columns = vec!["category", "defect"];
    columns.extend(systems);
    let mut table = header("Image AUROC by kind of defect, %", &columns);
    for category in categories(runs) {
        let first = runs.iter().find(|run| run.category == category);
        for (kind, _) in first.map_or(&[][..], |run| &run.auroc_by_defect) {
            let _ = write!(table, "| {category} | {kind} |");
            for system in systems {
                let of = |run: &Run| {
                    let found = run.auroc_by_defect.iter().find(|(name, _)| name == kind);
                    found.map(|(_, auroc)| *auroc)
                };
                let _ = write!(table, " {} |", percent(&select(runs, system, Some(category)), of));
            }
            table.push('\n');
        }
    }
    table + "\n"
}
