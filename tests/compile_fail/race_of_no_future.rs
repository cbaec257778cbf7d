//~ can not be raced
//~ take a tuple of two to eight futures
use untethered::combine::race;

pub async fn first() {
    #[cfg(not(mended))]
    let one = async { 1 };
    #[cfg(mended)]
    let one = [async { 1 }];
    race(one).await;
}
