//! The program as its users run it.

mod before;
mod calibrate;
mod detect;
mod evaluate;
mod export;
mod folds;
mod inspect;
mod onnx;
mod outputs;
mod resume;
mod selection;
mod support;
mod train;
mod train_config;
mod weights;
