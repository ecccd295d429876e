//! The behavioural suite on every CPU backend of the build.

mod suite;

macro_rules! run_on {
    ($module:ident, $backend:ty, $($test:ident),* $(,)?) => {
        mod $module {
            $(#[test]
            fn $test() {
                crate::suite::$test::<$backend>();
            })*
        }
    };
}

macro_rules! suite {
    ($module:ident, $backend:ty) => {
        run_on!(
            $module,
            $backend,
            training_is_reproducible_and_depends_on_the_seed,
            a_saved_model_scores_the_same_to_the_bit,
            a_batch_scores_as_its_images_do,
            frames_score_as_images_do,
            threads_share_a_pipeline,
            normalized_scores_average_one_on_the_training_images,
            images_that_cannot_train_are_refused,
            a_loss_that_is_not_finite_stops_training,
            the_caller_can_interrupt
        );
    };
}

#[cfg(feature = "flex")]
suite!(flex, nfbmr::backend::Cpu);

#[cfg(feature = "ndarray")]
suite!(ndarray, nfbmr::backend::NdArray);

#[cfg(all(feature = "flex", feature = "ndarray"))]
#[test]
fn backends_agree() {
    use nfbmr::DeviceName;

    let images = suite::gears(4, 2, 12);
    let pipeline = suite::train::<nfbmr::backend::Cpu>(&suite::small(), &images[..4]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    pipeline.save(&path).unwrap();
    let other = nfbmr::load(&path, nfbmr::weights::embedded(), DeviceName::NdArray).unwrap();
    for image in &images {
        let (cpu, ndarray) = (pipeline.detect(image).unwrap(), other.detect(image).unwrap());
        suite::assert_close("score", &[cpu.score], &[ndarray.score], 1e-3);
        let (cpu, ndarray) = (cpu.anomaly_map.values, ndarray.anomaly_map.values);
        suite::assert_close("map", &cpu, &ndarray, 1e-3);
    }
}
