//! The cache itself: one file, its lock, and the index of its records, shared by threads. The bytes are of
//! `record` and `scan`.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use crate::error::CacheError;
use crate::key::Key;
use crate::position::At;
use crate::record::{self, Header, Shape};
use crate::scan::{Entry, START, scan, start};

/// An array of a cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// The length of each axis, outermost first.
    pub shape: Vec<usize>,
    /// The values in row-major order, as many as the shape holds.
    pub values: Vec<f32>,
}

/// One file of features, shared by the threads of a process; see the [crate] for its guarantees.
pub struct FeatureCache {
    path: PathBuf,
    file: File,
    index: RwLock<HashMap<Key, Entry>>,
    /// Where the next record starts, in bytes; whoever writes holds it.
    end: Mutex<u64>,
}

impl FeatureCache {
    /// Opens a cache, which is created where there is no file or an empty one, and finds its records. What
    /// an interrupted writer left behind the last of them is cut off.
    ///
    /// Headers are read, values aren't. Where the file system has no locks, as some shares haven't, a [`tracing`]
    /// warning says so, and nothing keeps others from opening the file too.
    ///
    /// # Errors
    /// [`CacheError::InUse`] if it is open elsewhere; [`CacheError::NotAFile`], [`CacheError::Foreign`] and
    /// [`CacheError::Version`] for what isn't a cache of this version, which is left as it is;
    /// [`CacheError::Open`], [`CacheError::Read`] and [`CacheError::Write`] where the system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        let path = path.as_ref().to_owned();
        // A device may never end, and opening a FIFO may wait for ever.
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(CacheError::NotAFile { path });
        }
        let opened =
            File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(source) => return Err(CacheError::Open { path, source }),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CacheError::InUse { path }),
            Err(TryLockError::Error(source)) if is_unsupported(&source) => tracing::warn!(
                "{} can't be locked where it is ({source}): no other program may use it meanwhile",
                path.display()
            ),
            Err(TryLockError::Error(source)) => return Err(CacheError::Open { path, source }),
        }
        start(&file, &path)?;
        let (index, end, length) = scan(&file).map_err(|source| CacheError::Read {
            path: path.clone(),
            offset: START,
            source,
        })?;
        if end < length {
            tracing::warn!(
                "{}: {} bytes of no whole record cut off at byte {end}",
                path.display(),
                length - end
            );
            if let Err(source) = file.set_len(end) {
                return Err(CacheError::Write { path, offset: end, source });
            }
        }
        Ok(Self { path, file, index: RwLock::new(index), end: Mutex::new(end) })
    }

    /// The features of a key; nothing if they aren't there or are damaged.
    ///
    /// # Errors
    /// [`CacheError::Read`] if the file can't be read or the values don't fit in memory.
    pub fn get(&self, key: &Key) -> Result<Option<Features>, CacheError> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let mut values = Vec::new();
        values
            .try_reserve_exact(entry.shape.values())
            .map_err(|error| self.read_error(&entry, error.into()))?;
        values.resize(entry.shape.values(), 0.0);
        let whole = self.read(key, &entry, &mut values)?;
        Ok(whole.then(|| Features { shape: entry.shape.to_vec(), values }))
    }

    /// Reads the values of a key into a buffer of their number and says whether they are there and whole.
    /// If not, what the buffer holds means nothing.
    ///
    /// # Errors
    /// [`CacheError::Buffer`] if the buffer has another length; [`CacheError::Read`] if the file can't be
    /// read.
    pub fn read_into(&self, key: &Key, buffer: &mut [f32]) -> Result<bool, CacheError> {
        let Some(entry) = self.entry(key) else { return Ok(false) };
        let (expected, found) = (entry.shape.values(), buffer.len());
        if found != expected {
            return Err(CacheError::Buffer { shape: entry.shape.to_vec(), expected, found });
        }
        self.read(key, &entry, buffer)
    }

    /// Adds the features of a key, unless the key is there already. Values keep their bits.
    ///
    /// # Errors
    /// [`CacheError::Axes`] and [`CacheError::Shape`] for a shape that can't be or isn't that of the values;
    /// [`CacheError::Write`] where the system refuses, which leaves the cache as it was.
    pub fn insert(&self, key: &Key, shape: &[usize], values: &[f32]) -> Result<(), CacheError> {
        let checked = Shape::new(shape).ok_or_else(|| CacheError::Axes { shape: shape.into() })?;
        if checked.values() != values.len() {
            return Err(CacheError::Shape { shape: shape.into(), values: values.len() });
        }
        if self.contains(key) {
            return Ok(());
        }
        let (header, record) = record::encode(*key, checked, values);
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster.
        if self.contains(key) {
            return Ok(());
        }
        let mut writer = At { file: &self.file, offset: *end };
        if let Err(source) = writer.write_all(&record) {
            // Where this fails as well, the next record or the next opening covers what was written.
            let _ = self.file.set_len(*end);
            return Err(CacheError::Write { path: self.path.clone(), offset: *end, source });
        }
        let entry = Entry::new(*end, &header);
        self.index.write().unwrap_or_else(PoisonError::into_inner).insert(*key, entry);
        *end = writer.offset;
        Ok(())
    }

    /// Whether a key is there; damage to its values shows only when they are read.
    pub fn contains(&self, key: &Key) -> bool {
        self.entry(key).is_some()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.index.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the file in bytes.
    pub fn bytes(&self) -> u64 {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: &Key) -> Option<Entry> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn read(&self, key: &Key, entry: &Entry, values: &mut [f32]) -> Result<bool, CacheError> {
        let offset = entry.offset + Header::BYTES as u64;
        let words: &mut [u32] = bytemuck::cast_slice_mut(values);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        match (At { file: &self.file, offset }).read_exact(bytes) {
            Ok(()) if crc32fast::hash(bytes) == entry.checksum => {
                words.iter_mut().for_each(|word| *word = u32::from_le(*word));
                Ok(true)
            }
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                Err(self.read_error(entry, error))
            }
            _ => {
                let (path, at) = (self.path.display(), entry.offset);
                tracing::warn!("{path}: the record at byte {at} is damaged and counts as absent");
                self.forget(key, entry);
                Ok(false)
            }
        }
    }

    /// Takes out a damaged record, unless another thread has written its key anew.
    fn forget(&self, key: &Key, damaged: &Entry) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.get(key).is_some_and(|entry| entry.offset == damaged.offset) {
            index.remove(key);
        }
    }

    fn read_error(&self, entry: &Entry, source: io::Error) -> CacheError {
        CacheError::Read { path: self.path.clone(), offset: entry.offset, source }
    }
}

