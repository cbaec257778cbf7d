//! Three stages with queues between them: the slowest sets the pace, and the end comes in order.
//!
//! ```text
//! cargo run --example pipeline
//! ```
//!
//! Numbers are read, squared by four workers, and summed. Each stage ends when the one before it has ended and
//! its queue is drained, because the last sender closes it; nobody sends a mark that says "stop".

use std::time::Duration;

use untethered::queue::{Receiver, Sender};
use untethered::{Queue, Runtime, runtime};

const NUMBERS: u64 = 100;
const WORKERS: usize = 4;

fn main() {
    let rt = runtime::threads(2);
    let sum = futures_lite::future::block_on(run(&rt));
    println!("the sum of the squares is {sum}");
    assert_eq!(
        sum,
        (1..=NUMBERS).map(|number| number * number).sum::<u64>()
    );
}

async fn run(rt: &Runtime) -> u64 {
    let (numbers, to_square) = Queue::bounded(4).into_halves();
    let (squares, to_sum) = Queue::bounded(4).into_halves();
    let reader = rt.spawn(read(numbers));
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| rt.spawn(square(rt.clone(), to_square.clone(), squares.clone())))
        .collect();
    // Only the workers hold these two now: the queues end with them.
    drop((to_square, squares));
    let sum = add(to_sum).await;
    for worker in workers {
        worker.await.expect("no worker panics");
    }
    let most = reader.await.expect("the reader does not panic");
    println!("never more than {most} numbers waited to be squared");
    sum
}

/// As fast as it can: `push` holds it back. Gives how many numbers waited at most.
async fn read(numbers: Sender<u64>) -> usize {
    let mut most = 0;
    for number in 1..=NUMBERS {
        if numbers.push(number).await.is_err() {
            break; // Nobody squares any more.
        }
        most = most.max(numbers.len());
    }
    most
}

async fn square(rt: Runtime, numbers: Receiver<u64>, squares: Sender<u64>) {
    while let Some(number) = numbers.pop().await {
        rt.sleep(Duration::from_millis(2)).await;
        if squares.push(number * number).await.is_err() {
            break; // Nobody sums any more; dropping our halves tells those before us.
        }
    }
}

async fn add(squares: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Some(square) = squares.pop().await {
        sum += square;
    }
    sum
}
