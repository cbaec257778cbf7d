//~ future cannot be sent between threads safely
//~ captured value is not `Send`
use untethered::group::Group;

#[cfg(not(mended))]
use std::rc::Rc as Counted;
#[cfg(mended)]
use std::sync::Arc as Counted;

pub fn start(group: &Group) {
    let count = Counted::new(1);
    group.spawn(async move { *count }).abort();
}
