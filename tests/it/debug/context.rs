use std::future::ready;

use untethered::context::{ContextGroup, ExitStack, HandOverError, TaskLocal, context};

use super::{Opaque, shows};
use crate::polled::now;

// C11
#[test]
fn debug_of_contexts() {
    let mut group = ContextGroup::<Opaque, Opaque>::default();
    assert!(group.is_empty());
    group.add(ready(Ok(Opaque)), |_| ready(Ok(())));
    assert!(!group.is_empty());
    shows(&group, "ContextGroup { len: 1, .. }");
    let mut stack = ExitStack::<Opaque>::new();
    stack.defer_sync(|| ());
    shows(&stack, "ExitStack { len: 1, .. }");
    let handed = now(context(
        async |next| {
            shows(&next, "HandOver { .. }");
            next.to(&mut Opaque).await
        },
        async |_: &mut Opaque| Ok::<_, u8>(7),
    ));
    assert_eq!(handed, Ok::<_, HandOverError<u8>>(7));
}

// C11
#[test]
fn debug_of_locals() {
    static LOCAL: TaskLocal<Opaque> = TaskLocal::new();
    shows(&LOCAL, "TaskLocal { .. }");
    shows(&LOCAL.scope(Opaque, ready(())), "Scoped { .. }");
    let local = TaskLocal::default();
    local.scope_sync(7, || assert_eq!(local.get(), Some(7)));
}
