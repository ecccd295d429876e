//! The behavioural suite on every backend of the build. Tests of the GPU are ignored unless asked for:
//! `tests/gpu` runs them.

mod suite;

macro_rules! run_on {
    ($module:ident, $backend:ty, $attribute:meta, $($test:ident),* $(,)?) => {
        mod $module {
            $(#[test]
            #[$attribute]
            fn $test() {
                crate::suite::$test::<$backend>();
            })*
        }
    };
}

macro_rules! suite {
    ($module:ident, $backend:ty) => {
        suite!($module, $backend, cfg(true));
    };
    ($module:ident, $backend:ty, $attribute:meta) => {
        run_on!(
            $module,
            $backend,
            $attribute,
            training_is_reproducible_and_depends_on_the_seed,
            a_saved_model_scores_the_same_to_the_bit,
            every_system_trains_detects_and_saves,
            a_trainer_gives_what_a_training_gives,
            cached_features_train_the_same_model,
            a_calibrated_model_has_verdicts,
            a_cross_fitted_model_has_verdicts,
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
suite!(flex, nfbmr_backend::Cpu);

#[cfg(feature = "ndarray")]
suite!(ndarray, nfbmr_backend::NdArray);

#[cfg(feature = "cuda")]
suite!(cuda, nfbmr_backend::Cuda, ignore = "needs an NVIDIA GPU");

#[cfg(all(feature = "flex", feature = "ndarray"))]
#[test]
fn ndarray_agrees_with_the_cpu() {
    suite::agrees_with_the_cpu(nfbmr::DeviceName::NdArray, 1e-3);
}

#[cfg(all(feature = "flex", feature = "cuda"))]
#[test]
#[ignore = "needs an NVIDIA GPU"]
fn cuda_agrees_with_the_cpu() {
    // Matrix products are TF32 there, whose factors have 10 bits of mantissa.
    suite::agrees_with_the_cpu(nfbmr::DeviceName::Cuda(0), 5e-3);
}
