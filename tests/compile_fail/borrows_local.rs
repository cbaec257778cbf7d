//~ async block may outlive the current function, but it borrows `words`
//~ use the `move` keyword
use untethered::group::Group;

pub fn start(group: &Group) {
    let words = vec!["on", "loan"];
    #[cfg(not(mended))]
    let task = async { words.len() };
    #[cfg(mended)]
    let task = async move { words.len() };
    group.spawn(task).abort();
}
