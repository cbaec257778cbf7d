//~ type annotations needed
use untethered::group::Group;

pub fn start(group: &Group) {
    #[cfg(not(mended))]
    let task = async { Ok("1".parse::<u32>()?) };
    #[cfg(mended)]
    let task = async { Ok::<_, std::num::ParseIntError>("1".parse::<u32>()?) };
    group.spawn_fallible(task).abort();
}
