//! Images by their features, in the plane that `pca` finds. How it is drawn is in `svg`.

use serde::{Deserialize, Serialize};

use crate::pca::Plane;

/// Test images in the plane of the first two principal components of their features.
///
/// Unlike t-SNE, the plane is the same each time, has no settings, and keeps distances in proportion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Projection {
    /// Which features, `source` or `target` for example.
    pub space: String,
    /// The share of the features' variance along each component, from 0 to 1.
    pub explained: [f64; 2],
    /// The images, in the order of their features.
    pub points: Vec<ProjectedImage>,
}

/// A test image in a [`Projection`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProjectedImage {
    /// The file.
    pub path: String,
    /// The kind of defect; `None` for a normal image.
    pub defect: Option<String>,
    /// Along the first and the second component, in the unit of the features, from their mean. The entry
    /// of a component that is largest in size is positive.
    pub at: [f64; 2],
}

/// The features of a test image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageFeatures {
    /// The file.
    pub path: String,
    /// The kind of defect; `None` for a normal image.
    pub defect: Option<String>,
    /// As many values as of the first image.
    pub values: Vec<f32>,
}

impl Projection {
    /// The principal components of the features of all images, normal and with defects.
    ///
    /// Images with another number of values, or with one that isn't finite, are left out. `None` of fewer
    /// than three images, or of equal features: a plane says nothing then.
    pub fn new(space: impl Into<String>, features: &[ImageFeatures]) -> Option<Self> {
        let length = features.first()?.values.len();
        let usable = |image: &&ImageFeatures| {
            image.values.len() == length && image.values.iter().all(|value| value.is_finite())
        };
        let usable: Vec<&ImageFeatures> = features.iter().filter(usable).collect();
        if usable.len() < 3 {
            return None;
        }
        let rows: Vec<&[f32]> = usable.iter().map(|image| &image.values[..]).collect();
        let plane = Plane::new(&rows)?;
        let point = |(image, at): (&&ImageFeatures, [f64; 2])| ProjectedImage {
            path: image.path.clone(),
            defect: image.defect.clone(),
            at,
        };
        let points = usable.iter().zip(plane.points).map(point).collect();
        Some(Self { space: space.into(), explained: plane.explained, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(path: &str, values: &[f32]) -> ImageFeatures {
        ImageFeatures { path: path.to_owned(), defect: None, values: values.to_vec() }
    }

    #[test]
    fn unusable_images_are_left_out() {
        let mut features = vec![
            image("a", &[0.0, 0.0]),
            image("nan", &[f32::NAN, 0.0]),
            image("short", &[1.0]),
            image("b", &[2.0, 0.0]),
            image("infinite", &[0.0, f32::INFINITY]),
        ];
        assert_eq!(Projection::new("source", &features), None, "two are left");
        features.push(image("c", &[4.0, 0.0]));
        let found = Projection::new("source", &features).unwrap();
        let paths: Vec<&str> = found.points.iter().map(|point| &*point.path).collect();
        assert_eq!((found.space.as_str(), &paths[..]), ("source", &["a", "b", "c"][..]));
        assert_eq!(found.explained, [1.0, 0.0]);
        assert_eq!(Projection::new("source", &[]), None);
    }
}
