//! `spade`: the distance to the nearest features of those training images that are most like the image.
//!
//! As Cohen and Hoshen (2020), "Sub-Image Anomaly Detection with Deep Pyramid Correspondences", have it.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use nfbmr_backend::{Backend, StateDict, StateError};
use nfbmr_peers::{PeerError, Upsampling, smooth};
use serde::{Deserialize, Serialize};

use super::settings::unusable;
use super::{Head, Settings, Setup, SharedHead, Trained, Training};
use crate::error::{ModelError, Phase, PipelineError};
use crate::features::{Blocks, Cnn, Extraction, FeatureLevel, LevelSpec};
use crate::file::Learned;
use crate::progress::Reporter;
use crate::score::{Maps, scored};

/// The name of the features in a model file.
const SPADE: &str = "spade";

/// Values of a chunk of the search: 32 MB of them.
const CHUNK: usize = 1 << 23;

/// The settings of `spade`; the default is the paper's for MVTec AD.
///
/// Nothing is learnt: the features of the training images are kept, those of each block `[N, C, H, W]` at its
/// own resolution. With tiles, each tile counts as an image.
///
/// With f_y the features `[C]` of the last block of an image y, averaged over all positions, its score is the mean of
/// the squared Euclidean distances from f_y to the K nearest of those of the training images (the paper's equation
/// (2)):
///
/// ```text
/// d(y) = 1/K Σ ‖f − f_y‖²,  f in the K nearest of f_y
/// ```
///
/// With F(y, p) the features `[C]` of a block at position p, the block's map `[H, W]` is the mean of the squared
/// distances from them to the κ nearest of the gallery G, the features of all positions of these K images (equation
/// (3)):
///
/// ```text
/// d(y, p) = 1/κ Σ ‖f − F(y, p)‖²,  f in the κ nearest of F(y, p) in G
/// ```
///
/// The paper joins the features of all blocks by channel first, whose squared distance is the sum of those of the
/// blocks. Here, as in published code, each block has a map by itself and so keeps its resolution: the maps are brought
/// to the size of the input, averaged with equal weights and blurred by a Gaussian of σ = 4 pixels. Score and map are
/// squares in the unit of the features, as the paper prints them.
///
/// For a block of C channels and P positions a detection takes K·P²·C multiplications, much for a fine one, and some
/// 100 MB besides the features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpadeConfig {
    /// K, the training images that an image is compared with, all of them if there are fewer; 50.
    pub images: usize,
    /// κ, the features of these that the features at a position are compared with; 1.
    pub correspondences: usize,
}

impl Default for SpadeConfig {
    fn default() -> Self {
        Self { images: 50, correspondences: 1 }
    }
}

impl Settings for SpadeConfig {
    fn check(&self, _: &Blocks) -> Result<(), PipelineError> {
        let &Self { images, correspondences } = self;
        for (name, value) in [("images", images), ("correspondences", correspondences)] {
            if value == 0 {
                return Err(PipelineError::Config(format!("{name} must be 1 or more, found 0")));
            }
        }
        Ok(())
    }

    fn levels(&self, blocks: &Blocks) -> Result<Vec<LevelSpec>, PipelineError> {
        Ok(blocks.each())
    }

    fn train<B: Backend>(
        &self,
        training: Training<'_, '_, '_, B>,
    ) -> Result<Trained<B>, PipelineError> {
        let source = &training.features.source;
        let steps = source.iter().map(|samples| samples.len()).sum();
        let progress = &mut *training.session.progress;
        let mut reporter = Reporter::new(Phase::Fit, 1, steps, progress);
        let mut levels = Vec::with_capacity(source.len());
        for samples in source {
            let mut level = Vec::with_capacity(samples.len());
            for index in 0..samples.len() {
                let y = samples.get(index)?;
                if !is_finite(&y) {
                    return Err(PeerError::NotFinite { image: index }.into());
                }
                level.push(y);
                reporter.advance(1)?;
            }
            levels.push(level);
        }
        Ok(Trained::new(Spade::new(self, levels)?))
    }

