use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::Group;
use super::label::Name;
use super::node::Node;

/// A picture of a group: its subgroups and its live tasks. From [`Group::tree`].
///
/// Displays as a tree; [`tasks`](Self::tasks) is for machines. What a task does, and how old it
/// is, is known in groups that were built with [`observed`](super::Builder::observed).
#[derive(Debug, Clone)]
pub struct Tree {
    groups: Vec<Branch>,
}

#[derive(Debug, Clone)]
struct Branch {
    depth: usize,
    name: String,
    state: &'static str,
    tasks: Vec<TaskInfo>,
}

/// A live task of a [`Tree`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The names from the outermost group down to the task, with `/` between. For a task without
    /// a name those of its groups, and the place: `server at src/main.rs:9:5`.
    pub path: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Where it was started.
    pub spawned_at: &'static Location<'static>,
    /// What it does, in an observed group.
    pub activity: Option<Activity>,
    /// What was measured of it, in an observed group.
    pub stats: Option<Stats>,
}

/// What a task does or waits for, as the tree of its [`Group`](super::Group) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// It was woken and waits for its turn.
    Ready,
    /// It is polled at this moment.
    Polled,
    /// It waits for something of its own.
    Waiting,
    /// It waits for a slot under the limit.
    Slot,
    /// It was cancelled, and a shield holds off its drop.
    Shield,
    /// It was cancelled and takes its grace.
    Grace,
    /// Its future is gone and its clean-up runs.
    CleanUp,
}

/// What was measured of a task of a [`Group`](super::Group).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How long ago it was started.
    pub age: Duration,
    /// For how long it has been doing what it does.
    pub since: Duration,
    /// How often it was polled.
    pub polls: u64,
    /// The longest of these polls.
    pub longest_poll: Duration,
}

impl<E: Send + 'static> Group<E> {
    /// The live tasks of this group and its subgroups, as they are now.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "threads")] {
    /// use untethered::group::Group;
    ///
    /// let rt = untethered::runtime::threads(1);
    /// let group = Group::builder(&rt).name("server").observed().build();
    /// group.task("listener").spawn(std::future::pending::<()>());
    /// let tree = group.tree();
    /// assert!(tree.to_string().contains("listener"));
    /// assert_eq!(tree.tasks().next().unwrap().path, "server/listener");
    /// # }
    /// ```
    pub fn tree(&self) -> Tree {
        let mut groups = Vec::new();
        // Depth first, by a stack of our own.
        let mut next = vec![(self.door().node.clone(), 0)];
        while let Some((node, depth)) = next.pop() {
            let path = node.path();
            let mut tasks = Vec::new();
            node.each_child(|_, child| {
                let watch = child.watch.as_ref().filter(|_| node.setup.observed);
                let look = watch.map(|watch| watch.look());
                let label = child.label();
                tasks.push(TaskInfo {
                    path: label.path_below(&path),
                    spawned_at: label.spawned_at,
                    name: label.name.map(Name::into_owned),
                    activity: look.map(|(activity, _)| activity),
                    stats: look.map(|(_, stats)| stats),
                });
            });
            groups.push(Branch {
                depth,
                name: node.setup.name.as_deref().unwrap_or("group").to_owned(),
                state: node.state_name(),
                tasks,
            });
            next.extend(
                node.subgroups()
                    .into_iter()
                    .rev()
                    .map(|below| (below, depth + 1)),
            );
        }
        Tree { groups }
    }
}

/// The live tasks of `node` and the groups below, a line for each.
pub(super) fn lines(node: &Arc<Node>) -> Vec<String> {
    let mut lines = Vec::new();
    for node in node.tree() {
        let path = node.path();
        node.each_child(|_, child| {
            let mut line = child.label().line(&path);
            if let Some(watch) = &child.watch {
                let (activity, stats) = watch.look();
                line.push_str(&format!(", {activity}, {}", times_polled(stats.polls)));
            }
            lines.push(line);
        });
    }
    lines
}

fn times_polled(polls: u64) -> String {
    match polls {
        0 => "never polled".to_owned(),
        1 => "polled once".to_owned(),
        polls => format!("polled {polls} times"),
    }
}

impl Tree {
    /// All tasks, those of a group before those of its subgroups.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskInfo> {
        self.groups.iter().flat_map(|group| &group.tasks)
    }

    /// The tasks that were woken longer than `threshold` ago and not polled since, or have been
    /// polled for longer than that. Only in groups that were built with
    /// [`observed`](super::Builder::observed).
    pub fn stalled(&self, threshold: Duration) -> impl Iterator<Item = &TaskInfo> {
        self.tasks().filter(move |task| {
            let busy = matches!(task.activity, Some(Activity::Ready | Activity::Polled));
            busy && task.stats.is_some_and(|stats| stats.since > threshold)
        })
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.groups.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            let indent = 2 * group.depth;
            write!(f, "{:indent$}{} ({})", "", group.name, group.state)?;
            for task in &group.tasks {
                write!(f, "\n{:indent$}  - {task}", "")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}, spawned at {}", self.spawned_at)?,
            None => write!(f, "spawned at {}", self.spawned_at)?,
        }
        if let Some(activity) = self.activity {
            write!(f, ", {activity}")?;
        }
        if let Some(stats) = &self.stats {
            write!(f, " for {:?}", stats.since)?;
            write!(f, ", {:?} old, {} polls", stats.age, stats.polls)?;
            write!(f, ", the longest {:?}", stats.longest_poll)?;
        }
        Ok(())
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "woken",
            Self::Polled => "polled",
            Self::Waiting => "waits",
            Self::Slot => "waits for a slot",
            Self::Shield => "in a shield",
            Self::Grace => "in its grace",
            Self::CleanUp => "cleans up",
        })
    }
}
