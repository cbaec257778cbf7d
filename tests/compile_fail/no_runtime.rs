//~ no group can be made from `&str`
//~ not a `Runtime`, a `Group`, a `GroupRef` or a `Context`
//~ get a `Runtime` from a constructor in `untethered::runtime`, and lend it: `&rt`
use untethered::group::Group;

pub fn make() -> Group {
    #[cfg(not(mended))]
    let rt = "threads";
    #[cfg(mended)]
    let rt = untethered::runtime::tokio().unwrap();
    Group::builder(&rt).build()
}
