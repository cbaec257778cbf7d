//! A worker that is a thread of this process.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use super::body::{Body, play};
use super::builder::Set;
use super::running::{News, Running, Start, Starter};
use super::wire::ToParent;
use super::worker::{Seat, set_thread_index};
use super::{Exit, StopReason};

pub(super) fn starter<V: Clone + Send + 'static>(
    set: Set<V>,
    listeners: Vec<TcpListener>,
    value: V,
    body: Body<V>,
) -> Starter {
    let count = set.count.get();
    let (before_start, runner, extras) = (set.before_start, set.runner, set.extras);
    Box::new(move |start| {
        let listeners = listeners.iter().map(TcpListener::try_clone);
        let seat = seat(start, listeners.collect::<io::Result<_>>()?);
        let extra = start.index.checked_sub(count);
        let body = extra.map_or(&body, |extra| &extras[extra].body).clone();
        let (worker, id, news) = (seat.clone(), start.id, start.news.clone());
        let (value, before_start, runner) = (value.clone(), before_start.clone(), runner.clone());
        thread::Builder::new()
            .name(format!("{}-{}", start.name, start.index))
            .spawn(move || {
                set_thread_index(worker.index);
                let done = play(&worker, value, &body, &before_start, &runner);
                let exit = Exit::Code(done.code.into());
                worker.say(ToParent::Done(done));
                news.try_push(News::Ended(id, exit)).ok();
            })?;
        Ok(Box::new(Thread { seat }) as Box<dyn Running>)
    })
}

fn seat(start: &Start<'_>, listeners: Vec<TcpListener>) -> Arc<Seat> {
    let (id, news) = (start.id, start.news.clone());
    let say = move |what| {
        news.try_push(News::Said(id, what)).ok();
    };
    Seat::new(
        start.index,
        start.name.to_owned(),
        start.generation,
        listeners,
        say,
    )
}

struct Thread {
    seat: Arc<Seat>,
}

impl Running for Thread {
    fn pid(&self) -> Option<u32> {
        None
    }

    fn stop(&self, reason: &StopReason) {
        self.seat.stop(reason.clone());
    }

    fn kill(&self) -> bool {
        false
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Does nothing to one that was asked before, or has ended.
        self.seat
            .stop(StopReason::Asked("it was left behind".into()));
    }
}
