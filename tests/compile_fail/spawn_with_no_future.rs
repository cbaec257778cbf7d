//~ `{integer}` is not a future
//~ required by a bound in `TaskBuilder::<E>::spawn_with`
use untethered::group::Group;

pub fn start(group: &Group) {
    #[cfg(not(mended))]
    group.task("worker").spawn_with(|_cx| 1).abort();
    #[cfg(mended)]
    group.task("worker").spawn_with(|_cx| async { 1 }).abort();
}
