//! The directory that holds all state of one sandbox.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The name of the file that a living sandbox keeps locked. The kernel drops
/// the lock when the process ends, whatever ended it, and unlike a process id
/// it means the same in every container that shares the target directory.
const LOCK: &str = "lock";

/// `<target>/sandbox/<pid>-<random>`, removed on drop.
pub(crate) struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

impl StateDirectory {
    /// Creates the directory and removes those that dead sandboxes have left.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let parent = target.join("sandbox");
        fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
        // Without this lock another process could sweep away a directory
        // whose owner has not yet locked it.
        let _sweeping = lock(&parent.join(".lock"))?;
        sweep(&parent)?;

        let random = uuid::Uuid::new_v4().simple().to_string();
        let path = parent.join(format!("{}-{}", std::process::id(), &random[..8]));
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        let lock = lock(&path.join(LOCK))?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only the owner may read and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;

        let path = self.path.join(name);
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for StateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Opens `path` and waits until this process alone has it locked.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    file.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

/// Locks `path` unless another process has.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

fn sweep(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.is_dir() && is_abandoned(&path) {
            // Its last component may be removing it at this very moment.
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn is_abandoned(directory: &Path) -> bool {
    File::open(directory.join(LOCK)).map_or(true, |file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_abandoned_directories_are_swept() {
        let target = tempfile::tempdir().unwrap();
        let living = StateDirectory::create(target.path()).unwrap();
        let abandoned = target.path().join("sandbox/1-00000000");
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join(LOCK), "").unwrap();

        let second = StateDirectory::create(target.path()).unwrap();

        assert!(living.path().exists());
        assert!(second.path().exists());
        assert!(!abandoned.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
