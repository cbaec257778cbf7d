/// How often what happened in a [`Memo`](super::Memo).
///
/// Who asks finds the value, a hit, or does not, a miss. Of those who miss, one loads; the others
/// wait for that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The value was there.
    pub hits: u64,
    /// The value was not there: it had to be loaded, or somebody was at it.
    pub misses: u64,
    /// A load began.
    pub loads: u64,
    /// A value went for another one to be kept.
    pub evictions: u64,
}
