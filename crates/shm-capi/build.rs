//! Gives the shared object the name that programs look for at run time.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libshmap.so.0");
    println!("cargo::rerun-if-changed=build.rs");
}
