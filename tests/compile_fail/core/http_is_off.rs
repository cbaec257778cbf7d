//~ could not find `http` in `untethered`
//~ the item is gated behind the `http` feature
//! Mended by the feature alone.

pub fn engine(rt: &untethered::Runtime) -> untethered::http::FanOut {
    untethered::http::FanOut::new(rt, untethered::http::Engine::new(rt))
}