    fn load<B: Backend>(
        &self,
        learned: &mut Learned,
        extraction: &Extraction,
        _: Option<Cnn<B>>,
        setup: &Setup<'_, B>,
    ) -> Result<SharedHead<B>, ModelError> {
        let shapes: Vec<_> = extraction.source.levels.iter().map(FeatureLevel::shape).collect();
        let levels = read(learned.take(SPADE), &shapes, setup.device);
        let levels =
            levels.map_err(|source| ModelError::State { network: SPADE.to_owned(), source })?;
        let spade = Spade::new(self, levels);
        Ok(Arc::new(spade.map_err(unusable)?))
    }
}

/// The features of the training images.
#[derive(Clone, Debug)]
struct Spade<B: Backend> {
    config: SpadeConfig,
    /// By level, those of each image `[1, C, H, W]`.
    levels: Vec<Vec<Tensor<B, 4>>>,
    /// Those of the last level, averaged over all positions `[N, C]`.
    pooled: Tensor<B, 2>,
}

impl<B: Backend> Spade<B> {
    /// Of levels of equally many images.
    fn new(config: &SpadeConfig, levels: Vec<Vec<Tensor<B, 4>>>) -> Result<Self, PipelineError> {
        let last = levels.last().filter(|last| !last.is_empty()).ok_or_else(|| {
            PipelineError::Config("expected features of an image or more, found none".to_owned())
        })?;
        let pooled = Tensor::cat(last.iter().cloned().map(pooled).collect(), 0);
        Ok(Self { config: config.clone(), levels, pooled })
    }

    /// The K training images nearest to one whose features of the last level have the mean `[1, C]`, the nearest
    /// first, and the mean of the squared distances to them.
    fn most_alike(&self, pooled: Tensor<B, 2>) -> (Vec<usize>, f32) {
        let distances = (self.pooled.clone() - pooled).square().sum_dim(1).into_data();
        let mut alike: Vec<(usize, f32)> = distances.iter().enumerate().collect();
        alike.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        alike.truncate(self.config.images);
        let sum: f64 = alike.iter().map(|&(_, distance)| f64::from(distance)).sum();
        let score = sum / alike.len() as f64;
        (alike.into_iter().map(|(index, _)| index).collect(), score as f32)
    }

    /// The map `[1, H, W]` of the features `[1, C, H, W]` of an image, by those of the same level of the training
    /// images that are most like it.
    fn map(&self, y: Tensor<B, 4>, alike: &[&Tensor<B, 4>]) -> Tensor<B, 3> {
        let [_, channels, height, width] = y.dims();
        let positions = height * width;
        let galleries: Vec<_> = alike.iter().map(|&image| Gallery::new(image.clone())).collect();
        let correspondences = self.config.correspondences;
        let each = correspondences.min(positions);
        let row = positions.max(each.saturating_mul(channels.max(alike.len())));
        let queries = y.reshape([channels, positions]).split((CHUNK / row).max(1), 1);
        let squares = queries.into_iter().map(|queries| {
            let nearest = |gallery: &Gallery<B>| gallery.nearest(queries.clone(), each);
            let nearest = Tensor::cat(galleries.iter().map(nearest).collect(), 1);
            let [_, found] = nearest.dims();
            match correspondences {
                1 => nearest.min_dim(1),
                _ => nearest.sort(1).narrow(1, 0, correspondences.min(found)).mean_dim(1),
            }
        });
        Tensor::cat(squares.collect(), 0).reshape([1, height, width])
    }

