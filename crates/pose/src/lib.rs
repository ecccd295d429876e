//! Where a part lies in an image.
//!
//! A [`Template`] is learnt from images of good parts that lie anywhere: it is their mean once each is shifted,
//! turned and scaled, as [`Motion`] allows, until it looks most like the others. [`Template::locate`] finds the
//! [`Pose`] that lays it over another image, says how alike both are there, and why a part isn't located.
//!
//! ```
//! use image::{Rgb, RgbImage};
//! use nfbmr_pose::{Motion, Scene, Template};
//!
//! // A bright bar on a dark ground, at any angle.
//! let bar = |degrees: f64| {
//!     let (sin, cos) = degrees.to_radians().sin_cos();
//!     RgbImage::from_fn(120, 120, |x, y| {
//!         let (x, y) = (f64::from(x) - 60.0, f64::from(y) - 60.0);
//!         let (along, across) = (cos * x + sin * y, cos * y - sin * x);
//!         let inside = along.abs() < 40.0 && across.abs() < 12.0;
//!         Rgb([if inside && along < 20.0 { 200 } else if inside { 120 } else { 30 }; 3])
//!     })
//! };
//! let scenes: Vec<Scene> = [0.0, 75.0, 160.0, 250.0].map(|at| Scene::new(&bar(at))).into();
//! let template = Template::learn(&scenes, Motion::Rigid)?;
//! let [first, second] = [20.0, 65.0].map(|at| template.locate(&Scene::new(&bar(at))));
//! let turned = (second.pose.angle - first.pose.angle).to_degrees().rem_euclid(360.0);
//! assert!((turned - 45.0).abs() < 1.0, "{turned}");
//! # Ok::<(), nfbmr_pose::PoseError>(())
//! ```

#![deny(
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod affine;
mod error;
mod foreground;
mod frame;
mod grid;
mod learn;
mod location;
mod polar;
mod pose;
mod refine;
mod scene;
mod spectrum;
mod template;

pub use affine::Affine;
pub use error::PoseError;
pub use location::{Location, Problem, Tolerance};
pub use pose::{Motion, Pose};
pub use scene::Scene;
pub use template::{Template, TemplateFacts};
