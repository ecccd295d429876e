//! The setting of how many kinds of parts the images show.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::PipelineError;

/// The most kinds that a model tells apart.
const MOST: usize = 64;

/// How many kinds of parts the images show: products, colours, views.
///
/// The kinds are found by grouping the training images by their features. Each has means of its own at each position; all
/// share the covariance about them, one flow and one mapping network ([`Whitening`](nfbmr_whitening::Whitening)). An image is
/// scored as the kind that makes it likeliest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
#[non_exhaustive]
pub enum Kinds {
    /// As many as training finds, 1 unless images clearly fall into groups.
    #[default]
    Auto,
    /// So many, 1 to 64.
    Number(usize),
}

impl Kinds {
    /// How many there are; `None` before they are found.
    pub fn number(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Number(number) => Some(number),
        }
    }

    pub(crate) fn check(self) -> Result<(), PipelineError> {
        match self {
            Self::Number(number) if !(1..=MOST).contains(&number) => Err(PipelineError::Config(
                format!("kinds: expected `auto` or 1 to {MOST}, found {number}"),
            )),
            Self::Auto | Self::Number(_) => Ok(()),
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl FromStr for Kinds {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kinds = match text {
            "auto" => Self::Auto,
            _ => Self::Number(text.parse().map_err(|_| {
                PipelineError::Config(format!("kinds: expected `auto` or a number, found {text:?}"))
            })?),
        };
        kinds.check().map(|()| kinds)
    }
}

/// As files have it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Number(usize),
    Name(String),
}

impl TryFrom<Written> for Kinds {
    type Error = PipelineError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let kinds = match written {
            Written::Number(number) => Self::Number(number),
            Written::Name(name) => name.parse()?,
        };
        kinds.check().map(|()| kinds)
    }
}

impl From<Kinds> for Written {
    fn from(kinds: Kinds) -> Self {
        match kinds {
            Kinds::Auto => Self::Name(kinds.to_string()),
            Kinds::Number(number) => Self::Number(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_users_write_it() {
        for (text, kinds) in
            [("\"auto\"", Kinds::Auto), ("1", Kinds::Number(1)), ("64", Kinds::Number(64))]
        {
            assert_eq!(serde_json::from_str::<Kinds>(text).unwrap(), kinds);
            assert_eq!(serde_json::to_string(&kinds).unwrap(), text);
            assert_eq!(text.trim_matches('"').parse::<Kinds>().unwrap(), kinds);
        }
        for text in ["0", "65", "\"many\"", "\"-1\""] {
            let error = serde_json::from_str::<Kinds>(text).unwrap_err().to_string();
            assert!(error.contains("kinds: expected `auto` or"), "{error}");
        }
    }
}
