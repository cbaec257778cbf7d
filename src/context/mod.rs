//! Acquire, use, release: clean-up that is awaited, however the use ends.
//!
//! A destructor can not wait. Where the end of something has to be awaited (a transaction, a
//! lease, a server), take one of these:
//!
//! | You want | Take |
//! |---|---|
//! | one resource: open, use, close | [`with()`] |
//! | the same as one async block, which sees how the use ended | [`context`] |
//! | many at once, entered and left all together | [`ContextGroup`] |
//! | one after the other, undone in reverse | [`ExitStack`] |
//! | a value that a task and what it calls can see | [`TaskLocal`] |
//!
//! The release runs after a success, an error and a panic of the use, and before any of them is
//! seen. The error of the use comes first, those of the release are attached to it.
//!
//! # What a drop does
//!
//! Dropping one of these futures half-way (a timeout, a race) drops the use and the resource: the
//! destructors run, **the release does not**, because there is nobody left to await it. Where it
//! must run, have a group run the whole:
//! [`Context::uncancellable`](crate::group::Context::uncancellable) goes on when its caller is
//! dropped, [`Context::shield`](crate::group::Context::shield) holds the drop off, and
//! [`Context::on_exit`](crate::group::Context::on_exit) keeps a release for the group to run.
//!
//! # Examples
//!
//! ```
//! use untethered::context::with;
//!
//! # futures_lite::future::block_on(async {
//! let sent = with(
//!     async { Ok::<_, String>(vec!["hello"]) }, // acquire
//!     async |outbox| {
//!         outbox.push("bye");
//!         Ok(outbox.len())
//!     },
//!     async |outbox| {
//!         assert_eq!(outbox, ["hello", "bye"]); // release
//!         Ok(())
//!     },
//! );
//! assert_eq!(sent.await.unwrap(), 2);
//! # });
//! ```

mod error;
mod exit_stack;
mod group;
mod hand_over;
mod local;
mod with;

pub use error::{ContextError, Stage};
pub use exit_stack::ExitStack;
pub use group::{ContextGroup, Exited};
pub use hand_over::{HandOver, HandOverError, context};
pub use local::{Scoped, TaskLocal};
pub use with::with;
