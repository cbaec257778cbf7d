//! What takes bytes, fed with any. Each test is a fuzz target too: a plain run tries the corpus and a
//! thousand inputs, `cargo bolero` lets a fuzzer look for more.

#[cfg(feature = "http")]
mod exchange;
#[cfg(all(feature = "http", feature = "threads"))]
mod lines;
#[cfg(feature = "http")]
mod requests;

// What they look at is a part of the example.
#[cfg(all(feature = "http", feature = "threads"))]
#[path = "../../examples/fetch_all/input.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example uses more of it")]
mod input;
#[cfg(all(feature = "http", feature = "threads"))]
#[path = "../../examples/fetch_all/resume.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example uses more of it")]
mod resume;
