//! What holds on every runtime. Each name is a test.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Mounts the suite for one [`Host`](crate::hosts::Host). With `ends`, also what holds when it
/// is shut down.
macro_rules! contract {
    ($module:ident, $host:ty) => {
        mod $module {
            use crate::hosts;
            $crate::contract::always!($host);
        }
    };
    ($module:ident, $host:ty, ends) => {
        mod $module {
            use crate::hosts;
            $crate::contract::always!($host);
            $crate::contract::at_the_end!($host);
        }
    };
}

macro_rules! always {
    ($host:ty) => {
        $crate::contract::tests!($host, tasks:
            output_reaches_the_handle,
            spawn_does_not_poll,
            a_task_starts_by_itself,
            drop_aborts,
            detach_lets_it_go_on,
            cancel_gives_an_output_that_came_first,
            cancel_waits_for_the_drop,
            abort_handle_outlives_the_task,
            a_future_is_dropped_before_its_outcome_is_visible,
            a_destructor_runs_once,
            spawn_works_from_foreign_threads,
            spawn_works_from_tasks_and_destructors,
            a_task_can_be_woken_from_a_foreign_thread,
            a_hundred_thousand_tasks,
            parallelism_is_the_number_of_workers,
        );
        $crate::contract::tests!($host, groups:
            tasks_give_their_outputs,
            a_cancel_reaches_every_task_before_closed,
            a_panic_stays_in_its_task,
            nothing_is_lost_when_drivers_start_and_stop,
            a_child_that_blocks_does_not_hold_up_its_siblings,
            a_group_may_be_dropped_by_its_own_task,
            a_grace_and_a_clean_up_have_time,
            a_stored_waker_of_a_task_that_ended_does_nothing,
            a_member_may_close_its_group_and_is_answered_when_it_waits_for_it,
            ten_thousand_nested_groups_are_cancelled_and_dropped,
            a_cancel_misses_no_subgroup_and_no_task_that_comes_beside_it,
            hooks_run_once_and_panics_in_them_destructors_and_wakers_harm_nobody,
            a_block_dropped_half_way_ends_before_its_owner,
        );
        $crate::contract::tests!($host, panics:
            a_panic_reaches_the_handle,
            a_destructor_that_panics_reaches_the_handle,
            the_first_of_two_panics_counts,
            a_panic_that_nobody_awaits_reaches_the_hook,
            a_panicking_output_that_nobody_takes_reaches_the_hook,
            a_hook_belongs_to_its_handle,
            a_hook_may_panic,
            a_payload_may_panic_when_dropped,
            a_waker_may_panic,
        );
        $crate::contract::tests!($host, blocking:
            its_value_reaches_the_handle,
            its_panic_reaches_the_handle,
            dropping_its_handle_lets_it_run,
            its_panic_that_nobody_awaits_reaches_the_hook,
            a_thousand_pieces_of_work,
            it_does_not_hold_up_tasks,
        );
        $crate::contract::tests!($host, pools:
            a_pool_that_closes_with_its_owner_finishes_its_work,
            a_pool_is_cancelled_with_its_owner_which_waits_for_what_runs,
        );
        $crate::contract::tests!($host, sleeps:
            never_early,
            nought_and_past_are_ready_at_the_first_poll,
            the_far_future_never_comes,
            ready_at_every_poll_once_elapsed,
            reset_before_the_first_poll,
            reset_to_later_while_armed,
            reset_to_sooner_while_armed,
            reset_after_it_has_elapsed,
            a_dropped_sleep_keeps_no_waker,
            a_sleep_may_move_between_threads,
            a_sleep_may_move_between_tasks,
            a_sleep_ends_under_any_executor,
            the_clock_never_goes_backwards,
        );
        $crate::contract::tests!($host, mains:
            a_future_that_borrows_runs_on_the_calling_thread,
            what_a_block_on_runs_may_panic,
            a_main_is_asked_to_stop_and_its_tasks_are_waited_for,
        );
    };
}

macro_rules! at_the_end {
    ($host:ty) => {
        $crate::contract::tests!($host, ends:
            live_groups_end_with_their_runtime,
            hooks_graces_and_clean_ups_end_with_their_runtime,
            live_tasks_are_cancelled,
            what_is_spawned_later_is_cancelled,
            a_destructor_may_spawn_while_it_ends,
            work_under_way_delivers_its_value,
            an_abort_before_the_first_poll_keeps_it_from_running,
            a_sleep_does_not_panic,
        );
    };
}

macro_rules! tests {
    ($host:ty, $topic:ident: $($test:ident,)*) => {
        mod $topic {
            #[allow(unused_imports, reason = "the host's path begins with it")]
            use super::hosts;
            $(
                #[test]
                fn $test() {
                    $crate::contract::without_hanging(|| {
                        let host = <$host as $crate::hosts::Host>::start();
                        $crate::$topic::$test(host);
                    });
                }
            )*
        }
    };
}

pub(crate) use {always, at_the_end, contract, tests};

/// Runs `test`; fails if it hangs.
pub(crate) fn without_hanging(test: impl FnOnce() + Send + 'static) {
    let (alive, ended) = channel::<()>();
    let thread = thread::spawn(move || {
        let _alive = alive;
        test();
    });
    if ended.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
        panic!("hangs");
    }
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}
