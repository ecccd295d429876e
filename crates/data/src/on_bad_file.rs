//! What becomes of the rest when a file is bad. Knows errors alone.

use crate::error::DataError;

/// What to do about files that cannot be loaded: the caller's choice.
///
/// ```
/// use nfbmr_data::{Limits, OnBadFile, load_image};
///
/// # fn main() -> Result<(), nfbmr_data::DataError> {
/// let loaded = || ["none.png", "nowhere.png"].map(|path| load_image(path, &Limits::default()));
/// assert!(OnBadFile::Stop.keep_good(loaded()).is_err());
///
/// let mut skipped = Vec::new();
/// let images = OnBadFile::Skip(&mut skipped).keep_good(loaded())?;
/// assert_eq!((images.len(), skipped.len()), (0, 2));
/// for error in &skipped {
///     eprintln!("skipped: {error}"); // cannot read none.png: No such file or directory
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub enum OnBadFile<'a> {
    /// Stop at the first, with its error.
    #[default]
    Stop,
    /// Go on without them, and add their errors, which name the files, to this list.
    Skip(&'a mut Vec<DataError>),
}

impl OnBadFile<'_> {
    /// What was loaded, in order, without the files that were not.
    ///
    /// # Errors
    /// The first error in `loaded`, for [`Self::Stop`] only.
    pub fn keep_good<T>(
        &mut self,
        loaded: impl IntoIterator<Item = Result<T, DataError>>,
    ) -> Result<Vec<T>, DataError> {
        match self {
            Self::Stop => loaded.into_iter().collect(),
            Self::Skip(skipped) => Ok(loaded
                .into_iter()
                .filter_map(|loaded| loaded.map_err(|error| skipped.push(error)).ok())
                .collect()),
        }
    }
}
