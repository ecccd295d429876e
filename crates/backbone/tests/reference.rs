//! Every variant against the implementations its weights come from.

mod common;

use common::{Case, TOLERANCE, cases, find, formula};
use nfbmr_backbone::Variant;

fn check(case: &Case) {
    let config = case.config();
    let difference = case.difference(&config, &formula(&config));
    let Case { source, variant, size, .. } = case;
    assert!(difference < TOLERANCE, "{source} {variant} {size:?}: off by {difference}");
}

fn check_all(wanted: impl Fn(&Case) -> bool) {
    let mut count = 0;
    for case in cases().iter().filter(|case| wanted(case)) {
        check(case);
        count += 1;
    }
    assert!(count > 0, "no case selected");
}

fn is_small(case: &Case, source: &str) -> bool {
    case.source == source && case.size[1] < 100
}

#[test]
fn b0_to_b4_match_efficientnet_pytorch() {
    check_all(|case| is_small(case, "efficientnet_pytorch") && case.variant <= Variant::B4);
}

#[test]
fn b5_to_b7_match_efficientnet_pytorch() {
    let large = Variant::B5..=Variant::B7;
    check_all(|case| is_small(case, "efficientnet_pytorch") && large.contains(&case.variant));
}

#[test]
fn lite_matches_efficientnet_lite_pytorch() {
    check_all(|case| is_small(case, "efficientnet_pytorch") && case.variant.is_lite());
}

#[test]
fn same_dynamic_matches_timm() {
    check_all(|case| is_small(case, "timm_tf"));
}

#[test]
fn symmetric_matches_torchvision() {
    check_all(|case| is_small(case, "torchvision"));
}

#[test]
fn b5_at_768_matches_up_to_block_35() {
    let case = find("efficientnet_pytorch", Variant::B5, [1, 768, 768]);
    assert_eq!(case.blocks[1].shape, [1, 304, 24, 24]);
    check(&case);
}
