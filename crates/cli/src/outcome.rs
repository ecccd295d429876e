//! How the program ends where it doesn't end in an error, and the exit code that says so.

/// How the program ends, where it doesn't end in an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for is done, and no defect was found.
    Good,
    /// `detect` found defects.
    Defects,
    /// `detect` reported errors of some images or heatmaps in their places.
    BadImages,
}

impl Outcome {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Defects => 1,
            Self::BadImages => 2,
        }
    }
}
