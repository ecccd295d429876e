//! The runs of a report in order, with their metrics: what page, tables and charts show, before any markup.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::ReportError;
use crate::format::Spread;
use crate::projection::Projection;
use crate::report::Report;
use crate::run_metrics::RunMetrics;

/// The runs by category and system, each list in the order of first occurrence.
pub(crate) struct Summary<'a> {
    pub categories: Vec<&'a str>,
    pub systems: Vec<&'a str>,
    /// Of the report's ablation, those that have runs.
    pub ablation: Vec<&'a str>,
    /// In the order of the report.
    pub runs: Vec<RunMetrics<'a>>,
    /// Indices into `runs` by category, then system, the lowest seed first.
    cells: HashMap<&'a str, HashMap<&'a str, Vec<usize>>>,
}

impl<'a> Summary<'a> {
    pub fn new(report: &'a Report) -> Result<Self, ReportError> {
        let mut seen = HashSet::new();
        for run in &report.runs {
            if !seen.insert((&run.category, run.seed, &run.system)) {
                return Err(ReportError::DuplicateRun {
                    category: run.category.clone(),
                    seed: run.seed,
                    system: run.system.clone(),
                });
            }
        }
        let runs: Vec<RunMetrics> = report.runs.iter().map(RunMetrics::new).collect();
        let mut by_seed: Vec<usize> = (0..runs.len()).collect();
        by_seed.sort_by_key(|&index| report.runs[index].seed);
        let mut cells: HashMap<&str, HashMap<&str, Vec<usize>>> = HashMap::new();
        for index in by_seed {
            let run = &report.runs[index];
            cells.entry(&run.category).or_default().entry(&run.system).or_default().push(index);
        }
        let systems = distinct(report.runs.iter().map(|run| run.system.as_str()));
        let ablation = distinct(report.ablation.iter().map(String::as_str));
        let ablation = ablation.into_iter().filter(|system| systems.contains(system)).collect();
        let categories = distinct(report.runs.iter().map(|run| run.category.as_str()));
        Ok(Self { categories, systems, ablation, runs, cells })
    }

    /// The runs of a system on a category, the lowest seed first.
    pub fn cell(&self, category: &str, system: &str) -> impl Iterator<Item = &RunMetrics<'a>> {
        let cell = self.cells.get(category).and_then(|systems| systems.get(system));
        cell.into_iter().flatten().map(|&index| &self.runs[index])
    }

    /// The run of a system on a category whose likelihoods are shown: of the lowest seed that has some.
    /// Several systems can have one flow; its likelihoods are those of the first.
    pub fn with_likelihoods(&self, category: &str, system: &str) -> Option<&RunMetrics<'a>> {
        let of = |system: &str| {
            let all = |run: &RunMetrics| [false, true].map(|defect| run.likelihoods(defect));
            let found = self.cell(category, system).map(|run| (run, all(run)));
            found.into_iter().find(|(_, classes)| classes.iter().any(|class| !class.is_empty()))
        };
        let (run, own) = of(system)?;
        let mut earlier = self.systems.iter().take_while(|earlier| **earlier != system);
        let shared = earlier.any(|earlier| of(earlier).is_some_and(|(_, classes)| classes == own));
        (!shared).then_some(run)
    }

    /// The projections of a system on a category, of the lowest seed that has some.
    pub fn projections(&self, category: &str, system: &str) -> &'a [Projection] {
        let projections = self.cell(category, system).map(|run| &run.run.projections[..]);
        projections.into_iter().find(|projections| !projections.is_empty()).unwrap_or_default()
    }

    /// Over the seeds.
    pub fn auroc(&self, category: &str, system: &str) -> Option<Spread> {
        Spread::new(self.cell(category, system).map(|run| run.auroc))
    }

    /// Over the seeds, of the mean over the categories that have an AUROC with any system. Seeds that lack
    /// one of them don't count, so that all means are of the same categories.
    pub fn mean_auroc(&self, system: &str) -> Option<Spread> {
        let defined = |run: &&RunMetrics| run.auroc.is_some();
        let all: HashSet<&str> =
            self.runs.iter().filter(defined).map(|run| run.run.category.as_str()).collect();
        let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for run in self.runs.iter().filter(|run| run.run.system == system) {
            by_seed.entry(run.run.seed).or_default().extend(run.auroc);
        }
        let whole = by_seed.into_values().filter(|own| !own.is_empty() && own.len() == all.len());
        Spread::new(whole.map(|own| Some(own.iter().sum::<f64>() / own.len() as f64)))
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Run, Score};

    /// AUROC 1 or 0.
    fn run(category: &str, seed: u64, system: &str, good: bool) -> Run {
        let score = |defect: Option<&str>, score| Score {
            defect: defect.map(str::to_owned),
            score,
            ..Score::default()
        };
        let defect = if good { 1.0 } else { -1.0 };
        let mut run = Run::new(category, seed, system);
        run.scores = vec![score(None, 0.0), score(Some("scratch"), defect)];
        run
    }

    #[test]
    fn means_are_of_the_same_categories() {
        let mut report = Report::new("");
        report.runs = vec![
            run("a", 0, "whole", true),
            run("b", 0, "whole", false),
            run("a", 1, "whole", true),
            run("b", 1, "whole", true),
            run("a", 0, "part", true),
            Run::new("undefined", 0, "whole"),
        ];
        let summary = Summary::new(&report).unwrap();
        assert_eq!(summary.categories, ["a", "b", "undefined"]);
        assert_eq!(summary.systems, ["whole", "part"]);
        assert_eq!(summary.mean_auroc("whole").unwrap().mean, 0.75);
        assert_eq!(summary.mean_auroc("part"), None);
        assert_eq!(summary.auroc("b", "whole").unwrap().mean, 0.5);
        assert_eq!(summary.auroc("b", "part"), None);
        assert_eq!(summary.auroc("undefined", "whole"), None);
    }

    #[test]
    fn a_run_counts_once() {
        let mut report = Report::new("");
        report.runs = vec![run("a", 0, "nf", true), run("a", 0, "nf", false)];
        let error = Summary::new(&report).err().unwrap();
        assert!(matches!(error, ReportError::DuplicateRun { seed: 0, .. }), "{error}");
    }
}