impl fmt::Debug for FeatureCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, bytes) = (self.len(), self.bytes());
        let mut fields = f.debug_struct("FeatureCache");
        fields.field("path", &self.path).field("len", &len).field("bytes", &bytes);
        fields.finish_non_exhaustive()
    }
}

/// Whether an error says that a file system has no locks: ENOLCK, ENOSYS or EOPNOTSUPP.
fn is_unsupported(error: &io::Error) -> bool {
    const LINUX: [i32; 3] = [37, 38, 95];
    let number = error.raw_os_error();
    error.kind() == ErrorKind::Unsupported
        || (cfg!(target_os = "linux") && number.is_some_and(|number| LINUX.contains(&number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_known_by_its_errors() {
        assert!(is_unsupported(&ErrorKind::Unsupported.into()));
        for kind in [ErrorKind::WouldBlock, ErrorKind::PermissionDenied, ErrorKind::Other] {
            assert!(!is_unsupported(&kind.into()), "{kind}");
        }
        if cfg!(target_os = "linux") {
            // ENOLCK, ENOSYS, EOPNOTSUPP; then EINTR, EBADF, EINVAL.
            for (number, expected) in
                [(37, true), (38, true), (95, true), (4, false), (9, false), (22, false)]
            {
                let error = io::Error::from_raw_os_error(number);
                assert_eq!(is_unsupported(&error), expected, "{error}");
            }
        }
    }

    /// Two threads meet the same damage; the slower finds it after the faster has written the key anew.
    #[test]
    fn a_late_finder_of_damage_forgets_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let cache = FeatureCache::open(folder.path().join("features.nfc")).unwrap();
        let key = Key::builder().build();
        let values = [1.0, 2.0];
        cache.insert(&key, &[2], &values).unwrap();
        let late = cache.entry(&key).unwrap();
        let damage =
            At { file: &cache.file, offset: late.offset + Header::BYTES as u64 }.write(b"x");
        assert_eq!(damage.unwrap(), 1);

        let mut buffer = [0.0; 2];
        assert!(!cache.read_into(&key, &mut buffer).unwrap());
        cache.insert(&key, &[2], &values).unwrap();
        assert!(!cache.read(&key, &late, &mut buffer).unwrap());
        assert!(cache.read_into(&key, &mut buffer).unwrap());
        assert_eq!(buffer, values);
    }
}
