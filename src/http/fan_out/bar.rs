//! The progress bar of `indicatif`.

use indicatif::ProgressBar;

use super::Tally;

/// Moves `bar` on; a failure is counted in its message.
pub(super) fn count(bar: &ProgressBar, tally: &Tally, is_failure: bool) {
    if let Some(total) = tally.total() {
        let total = total as u64;
        if bar.length() != Some(total) {
            bar.set_length(total);
        }
    }
    if is_failure {
        bar.set_message(format!("{} failed", tally.failed()));
    }
    bar.set_position(tally.done() as u64);
}

/// Leaves `bar` as it is, complete if everything is.
pub(super) fn end(bar: &ProgressBar, tally: &Tally) {
    if tally.total() == Some(tally.done()) {
        bar.set_length(tally.done() as u64);
        bar.finish();
    } else {
        bar.abandon();
    }
}
