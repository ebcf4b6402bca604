//! A temporary namespace for one test, with one name in it.

#![allow(dead_code, unreachable_pub, reason = "shared by tests, not all of which use all of it")]

use std::path::PathBuf;

use shm_core::{
    Acquired, InPlace, Kind, Name, Namespace, OpenError, Ordering, Patience, PublishError,
    PublishOptions, PublishedKind, Removal, Trust,
};

pub const KIND: PublishedKind = PublishedKind::new(Kind::new("blob"), 3, Kind::new("control"));
pub const FORCE: bool = true;

/// Tests read published files in place.
// SAFETY: no test writes to a file whose bytes it uses.
pub const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };

/// A namespace of one test's own.
pub struct Place {
    pub namespace: Namespace,
    pub name: Name,
}

impl Place {
    pub fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = PathBuf::from(format!("/dev/shm/shmap-publish-{}-{count}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Self { namespace: Namespace::at(dir), name: Name::new("x").unwrap() }
    }

    pub fn publish(&self, replace: bool, body: &[u8]) -> Result<u64, PublishError> {
        let options = PublishOptions::default().replace(replace);
        self.namespace.publish(&self.name, KIND, &options, body)
    }

    pub fn remove(&self) -> Result<Removal, PublishError> {
        self.namespace.remove_published(&self.name, KIND, &Trust::new(), &Patience::forever())
    }

    pub fn follow(&self) -> Result<(shm_core::Follower, shm_core::Published), OpenError> {
        self.namespace.follow(&self.name, KIND, &Trust::new(), IN_PLACE)
    }

    pub fn file(&self) -> PathBuf {
        self.namespace.path_of(&self.name, KIND.kind)
    }

    pub fn control(&self) -> PathBuf {
        self.namespace.path_of(&self.name, KIND.control)
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.namespace.dir()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Stores a control word, as a publisher that died would leave it.
    pub fn set_word(&self, word: u64) {
        let control = self
            .namespace
            .open(&self.name, KIND.control, 1, &Trust::new(), &Patience::forever())
            .unwrap();
        let Ok(Acquired::Clean(guard)) = control.lock() else { panic!("not clean") };
        guard.words().unwrap().store(0, word, Ordering::Release);
    }

    pub fn word(&self) -> u64 {
        let control =
            self.namespace.open_read_only(&self.name, KIND.control, 1, &Trust::new()).unwrap();
        control.words().load(0, Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.namespace.dir());
    }
}

/// The files of a published name.
pub const BOTH: [&str; 2] = ["shmap.x.blob", "shmap.x.control"];