    /// By level, the maps `[N, H, W]` of images whose features are `y`, at the resolution of the level, and the
    /// score of each image.
    ///
    /// # Errors
    /// Features of another number of levels, or an image whose distances aren't finite.
    fn level_maps(
        &self,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<(Vec<Tensor<B, 3>>, Vec<f32>), PipelineError> {
        let (Some(last), true) = (y.last(), y.len() == self.levels.len()) else {
            let (expected, found) = (self.levels.len(), y.len());
            let problem = format!("expected features of {expected} levels, found those of {found}");
            return Err(PipelineError::Config(problem));
        };
        let images = pooled(last.clone()).split(1, 0).into_iter();
        let (alike, scores): (Vec<_>, Vec<_>) = images.map(|image| self.most_alike(image)).unzip();
        let mut maps = Vec::with_capacity(y.len());
        for (level, y) in self.levels.iter().zip(y) {
            let mut own = Vec::with_capacity(alike.len());
            for (image, (y, alike)) in y.split(1, 0).into_iter().zip(&alike).enumerate() {
                let alike: Vec<_> = alike.iter().filter_map(|&index| level.get(index)).collect();
                let map = self.map(y, &alike);
                if !is_finite(&map) {
                    return Err(PeerError::NotFinite { image }.into());
                }
                own.push(map);
            }
            maps.push(Tensor::cat(own, 0));
        }
        match scores.iter().position(|score| !score.is_finite()) {
            Some(image) => Err(PeerError::NotFinite { image }.into()),
            None => Ok((maps, scores)),
        }
    }

    /// By the number of each level, its features `[N, C, H, W]`.
    fn state(&self) -> StateDict {
        let level = |(index, images): (usize, &Vec<Tensor<B, 4>>)| {
            let [_, channels, height, width] = images.first().map_or([0; 4], Tensor::dims);
            let mut values = Vec::with_capacity(images.len() * channels * height * width);
            images.iter().for_each(|image| values.extend(image.to_data().iter::<f32>()));
            let data = TensorData::new(values, [images.len(), channels, height, width]);
            (index.to_string(), data)
        };
        self.levels.iter().enumerate().map(level).collect()
    }
}

impl<B: Backend> Head<B> for Spade<B> {
    fn maps(
        &self,
        images: &Tensor<B, 4>,
        y: Vec<Tensor<B, 4>>,
    ) -> Result<Vec<Maps>, PipelineError> {
        let [count, _, height, width] = images.dims();
        let (maps, scores) = self.level_maps(y)?;
        let share = 1.0 / maps.len() as f64;
        let mut mean = Tensor::zeros([count, height, width], &images.device());
        for map in maps {
            mean = mean + smooth(map, [height, width], Upsampling::Bilinear)? * share;
        }
        Ok(scored(mean, scores))
    }

    fn store(&self, learned: &mut Learned) -> Result<(), ModelError> {
        learned.put(SPADE, self.state());
        Ok(())
    }
}

/// The features of all positions of a training image.
struct Gallery<B: Backend> {
    /// `[C, M]`.
    vectors: Tensor<B, 2>,
    /// |m|² / 2 of each `[1, M]`.
    half_norms: Tensor<B, 2>,
}

impl<B: Backend> Gallery<B> {
    /// Of features `[1, C, H, W]`.
    fn new(y: Tensor<B, 4>) -> Self {
        let [_, channels, height, width] = y.dims();
        let vectors = y.reshape([channels, height * width]);
        let half_norms = vectors.clone().square().sum_dim(0).div_scalar(2.0);
        Self { vectors, half_norms }
    }

