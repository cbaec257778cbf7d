//~ is not a list of futures
//~ all have to give the same type
use untethered::combine::gather;

pub async fn both() {
    #[cfg(not(mended))]
    let two = (async { 1_u32 }, async { "one" });
    #[cfg(mended)]
    let two = (async { "1" }, async { "one" });
    gather(two).await;
}
