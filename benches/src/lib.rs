//! The harness: variants of one workload, timed in turn in one process.

mod alloc;
pub mod http;

use std::time::{Duration, Instant};

pub use alloc::{Counting, allocations};

/// One workload and the ways to do it. The first is ours.
pub struct Row {
    pub name: String,
    /// How many items a run does.
    pub items: usize,
    pub variants: Vec<Variant>,
}

pub struct Variant {
    pub name: &'static str,
    run: Box<dyn FnMut(usize) -> Duration>,
}

impl Variant {
    /// A way to do so many items.
    pub fn new(name: &'static str, mut run: impl FnMut(usize) + 'static) -> Self {
        Self::timed(name, move |items| {
            let start = Instant::now();
            run(items);
            start.elapsed()
        })
    }

    /// A way that says itself how long the part took that counts.
    pub fn timed(name: &'static str, run: impl FnMut(usize) -> Duration + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// What the command line of a bench asks for:
/// `[--rounds N] [--items N] [--only VARIANT] [WORDS..]`.
pub struct Asked {
    pub rounds: usize,
    items: Option<usize>,
    only: Option<String>,
    words: Vec<String>,
    /// Those that were not wanted.
    other_rows: Vec<String>,
    any: bool,
}

impl Asked {
    pub fn new(rounds: usize) -> Self {
        let mut asked = Self {
            rounds,
            items: None,
            only: None,
            words: Vec::new(),
            other_rows: Vec::new(),
            any: false,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| refuse(&arg, "a value"));
            match &*arg {
                "--rounds" => asked.rounds = number(&arg, &value()),
                "--items" => asked.items = Some(number(&arg, &value())),
                "--only" => asked.only = Some(value()),
                _ if arg.starts_with('-') => {
                    let options = "[--rounds N] [--items N] [--only VARIANT]";
                    exit(&format!("{arg} is none of {options} [WORDS..]"))
                }
                _ => asked.words.push(arg),
            }
        }
        asked
    }

    /// How many items a run of a row does, unless the row says.
    pub fn items(&self, usual: usize) -> usize {
        self.items.unwrap_or(usual)
    }

    /// Whether the row of this name has all the words, each an alternative where it has a bar.
    pub fn wants(&mut self, row: &str) -> bool {
        let parts: Vec<_> = row.split(' ').collect();
        let has = |word: &String| word.split('|').any(|word| parts.contains(&word));
        let wanted = self.words.iter().all(has);
        self.any |= wanted;
        if !wanted {
            self.other_rows.push(row.to_owned());
        }
        wanted
    }

    /// Measures the row, or for a profiler the variant of that name, or those that have it in theirs.
    pub fn measure(&self, mut row: Row) {
        if let Some(only) = &self.only {
            let whole = row.variants.iter().any(|variant| variant.name == only);
            row.variants.retain(|variant| match whole {
                true => variant.name == only,
                false => variant.name.contains(&**only),
            });
        }
        if !row.variants.is_empty() {
            row.measure(self.rounds);
        }
    }

    /// Ends the program with an error if no row was wanted.
    pub fn end(self) {
        if !self.any {
            exit(&format!("no row but these: {}", self.other_rows.join("; ")));
        }
    }
}

/// The number from one on that an option was given.
fn number(option: &str, value: &str) -> usize {
    match value.parse() {
        Ok(number) if number > 0 => number,
        _ => refuse(option, "a number from 1 on"),
    }
}

fn refuse(option: &str, wants: &str) -> ! {
    exit(&format!("{option} takes {wants}"))
}

fn exit(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(2)
}

impl Row {
    /// Times all variants and prints a table: one round to warm up, then `rounds` that count, each
    /// with all variants in turning order; then one run of each to count allocations.
    pub fn measure(&mut self, rounds: usize) {
        let variants = self.variants.len();
        let mut times = vec![Vec::with_capacity(rounds); variants];
        for round in 0..=rounds {
            for turn in 0..variants {
                let index = (round + turn) % variants;
                let time = (self.variants[index].run)(self.items);
                let nanos = time.as_nanos() as f64 / self.items as f64;
                if round > 0 {
                    times[index].push(nanos);
                }
            }
        }
        println!("\n{}, {} items, {rounds} rounds\n", self.name, self.items);
        println!("| variant | ns per item | ours / it | 95 % | allocations per item |");
        println!("|---|---|---|---|---|");
        for (index, variant) in self.variants.iter_mut().enumerate() {
            let allocations = alloc::count(|| {
                (variant.run)(self.items);
            });
            let per_item = allocations as f64 / self.items as f64;
            let ratios = times[0]
                .iter()
                .zip(&times[index])
                .map(|(ours, it)| ours / it);
            let ratios: Vec<f64> = ratios.collect();
            let (low, high) = interval(&ratios);
            let compared = match index {
                0 => "| |".to_owned(),
                _ => format!("{:.2} | {low:.2} to {high:.2} |", median(&ratios)),
            };
            let nanos = median(&times[index]);
            println!(
                "| {} | {nanos:.1} | {compared} {per_item:.2} |",
                variant.name
            );
        }
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

/// Between which two values the true median lies, at 95 % or better: order statistics, so that no
/// distribution is assumed. The whole range where there are too few for that.
pub fn interval(values: &[f64]) -> (f64, f64) {
    let sorted = sorted(values);
    let n = sorted.len();
    // The chance that no more than `k` of `n` fall on one side of the median.
    let mut chance = 0.5_f64.powi(n as i32);
    let mut below = chance;
    let mut k = 0;
    while k + 1 < n / 2 {
        chance *= (n - k) as f64 / (k + 1) as f64;
        if below + chance > 0.025 {
            break;
        }
        below += chance;
        k += 1;
    }
    (sorted[k], sorted[n - 1 - k])
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::{interval, median};

    #[test]
    fn medians_and_their_intervals() {
        let values: Vec<f64> = (1..=31).rev().map(f64::from).collect();
        assert_eq!(median(&values), 16.0);
        // As in the tables: ranks 10 and 22 of 31.
        assert_eq!(interval(&values), (10.0, 22.0));
        assert_eq!(interval(&values[..5]), (27.0, 31.0));
        assert_eq!(median(&values[..4]), 29.5);
    }
}
