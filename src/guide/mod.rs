//! The guide: one page for each question that comes up first.
//!
//! | Page | Answers |
//! |---|---|
//! | [Choosing an owner](owner) | who keeps this task, and what becomes of it when nobody does |
//! | [Cancellation](cancellation) | how does it end, and what may it still do |
//! | [Shutdown](shutdown) | how does the program end |
//! | [Back-pressure](back_pressure) | what is bounded, and by what |
//! | [Seeing what goes on](seeing) | what does the program do, and what did it do |
//! | [Testing](crate::sim::guide) | how is code tested that waits |
//! | [Writing a library](library) | how is it written for any runtime |
//! | [Adding a runtime](adding_a_runtime) | what does a runtime that is not here have to bring |
//! | [Eleven pitfalls](pitfalls) | what goes wrong first |
//!
//! Each page begins with code. All of it is compiled and run as a test.

// Only for the documents: these are what their links lead to.
#![allow(unused_imports)]

use crate::group::{Builder, Context, Group, Handle, OnCancel, OnFailure, Resource, Results};
use crate::group::{scope, scope_local, task_group};
use crate::pool::BlockingPool;
use crate::runtime::{Sleeper, Spawner};
use crate::stream::{Concurrent, concurrent};
use crate::sync::{Event, Limit, RateLimit};
use crate::time::{Timer, timeout};
use crate::{CancellationToken, Queue, Runtime, Task};

#[doc = include_str!("adding_a_runtime.md")]
pub mod adding_a_runtime {}

#[doc = include_str!("back_pressure.md")]
pub mod back_pressure {}

#[doc = include_str!("cancellation.md")]
pub mod cancellation {}

#[doc = include_str!("library.md")]
pub mod library {}

#[doc = include_str!("owner.md")]
pub mod owner {}

#[doc = include_str!("pitfalls.md")]
pub mod pitfalls {}

#[doc = include_str!("seeing.md")]
pub mod seeing {}

#[doc = include_str!("shutdown.md")]
pub mod shutdown {}
