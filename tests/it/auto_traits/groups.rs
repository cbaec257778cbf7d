use std::future::Ready;
use std::marker::PhantomPinned;
use std::rc::Rc;

use untethered::group::{
    self, Activity, BlockError, Closed, ClosedError, Closing, Ended, Failure, Group, GroupError,
    GroupRef, Handle, Life, Local, OnCancel, OnFailure, Quit, Results, Scope, ScopeBuilder,
    ScopeHandle, ScopeRun, SelfWait, Sendable, Shield, Shutdown, TaskBuilder, TaskInfo, Tree,
};

type Cell = std::cell::Cell<u8>;

#[test]
fn of_groups() {
    check! {
        Group<u8>: true true true;
        GroupRef<u8>: true true true;
        group::Builder<u8>: true true true;
        group::Context<u8>: true true true;
        group::GroupStats: true true true;
        group::Report: true true true;
        group::Stats: true true true;
        group::TrySpawnError<u8>: true true true;
        group::TrySpawnError<Rc<u8>>: false false true;
        Activity: true true true;
        BlockError<u8>: true true true;
        BlockError<Rc<u8>>: false false true;
        ClosedError: true true true;
        Closed: true true true;
        Closing: true true true;
        Failure<u8>: true true true;
        Failure<Rc<u8>>: false false true;
        GroupError<u8>: true true true;
        GroupError<Rc<u8>>: false false true;
        Life: true true true;
        OnCancel: true true true;
        OnFailure<u8>: true true true;
        SelfWait: true true true;
        Shutdown: true false true;
        TaskInfo: true true true;
        Tree: true true true;
    }
}

#[test]
fn of_the_tasks_of_groups() {
    check! {
        TaskBuilder<u8>: true true true;
        Handle<u8>: true true true;
        Handle<Cell>: true true true;
        // Who has it by reference can not reach the value.
        Handle<Rc<u8>>: false true true;
        Ended: true true true;
        Quit: true true true;
        group::Cancelled<u8>: true true true;
        Results<u8, u8>: true true true;
        Results<Cell, Cell>: true false true;
        Shield<Ready<u8>>: true true true;
        Shield<Ready<Rc<u8>>>: false false true;
        Shield<PhantomPinned>: true true false;
    }
}

#[test]
fn of_scopes() {
    check! {
        Scope<'static, u8>: true true true;
        Scope<'static, u8, Local>: false false true;
        ScopeBuilder<u8>: true true true;
        ScopeHandle<u8>: true true true;
        ScopeHandle<Rc<u8>>: false false true;
        ScopeRun<'static, u8, u8>: true false true;
        ScopeRun<'static, u8, u8, Local>: false false true;
        Sendable: true true true;
        Local: true true true;
    }
}
