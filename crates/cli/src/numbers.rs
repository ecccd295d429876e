//! Numbers of the command line, and what is said of those that are none.

use std::str::FromStr;

/// A number, whatever its sign.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| "expected a number, such as 0.05".to_owned())
}

/// A number of things.
pub fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| "expected a whole number of 0 or more".to_owned())
}
