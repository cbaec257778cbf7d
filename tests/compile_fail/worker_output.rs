//~ a worker can not return `String`
//~ neither `()`, an exit code (`u8`), nor a `Result` of these
use untethered::workers::{Report, Workers, WorkersError};

pub fn serve() -> Result<Report, WorkersError> {
    #[cfg(not(mended))]
    let code = String::from("done");
    #[cfg(mended)]
    let code = 0_u8;
    Workers::threads(2).run(move |_worker| std::future::ready(code.clone()))
}
