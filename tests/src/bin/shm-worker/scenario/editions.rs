//! A publisher of one edition after the other, and readers that check whether each is whole.

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nix::sys::signal::{Signal, raise};
use shm_facade::{Error, Share, SharedMap};
use shm_tests::IN_PLACE;
use shm_tests::edition;

use super::say;

/// Keys of an edition, at least.
const KEYS: i32 = 50;
/// For ever, for a test.
const LONG: Duration = Duration::from_secs(3600);

/// Publishes the next edition for each line, and says which. `stop`: SIGSTOP right before it.
pub fn publisher() -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        // There is one publisher at a time.
        let next = match SharedMap::open("test", IN_PLACE) {
            Ok(map) => map.edition() + 1,
            Err(Error::NotFound { .. }) => 1,
            Err(e) => return Err(e.into()),
        };
        let image = edition::tree(next, KEYS).freeze();
        if line? == "stop" {
            raise(Signal::SIGSTOP)?;
        }
        say(&image.share_or_replace("test")?.to_string())?;
    }
    Ok(())
}

/// For each line `until N`, follows the name until edition N and prints the edition in hand; at the
/// end prints how many it saw. It checks everything that it gets. If something is wrong, it prints
/// that instead, and ends.
pub fn reader(how: &str) -> Result<()> {
    match follow(how) {
        Ok(editions) => say(&format!("saw {editions}")),
        Err(e) => say(&format!("wrong: {e}")),
    }
}

fn follow(how: &str) -> Result<u64> {
    let mut map = SharedMap::open("test", IN_PLACE)?;
    check(&map)?;
    say(&format!("at {}", map.edition()))?;
    let mut editions = 1;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Some(goal) = line.strip_prefix("until ") else { bail!("unknown line {line:?}") };
        let goal: u64 = goal.parse()?;
        while map.edition() < goal {
            let before = map.edition();
            let taken = match how {
                "wait" => map.wait_for_update(LONG)?,
                _ => map.refresh()?,
            };
            ensure!(taken || how != "wait", "woken without news");
            let after = map.edition();
            ensure!(if taken { after > before } else { after == before }, "{before}, then {after}");
            check(&map)?;
            editions += u64::from(taken);
            let newcomer = SharedMap::open("test", IN_PLACE)?;
            check(&newcomer)?;
            ensure!(newcomer.edition() >= after, "{after}, but {}", newcomer.edition());
            std::thread::yield_now();
        }
        // Nobody publishes until all have answered.
        ensure!(!map.refresh()?, "newer than the newest");
        say(&format!("at {}", map.edition()))?;
    }
    Ok(editions)
}

/// Checks that it is whole, and the edition that it claims to be.
fn check(map: &SharedMap) -> Result<()> {
    let found = edition::of(map, KEYS);
    ensure!(found == Some(map.edition()), "edition {} holds {found:?}", map.edition());
    Ok(())
}
