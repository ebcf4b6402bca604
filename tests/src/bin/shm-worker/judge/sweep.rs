//! Judges what a death in `prune` left: files of living processes are untouched, no map has
//! changed, the next `prune` removes the rest, and the names can be published again.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use nix::fcntl::{FcntlArg, fcntl};
use serde_json::json;
use shm_core::{Acquired, Litter, Name, Namespace, Ordering, Patience, Trust, WritableSegment};
use shm_facade::{Error, MapOptions, SNAPSHOT, Share, ShareOptions, SharedMap, litter, prune};
use shm_tests::IN_PLACE;
use shm_tests::edition;

use super::publication::{NEXT, PATIENCE};
use super::{Findings, Judge};
use crate::operation::OLD;
use crate::operation::publication::KEYS;

/// Its publisher died at the second edition: to be settled.
const UNSETTLED: &str = "test";
/// A control segment without a map: to be removed.
const ALONE: &str = "alone";
/// Somebody is publishing.
const BUSY: &str = "busy";
/// Published, and not in use by a publisher.
const AT_REST: &str = "rest";
/// A file of a dead creator: to be removed.
const DEAD_DRAFT: &str = ".shmap-tmp-00000000000000dd";
/// A file of a living creator.
const LIVE_DRAFT: &str = ".shmap-tmp-00000000000000aa";
/// A file of somebody else, whatever it is called.
const OTHER: &str = ".shmap-tmp-other";
/// Of a control segment whose first edition is published, the second begun.
const ODD: u64 = 3;

pub struct SweepJudge {
    namespace: Namespace,
    world: Option<World>,
    checks: u64,
}

/// The living processes, and what they have open.
struct World {
    /// Of the maps that are to be swept around, from before.
    readers: Vec<SharedMap>,
    busy: WritableSegment,
    draft: File,
    litter: Vec<(PathBuf, Litter)>,
}

impl SweepJudge {
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, world: None, checks: 0 }
    }

    fn share(&self, name: &str, contents: u64) -> Result<u64, Error> {
        let options = ShareOptions::default()
            .namespace(self.namespace.clone())
            .force(true)
            .lock_timeout(Some(PATIENCE));
        edition::tree(contents, KEYS).share_with(name, &options)
    }

    fn open(&self, name: &str) -> Result<SharedMap, Error> {
        let namespace = self.namespace.clone();
        SharedMap::open_with(name, &MapOptions::default().namespace(namespace), IN_PLACE)
    }

    /// A control segment whose publisher was at the second edition.
    fn begin(&self, name: &str) -> Result<WritableSegment> {
        let control = self.namespace.open(
            &Name::new(name)?,
            SNAPSHOT.control,
            1,
            &Trust::new(),
            &Patience::forever(),
        )?;
        match control.try_lock()? {
            Acquired::Clean(guard) => guard.words()?.store(0, ODD, Ordering::Release),
            Acquired::OwnerDied(_) => bail!("nobody died yet"),
        }
        Ok(control)
    }

    fn control_of(&self, name: &str) -> Result<PathBuf> {
        Ok(self.namespace.path_of(&Name::new(name)?, SNAPSHOT.control))
    }

    fn word_of(&self, name: &str) -> Result<u64> {
        let name = Name::new(name)?;
        let control = self.namespace.open_read_only(&name, SNAPSHOT.control, 1, &Trust::new())?;
        Ok(control.words().load(0, Ordering::Acquire))
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let files = std::fs::read_dir(self.namespace.dir())?.map(|entry| Ok(entry?.path()));
        let mut files = files.collect::<Result<Vec<_>>>()?;
        files.sort();
        Ok(files)
    }

    /// What `prune` may not remove: the map and the control segment of these names.
    fn kept(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let mut kept = vec![self.namespace.dir().join(LIVE_DRAFT)];
        kept.push(self.namespace.dir().join(OTHER));
        for name in names {
            let name = Name::new(name)?;
            kept.push(self.namespace.path_of(&name, SNAPSHOT.kind));
            kept.push(self.namespace.path_of(&name, SNAPSHOT.control));
        }
        kept.sort();
        Ok(kept)
    }

    /// Sweeps, or says what it would sweep.
    fn prune(&self, dry_run: bool, findings: &mut Findings) -> Vec<(PathBuf, Litter)> {
        let found = if dry_run { litter(&self.namespace) } else { prune(&self.namespace) }
            .unwrap_or_else(|_| {
                findings.leaked += 1;
                Vec::new()
            });
        found.into_iter().map(|pruned| (pruned.path, pruned.what)).collect()
    }

    /// Every name leads to what it led to before.
    fn check_names(&self, findings: &mut Findings) {
        for name in [UNSETTLED, BUSY, AT_REST] {
            match self.open(name).map(|map| (map.edition(), edition::of(&map, KEYS))) {
                Ok((1, Some(OLD))) => {}
                Ok((_, Some(_))) | Err(Error::NotFound { .. }) => findings.lost += 1,
                Ok(_) | Err(_) => findings.torn += 1,
            }
        }
        if !matches!(self.open(ALONE), Err(Error::NotFound { .. })) {
            findings.lost += 1;
        }
    }

    /// Living processes were left alone.
    fn check_living(&self, world: &World, findings: &mut Findings) -> Result<()> {
        let kept = self.kept(&[UNSETTLED, BUSY, AT_REST])?;
        let files = self.files()?;
        findings.lost += kept.iter().filter(|path| !files.contains(path)).count() as u32;
        let busy = world.busy.words().load(0, Ordering::Relaxed) == ODD
            && !world.busy.is_orphaned()?
            && world.draft.metadata()?.nlink() == 1;
        findings.lost += u32::from(!busy);
        Ok(())
    }

    /// A reader takes exactly what is new.
    fn check_reader(reader: &mut SharedMap, expected: Option<u64>, findings: &mut Findings) {
        let refreshed = reader.refresh().is_ok_and(|taken| taken == expected.is_some());
        let again = reader.refresh().is_ok_and(|taken| !taken);
        let contents = if expected.is_some() { NEXT } else { OLD };
        let edition = expected.unwrap_or(1);
        let whole = edition::of(reader, KEYS) == Some(contents);
        let newest = reader.edition() == edition;
        findings.torn += u32::from(!whole);
        findings.lost += u32::from(!refreshed || !again || !newest);
    }

    /// Publishes under the names that `prune` worked on. Returns the editions.
    fn publish(&self, findings: &mut Findings) -> [Option<u64>; 2] {
        [UNSETTLED, ALONE].map(|name| match self.share(name, NEXT) {
            Ok(edition) => {
                // Alone, the count goes on or begins again, as the control segment is there or not.
                let fits = edition == 2 || (name == ALONE && edition == 1);
                findings.lost += u32::from(!fits);
                Some(edition)
            }
            Err(Error::Publish(_)) => {
                findings.hung += 1;
                None
            }
            Err(_) => {
                findings.leaked += 1;
                None
            }
        })
    }

    /// Removes all that is left, and nothing else.
    fn check_sweep(&self, findings: &mut Findings) {
        let announced = self.prune(true, findings);
        let swept = self.prune(false, findings);
        let rest = self.prune(true, findings);
        findings.leaked += u32::from(swept != announced || !rest.is_empty());
    }
}

