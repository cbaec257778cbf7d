//~ is nothing to fetch
//~ take a URL (`&str` or `String`)
use untethered::http::FanOut;

pub fn fetch(fan_out: &FanOut) {
    #[cfg(not(mended))]
    let urls = [1, 2];
    #[cfg(mended)]
    let urls = ["http://localhost/1", "http://localhost/2"];
    drop(fan_out.fetch_all(urls));
}
