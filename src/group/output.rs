use std::sync::Arc;

use super::node::Node;
use crate::task::{JoinError, catch_drop};

/// What a task leaves for its handle. Dropped unread, a panic in it is reported.
pub(super) struct Output<T> {
    result: Option<Result<T, JoinError>>,
    node: Arc<Node>,
}

impl<T> Output<T> {
    pub(super) fn new(result: Result<T, JoinError>, node: Arc<Node>) -> Self {
        Self {
            result: Some(result),
            node,
        }
    }

    pub(super) fn take(mut self) -> Result<T, JoinError> {
        self.result
            .take()
            .expect("only this takes it, and consumes the output")
    }
}

impl<T> Drop for Output<T> {
    fn drop(&mut self) {
        let payload = match self.result.take() {
            None => return,
            Some(Ok(value)) => catch_drop(value).err(),
            Some(Err(error)) => error.into_panic().ok(),
        };
        if let Some(payload) = payload {
            self.node.runtime().report_unobserved(payload);
        }
    }
}
