//! Names the shared library, so that programs which are linked with it find the installed one.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS");
    if os.is_ok_and(|os| os == "linux") {
        // The number is `NFBMR_ABI_VERSION`.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libnfbmr.so.1");
    }
}