    /// The squared distances `[n, count]` from queries `[C, n]` to the `count` vectors nearest to each.
    fn nearest(&self, queries: Tensor<B, 2>, count: usize) -> Tensor<B, 2> {
        let [channels, rows] = queries.dims();
        // |q - m|² = |q|² - 2(q·m - |m|²/2) is smallest where this is largest.
        let similarities = queries.clone().swap_dims(0, 1).matmul(self.vectors.clone());
        let similarities = similarities - self.half_norms.clone();
        let nearest = match count {
            1 => similarities.argmax(1),
            _ => similarities.topk_with_indices(count, 1).1,
        };
        let found = self.vectors.clone().select(1, nearest.reshape([rows * count]));
        // From the difference: in the similarities the rounding of large norms would remain.
        let difference: Tensor<B, 3> =
            found.reshape([channels, rows, count]) - queries.unsqueeze_dim(2);
        difference.square().sum_dim(0).squeeze_dim(0)
    }
}

/// Features `[N, C, H, W]` averaged over all positions `[N, C]`.
fn pooled<B: Backend>(y: Tensor<B, 4>) -> Tensor<B, 2> {
    let [images, channels, height, width] = y.dims();
    y.reshape([images, channels, height * width]).mean_dim(2).squeeze_dim(2)
}

fn is_finite<B: Backend, const D: usize>(tensor: &Tensor<B, D>) -> bool {
    tensor.to_data().iter::<f32>().all(f32::is_finite)
}

/// The features of each image by level, from what [`Spade::state`] gave; `shapes` are the channels, rows and columns
/// of each level.
///
/// # Errors
/// Names every tensor that is missing, misshapen, not `f32`, not finite, of another number of images than the
/// first, or of no level.
fn read<B: Backend>(
    mut state: StateDict,
    shapes: &[[usize; 3]],
    device: &B::Device,
) -> Result<Vec<Vec<Tensor<B, 4>>>, StateError> {
    let (mut levels, mut problems, mut count) = (Vec::new(), Vec::new(), None);
    for (index, &[channels, height, width]) in shapes.iter().enumerate() {
        let name = index.to_string();
        let Some(data) = state.remove(&name) else {
            problems.push(format!("{name}: missing"));
            continue;
        };
        let images = data.shape.first().copied().unwrap_or_default();
        let expected = count.unwrap_or(images.max(1));
        if data.shape[..] != [expected, channels, height, width] {
            let found = data.shape.to_vec();
            let images = count.map_or("1 or more".to_owned(), |count| count.to_string());
            problems.push(format!(
                "{name}: expected [N, {channels}, {height}, {width}] of {images} images, found {found:?}"
            ));
            continue;
        }
        count = Some(images);
        match data.as_slice::<f32>() {
            Ok(values) if values.iter().all(|value| value.is_finite()) => {
                levels.push(Tensor::from_data(data, device).split(1, 0));
            }
            Ok(_) => problems.push(format!("{name}: holds values that are not finite")),
            Err(_) => problems.push(format!("{name}: expected f32, found {:?}", data.dtype)),
        }
    }
    problems.extend(state.into_keys().map(|name| format!("{name}: unexpected")));
    match problems.is_empty() {
        true => Ok(levels),
        false => Err(StateError(problems)),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use nfbmr_backend::Cpu;
    use nfbmr_test_support::fixture::{Fixture, assert_close, values};
    use proptest::prelude::*;

    use super::*;
    use crate::config::PipelineConfig;
    use crate::features::SharedSamples;
    use crate::progress::Progress;
    use crate::systems::testing::{self, detect};

    const FIXTURE: &str = "../../crates/pipeline/tests/fixtures/spade";
    const SHAPES: [[usize; 3]; 2] = [[5, 6, 6], [7, 3, 3]];

    type Level = Vec<Tensor<Cpu, 4>>;

    fn levels(fixture: &Fixture, name: &str) -> Vec<Tensor<Cpu, 4>> {
        [0, 1].map(|level| fixture.tensor(&format!("{name}.{level}"))).to_vec()
    }

    fn spade(neighbors: usize, correspondences: usize, train: Vec<Tensor<Cpu, 4>>) -> Spade<Cpu> {
        let config = SpadeConfig { images: neighbors, correspondences };
        Spade::new(&config, train.into_iter().map(|level| level.split(1, 0)).collect()).unwrap()
    }

    fn random(shape: [usize; 4], seed: u64) -> Tensor<Cpu, 4> {
        use rand::{RngExt, SeedableRng};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.random()).collect();
        Tensor::from_data(TensorData::new(values, shape), &Default::default())
    }

    fn of_all_levels(images: usize, seed: u64) -> Vec<Tensor<Cpu, 4>> {
        SHAPES.map(|[c, h, w]| random([images, c, h, w], seed)).to_vec()
    }

    #[test]
    fn maps_and_scores_are_those_of_the_reference() {
        let fixture = Fixture::open(FIXTURE);
        for correspondences in [1, 2] {
            let spade = spade(3, correspondences, levels(&fixture, "train"));
            let (raw, _) = spade.level_maps(levels(&fixture, "test")).unwrap();
            for (level, map) in raw.into_iter().enumerate() {
                let name = format!("map.{level}.{correspondences}");
                assert_close(&name, &values(map), &fixture.values(&name), 1e-5);
            }
            let (map, score) = detect(&spade, levels(&fixture, "test"), [40, 33]);
            let name = format!("map.{correspondences}");
            assert_close(&name, &map, &fixture.values(&name), 1e-5);
            assert_close("score", &score, &fixture.values("score"), 1e-5);
        }
    }

    #[test]
    fn the_most_alike_are_those_of_the_reference() {
        let fixture = Fixture::open(FIXTURE);
        let spade = spade(3, 1, levels(&fixture, "train"));
        let images = pooled(fixture.tensor("test.1")).split(1, 0).into_iter();
        let found: Vec<f32> =
            images.flat_map(|image| spade.most_alike(image).0).map(|index| index as f32).collect();
        assert_eq!(found, fixture.values("neighbors"));
    }

    #[test]
    fn fewer_images_and_positions_than_asked_for_are_all_taken() {
        let fixture = Fixture::open(FIXTURE);
        let all = |neighbors, correspondences| {
            let spade = spade(neighbors, correspondences, levels(&fixture, "train"));
            detect(&spade, levels(&fixture, "test"), [8, 8])
        };
        let (_, score) = all(50, 1);
        assert_close("score_all", &score, &fixture.values("score_all"), 1e-5);
        let most = all(usize::MAX, usize::MAX);
        assert_eq!(most, all(6, 6 * 36));
        assert!(most.0.iter().all(|value| value.is_finite()));
    }

    /// The first of equal images counts, and equal features count each.
    #[test]
    fn ties_are_no_matter() {
        let same = |level: Tensor<Cpu, 4>| level.repeat_dim(0, 4);
        let one = of_all_levels(1, 3);
        for correspondences in [1, 4, 5] {
            let spade = spade(2, correspondences, one.clone().into_iter().map(same).collect());
            assert_eq!(spade.most_alike(pooled(one[1].clone())), (vec![0, 1], 0.0));
            let flat = SHAPES.map(|[c, h, w]| Tensor::zeros([2, c, h, w], &Default::default()));
            let (map, score) = detect(&spade, flat.to_vec(), [6, 6]);
            assert!(map.iter().chain(&score).all(|value| value.is_finite() && *value > 0.0));
        }
    }

    #[test]
    fn chunks_of_the_search_change_nothing() {
        // Of 3600 positions, so that not all similarities are computed together.
        let shape = [2, 60, 60];
        assert!(shape[1] * shape[2] * shape[1] * shape[2] > CHUNK);
        let features = |images, seed| random([images, shape[0], shape[1], shape[2]], seed);
        let (train, test) = (features(2, 1), features(1, 2));
        let [gallery, query]: [Vec<f32>; 2] = [values(train.clone()), values(test.clone())];
        let (maps, _) = spade(2, 1, vec![train]).level_maps(vec![test]).unwrap();
        let (positions, map) = (shape[1] * shape[2], values(maps[0].clone()));
        for position in (0..positions).step_by(97) {
            let q = [query[position], query[positions + position]];
            let square = |image: &[f32], other: usize| {
                (image[other] - q[0]).powi(2) + (image[positions + other] - q[1]).powi(2)
            };
            let images = gallery.chunks(2 * positions);
            let least = images.flat_map(|image| (0..positions).map(move |p| square(image, p)));
            let least = least.fold(f32::INFINITY, f32::min);
            // The similarities are rounded to some 1e-7.
            assert!((map[position] - least).abs() < 1e-6, "{} at {position}", map[position]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_training_image_scores_lower_than_a_shifted_one(
            seed: u64,
            images in 2usize..6,
            neighbors in 1usize..8,
            correspondences in 1usize..4,
            shift in 2f32..100.0,
        ) {
            let train = of_all_levels(images, seed);
            let spade = spade(neighbors, correspondences, train.clone());
            let shifted = train.iter().map(|level| level.clone() + shift).collect();
            let (near, low) = detect(&spade, train.clone(), [12, 12]);
            let (far, high) = detect(&spade, shifted, [12, 12]);
            prop_assert!(low.iter().zip(&high).all(|(low, high)| low < high));
            prop_assert!(near.iter().zip(&far).all(|(near, far)| 0.0 <= *near && near < far));
            if (neighbors, correspondences) == (1, 1) {
                prop_assert!(low.iter().chain(&near).all(|&value| value < 1e-6));
            }
        }
    }

    fn config() -> PipelineConfig {
        let system = SpadeConfig { images: 3, correspondences: 1 }.into();
        PipelineConfig { input_size: 64, system, ..PipelineConfig::default() }
    }

    /// Trains on features of 4 images, told of the progress.
    fn train(
        spoilt: f32,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<SharedHead<Cpu>, PipelineError> {
        let config = config();
        let extraction = config.extraction()?;
        let level = |level: &FeatureLevel| -> SharedSamples<Cpu> {
            let [channels, height, width] = level.shape();
            let mut images = random([4, channels, height, width], 5).split(1, 0);
            images[2] = images[2].clone() * spoilt;
            Arc::new(images)
        };
        let source = extraction.source.levels.iter().map(level).collect();
        testing::train(&config.system, &extraction, source, progress)
    }

    #[test]
    fn training_tells_its_steps_and_stops() {
        let mut told = Vec::new();
        train(1.0, &mut |progress| {
            told.push((progress.phase, progress.images, progress.total_images));
            ControlFlow::Continue(())
        })
        .unwrap();
        let expected: Vec<_> = (1..=12).map(|step| (Phase::Fit, step, 12)).collect();
        assert_eq!(told, expected);
        let error = train(1.0, &mut |_| ControlFlow::Break(())).unwrap_err();
        assert!(matches!(error, PipelineError::Interrupted(Phase::Fit)), "{error}");
        let error = train(f32::NAN, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("image 2: expected finite features"), "{error}");
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let head = train(1.0, &mut |_| ControlFlow::Continue(())).unwrap();
        let mut learned = Learned::default();
        head.store(&mut learned).unwrap();
        let extraction = config().extraction().unwrap();
        let device = Default::default();
        let setup = Setup { seed: 0, low_memory: false, kinds: 1, device: &device };
        let read = config().system.load(&mut learned, &extraction, None, &setup).unwrap();
        learned.check_empty("spade").unwrap();
        let maps = |head: &SharedHead<Cpu>| -> Vec<_> {
            let shapes = extraction.source.levels.iter().map(FeatureLevel::shape);
            let y: Level = shapes.map(|[c, h, w]| random([2, c, h, w], 6)).collect();
            let maps = head.maps(&Tensor::zeros([2, 3, 64, 64], &device), y).unwrap();
            let map = |maps| match maps {
                Maps::Scored { map, score } => (map, score),
                Maps::Levels { .. } | Maps::Score(_) => panic!("expected a map and a score"),
            };
            maps.into_iter().map(map).collect()
        };
        assert_eq!(maps(&head), maps(&read));

        let error = config().system.load(&mut learned, &extraction, None, &setup).unwrap_err();
        let expected =
            "spade: parameters don't fit the network: 0: missing; 1: missing; 2: missing";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn hostile_states_are_refused() {
        let state = spade(3, 1, of_all_levels(4, 7)).state();
        let refused = |change: &dyn Fn(&mut StateDict)| {
            let mut state = state.clone();
            change(&mut state);
            read::<Cpu>(state, &SHAPES, &Default::default()).unwrap_err().0.join("; ")
        };
        let zeros = |shape: &[usize]| TensorData::zeros::<f32, _>(shape.to_vec());
        let with = |name: &'static str, data: TensorData| {
            refused(&move |state| drop(state.insert(name.to_owned(), data.clone())))
        };
        assert_eq!(refused(&|state| state.clear()), "0: missing; 1: missing");
        assert_eq!(with("2", zeros(&[4, 7, 3, 3])), "2: unexpected");
        assert_eq!(with("01", zeros(&[1])), "01: unexpected");
        for (shape, of) in [
            (&[3, 7, 3, 3][..], "4 images"),
            (&[4, 7, 3, 4], "4 images"),
            (&[4, 63], "4 images"),
            (&[], "4 images"),
        ] {
            let expected = format!("1: expected [N, 7, 3, 3] of {of}, found {shape:?}");
            assert_eq!(with("1", zeros(shape)), expected);
        }
        for shape in [&[0, 5, 6, 6][..], &[4, 5, 6], &[4, 6, 5, 6], &[]] {
            let error = with("0", zeros(shape));
            let expected = format!("0: expected [N, 5, 6, 6] of 1 or more images, found {shape:?}");
            assert_eq!(error, expected);
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = vec![0f32; 4 * 63];
            values[100] = value;
            let error = with("1", TensorData::new(values, [4, 7, 3, 3]));
            assert_eq!(error, "1: holds values that are not finite");
        }
        let error = with("1", TensorData::zeros::<f64, _>([4, 7, 3, 3]));
        assert_eq!(error, "1: expected f32, found F64");
    }

    /// What is finite and too large to square gives an error of the image, and no panic.
    #[test]
    fn features_too_large_to_square_are_an_error() {
        for (neighbors, correspondences) in [(1, 1), (3, 4)] {
            let huge = of_all_levels(4, 7).into_iter().map(|level| level * 1e38).collect();
            let spade = spade(neighbors, correspondences, huge);
            let error = spade.level_maps(of_all_levels(1, 8)).unwrap_err().to_string();
            assert!(error.contains("image 0: expected finite features"), "{error}");
        }
    }

    #[test]
    fn settings_are_checked() {
        let check = |text: &str| -> Result<(), String> {
            let system: crate::SystemConfig =
                serde_json::from_str(text).map_err(|error| error.to_string())?;
            let config = PipelineConfig { system, ..config() };
            config.validate().map(drop).map_err(|error| error.to_string())
        };
        check(r#"{"spade": {}}"#).unwrap();
        for (settings, expected) in [
            (r#"{"images": 0}"#, "images must be 1 or more, found 0"),
            (r#"{"correspondences": 0}"#, "correspondences must be 1 or more, found 0"),
            (r#"{"neighbours": 1}"#, "unknown field `neighbours`"),
        ] {
            let error = check(&format!("{{\"spade\": {settings}}}")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(SpadeConfig::default(), serde_json::from_str("{}").unwrap());
    }

    #[test]
    fn features_of_other_levels_are_refused() {
        let spade = spade(1, 1, of_all_levels(2, 9));
        let error = spade.level_maps(vec![random([1, 7, 3, 3], 1)]).unwrap_err().to_string();
        assert!(error.contains("expected features of 2 levels, found those of 1"), "{error}");
    }
}
