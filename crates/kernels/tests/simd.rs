//! The choice of instructions.

use nfbmr_kernels::simd::{Level, with_level};

#[test]
fn levels_nest_and_come_back() {
    let default = Level::current();
    assert!(Level::available().contains(&default));
    with_level(Level::Scalar, || {
        assert_eq!(Level::current(), Level::Scalar);
        with_level(default, || assert_eq!(Level::current(), default));
        assert_eq!(Level::current(), Level::Scalar);
    });
    assert_eq!(Level::current(), default);
}

#[test]
fn a_panic_puts_the_level_back() {
    let default = Level::current();
    let result = std::panic::catch_unwind(|| with_level(Level::Scalar, || panic!("on purpose")));
    assert!(result.is_err());
    assert_eq!(Level::current(), default);
}

#[test]
fn scalar_code_is_always_there() {
    assert_eq!(Level::available()[0], Level::Scalar);
}
