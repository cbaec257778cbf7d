//~ no two async blocks, even if identical, have the same type
use untethered::combine::race;

pub async fn first() {
    #[cfg(not(mended))]
    race([async { 1_u32 }, async { 2_u32 }]).await;
    #[cfg(mended)]
    race((async { 1_u32 }, async { "two" })).await;
}
