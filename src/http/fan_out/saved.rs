//! A body that goes to a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use bytes::Bytes;

use crate::Runtime;
use crate::http::{ErrorKind, HttpError};
use crate::primitives::atomic::{AtomicU64, Ordering};

/// A file under another name, which is there only as long as it is being written.
pub(super) struct Part {
    path: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        // Once it has its own name there is nothing to remove.
        fs::remove_file(&self.path).ok();
    }
}

/// The bytes of a body that were written so far.
pub(super) struct Saved {
    rt: Runtime,
    path: PathBuf,
    max: u64,
    pub(super) len: u64,
    // In this order: some systems remove no file that is open.
    file: Option<File>,
    part: Part,
}

impl Saved {
    /// Makes the file, in the folder where it will be.
    pub(super) async fn create(rt: &Runtime, path: &Path, max: u64) -> Result<Self, HttpError> {
        let beside = path.to_owned();
        let (part, file) = blocking(rt, move || create(&beside)).await?;
        Ok(Self {
            rt: rt.clone(),
            path: path.to_owned(),
            max,
            len: 0,
            file: Some(file),
            part,
        })
    }

    /// Writes a piece.
    pub(super) async fn push(&mut self, chunk: Bytes) -> Result<(), HttpError> {
        self.len += chunk.len() as u64;
        if self.len > self.max {
            return Err(HttpError::new(ErrorKind::BodyTooLarge)
                .with_message(format!("more than {} bytes", self.max)));
        }
        if chunk.is_empty() {
            return Ok(());
        }
        // A write that was dropped half-way took the file with it, and its request too.
        let Some(mut file) = self.file.take() else {
            return Err(not_saved(io::ErrorKind::Interrupted.into()));
        };
        let write = move || file.write_all(&chunk).map(|()| file);
        self.file = Some(blocking(&self.rt, write).await?);
        Ok(())
    }

    /// Gives the file its name, now that it is complete.
    pub(super) async fn finish(self) -> Result<u64, HttpError> {
        let Self {
            rt,
            path,
            len,
            file,
            part,
            ..
        } = self;
        let rename = move || {
            drop(file);
            fs::rename(&part.path, path)
        };
        blocking(&rt, rename).await.map(|()| len)
    }
}

fn create(path: &Path) -> io::Result<(Part, File)> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!(".untethered-{}-{number}.part", process::id());
    let path = path.with_file_name(name);
    let file = File::create_new(&path)?;
    Ok((Part { path }, file))
}

async fn blocking<T, F>(rt: &Runtime, work: F) -> Result<T, HttpError>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    match rt.spawn_blocking(work).await {
        Ok(result) => result.map_err(not_saved),
        Err(error) => Err(not_saved(io::Error::other(error))),
    }
}

fn not_saved(error: io::Error) -> HttpError {
    HttpError::new(ErrorKind::Other)
        .with_message("the body can not be saved")
        .with_source(error)
}
