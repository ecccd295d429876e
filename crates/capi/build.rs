//! Names the shared library by its ABI, so that a program which is linked with one finds no other.

const VERSION: &str = include_str!("src/version.rs");

fn main() {
    println!("cargo::rerun-if-changed=src/version.rs");
    let abi =
        VERSION.split_once("NFBMR_ABI_VERSION: u32 = ").and_then(|(_, rest)| rest.split_once(';'));
    let (abi, _) = abi.expect("src/version.rs: expected `NFBMR_ABI_VERSION: u32 = `");
    let os = std::env::var("CARGO_CFG_TARGET_OS");
    if os.is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libnfbmr.so.{abi}");
    }
}
