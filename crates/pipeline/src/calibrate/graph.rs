//! Verdicts as nodes of an ONNX graph.

use nfbmr_calibration::SplitConformal;
use nfbmr_onnx::{Element, Graph, Value};

use super::calibration::Calibration;

impl Calibration {
    /// The p-values and verdicts `[N]` of images by their scores `[N]`, of each model where there
    /// are folds.
    pub(crate) fn add_to(&self, graph: &mut Graph, scores: &[Value]) -> [Value; 2] {
        graph.part("verdict");
        let folds = match self {
            Self::Split(own) => std::slice::from_ref(own.image_scores()),
            Self::Cross(own) => own.image_scores().folds(),
        };
        let images: usize = folds.iter().map(SplitConformal::images).sum();
        let mut count = graph.floats(&[], &[0.0]);
        for (own, score) in folds.iter().zip(scores) {
            let own = at_least(graph, own.scores(), score);
            count = graph.add(&count, &own);
        }
        // Looked up, as runtimes divide with rounding of their own.
        let p_values: Vec<f64> =
            (1..=images + 1).map(|rank| rank as f64 / (images as f64 + 1.0)).collect();
        let table: Vec<f32> = p_values.iter().map(|&p_value| p_value as f32).collect();
        let table = graph.floats(&[table.len()], &table);
        let index = graph.cast(&count, Element::Int64);
        let p_value = graph.gather(&table, &index, 0);
        let is_anomalous = match (self, scores) {
            (Self::Split(own), [score, ..]) => {
                let threshold = graph.floats(&[], &[own.threshold().value]);
                graph.node("Greater", &[score, &threshold], &[])
            }
            _ => {
                let rate = self.rate().get();
                let within = p_values.iter().filter(|&&p_value| p_value <= rate).count();
                let within = graph.floats(&[], &[within as f32]);
                graph.node("Less", &[&count, &within], &[])
            }
        };
        [p_value, is_anomalous]
    }
}

/// How many of the scores of calibration images are at least those of images `[N]`.
fn at_least(graph: &mut Graph, scores: &[f32], score: &Value) -> Value {
    let scores = graph.floats(&[1, scores.len()], scores);
    let score = graph.unsqueeze(score, 1);
    let higher = graph.node("GreaterOrEqual", &[&scores, &score], &[]);
    let higher = graph.cast(&higher, Element::Float);
    graph.sum(&higher, 1)
}
