//! Maps that are published, replaced, removed and swept, beside readers that check whether each
//! edition is whole, and whether the editions of a name that is never removed come in order.

use anyhow::Result;
use shm_core::Namespace;
use shm_facade::{Error, Share, SharedMap, prune};
use shm_tests::random::Random;
use shm_tests::{IN_PLACE, edition};

use super::Tally;

const KEYS: i32 = 20;
/// Those that are never removed come first.
const NAMES: [&str; 4] = ["stays", "stays-too", "goes", "goes-too"];
const STAYING: usize = 2;

pub(super) struct Process {
    index: i32,
    held: [Option<SharedMap>; NAMES.len()],
}

impl Process {
    pub(super) fn new(index: i32) -> Self {
        Self { index, held: [const { None }; NAMES.len()] }
    }

    /// Every other process publishes.
    pub(super) fn round(&mut self, tally: &mut Tally, random: &mut Random) -> Result<()> {
        let which = random.below(NAMES.len() as u64) as usize;
        tally.operations += 1;
        if self.index % 2 == 0 { publish(which, tally, random) } else { self.follow(which, tally) }
    }

    fn follow(&mut self, which: usize, tally: &mut Tally) -> Result<()> {
        let (Some(name), Some(held)) = (NAMES.get(which), self.held.get_mut(which)) else {
            return Ok(());
        };
        let Some(map) = held else {
            *held = open(name)?;
            return held.as_ref().map_or(Ok(()), |map| whole(map, tally));
        };
        let before = map.edition();
        let taken = map.refresh()?;
        let after = map.edition();
        if which < STAYING {
            let fine = if taken { after > before } else { after == before };
            tally.kept(fine, || format!("{name}: {before}, then {after}"))?;
        }
        whole(map, tally)?;
        let newcomer = open(name)?;
        if let Some(newcomer) = &newcomer {
            whole(newcomer, tally)?;
        }
        if which < STAYING {
            let newest = newcomer.map(|map| map.edition());
            let fine = newest.is_some_and(|newest| newest >= after);
            tally.kept(fine, || format!("{name}: {after}, but {newest:?}"))?;
        }
        Ok(())
    }
}

fn publish(which: usize, tally: &mut Tally, random: &mut Random) -> Result<()> {
    let Some(name) = NAMES.get(which) else { return Ok(()) };
    let image = edition::tree(random.below(1 << 40) + 1, KEYS).freeze();
    match random.below(8) {
        0 => {
            prune(&Namespace::from_env())?;
            Ok(())
        }
        1 if which >= STAYING => match SharedMap::remove(name) {
            Err(Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(e.into()),
        },
        2 => match image.share(name) {
            Err(Error::AlreadyExists { .. }) | Ok(_) => Ok(()),
            Err(e) => Err(e.into()),
        },
        _ => {
            let said = image.share_or_replace(name)?;
            if which >= STAYING {
                return Ok(());
            }
            let found = open(name)?.map(|map| map.edition());
            let fine = found.is_some_and(|found| found >= said);
            tally.kept(fine, || format!("{name}: published {said}, found {found:?}"))
        }
    }
}

fn open(name: &str) -> Result<Option<SharedMap>> {
    match SharedMap::open(name, IN_PLACE) {
        Ok(map) => Ok(Some(map)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn whole(map: &SharedMap, tally: &mut Tally) -> Result<()> {
    tally.whole(edition::of(map, KEYS).is_some(), || format!("{map:?} is not whole"))
}

pub(super) fn judge(tally: &mut Tally) -> Result<()> {
    for (which, name) in NAMES.into_iter().enumerate() {
        // A publisher after all the dead ones.
        edition::tree(1, KEYS).freeze().share_or_replace(name)?;
        let found = open(name)?;
        tally.kept(found.is_some(), || format!("{which}: {name} is gone"))?;
        if let Some(map) = &found {
            whole(map, tally)?;
        }
        SharedMap::remove(name)?;
    }
    prune(&Namespace::from_env())?;
    Ok(())
}