impl Judge for SweepJudge {
    fn reset(&mut self) -> Result<()> {
        self.world = None;
        // By hand: what is there may be broken.
        for path in self.files()? {
            std::fs::remove_file(path)?;
        }
        for name in [UNSETTLED, ALONE, BUSY, AT_REST] {
            self.share(name, OLD)?;
        }
        let readers = [UNSETTLED, ALONE, AT_REST].map(|name| self.open(name));
        let readers = readers.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.namespace.unlink(&Name::new(ALONE)?, SNAPSHOT.kind)?;
        drop(self.begin(UNSETTLED)?);
        let busy = self.begin(BUSY)?;
        for name in [DEAD_DRAFT, OTHER] {
            File::create(self.namespace.dir().join(name))?;
        }
        let draft = File::create(self.namespace.dir().join(LIVE_DRAFT))?;
        // Lock byte 1, as the creator of a draft does.
        let creator = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 1,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&draft, FcntlArg::F_OFD_SETLK(&creator))?;
        let litter = vec![
            (self.namespace.dir().join(DEAD_DRAFT), Litter::Temporary),
            (self.control_of(ALONE)?, Litter::Control),
            (self.control_of(UNSETTLED)?, Litter::Unsettled),
        ];
        let found = self.prune(true, &mut Findings::default());
        // A sabotaged `prune` finds more.
        ensure!(litter.iter().all(|what| found.contains(what)), "litter to begin with: {found:?}");
        self.world = Some(World { readers, busy, draft, litter });
        Ok(())
    }

    fn note(&mut self) -> Result<bool> {
        Ok(true)
    }

    fn check(&mut self, done: bool) -> Result<serde_json::Value> {
        let mut findings = Findings::default();
        let mut world = self.world.take().context("no reset")?;
        self.check_names(&mut findings);
        self.check_living(&world, &mut findings)?;
        world.readers.iter_mut().for_each(|r| Self::check_reader(r, None, &mut findings));
        // It finds only what there was to prune, and nothing if the first `prune` had finished.
        let left = self.prune(true, &mut findings);
        let more = left.iter().any(|found| !world.litter.contains(found));
        findings.leaked += u32::from(more || (done && !left.is_empty()));

        // Every second time `prune` comes first.
        self.checks += 1;
        if self.checks.is_multiple_of(2) {
            self.check_sweep(&mut findings);
            self.check_names(&mut findings);
            let swept = self.word_of(UNSETTLED)? == 2
                && self.files()? == { self.kept(&[UNSETTLED, BUSY, AT_REST])? };
            findings.leaked += u32::from(!swept);
        }
        let [unsettled, alone] = self.publish(&mut findings);
        for (reader, expected) in world.readers.iter_mut().zip([unsettled, alone, None]) {
            Self::check_reader(reader, expected, &mut findings);
        }
        self.check_sweep(&mut findings);
        self.check_living(&world, &mut findings)?;
        let tidy = self.files()? == self.kept(&[UNSETTLED, ALONE, BUSY, AT_REST])?;
        findings.leaked += u32::from(!tidy);
        let Findings { torn, lost, leaked, hung } = findings;
        Ok(json!({ "torn": torn, "lost": lost, "leaked": leaked, "hung": hung, "new": false }))
    }
}
