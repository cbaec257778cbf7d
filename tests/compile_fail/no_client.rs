//~ `String` is not an HTTP client
//~ of an async function `client_fn` makes one
use untethered::Runtime;
use untethered::http::FanOut;

pub fn fan_out(rt: &Runtime) -> FanOut {
    #[cfg(not(mended))]
    let client = String::from("http://localhost");
    #[cfg(mended)]
    let client = untethered::http::Engine::new(rt);
    FanOut::new(rt, client)
}
