//! The dictionary of the demo: the names of characters, published over and over, while readers look
//! them up. Each value ends with the number of its edition, so that a mixture of two shows.

use shm_tests::IN_PLACE;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, raise};
use serde_json::json;
use shm_core::Namespace;
use shm_facade::{AlignedBytes, Builder, Error, Share, SharedMap, prune};

use super::commands;

const NAME: &str = "unicode-names";
/// How often an edition is published.
const PERIOD: Duration = Duration::from_millis(50);
/// Lookups between two checks for a newer edition.
const ROUND: usize = 1024;

#[derive(clap::Args)]
pub struct Arguments {
    /// Lines of `U+XXXX`, a tab, and the character's name.
    #[arg(long)]
    names: PathBuf,
}

/// Codes and names, in the order of the codes' bytes.
struct Names(Vec<(String, String)>);

impl Names {
    fn read(arguments: &Arguments) -> Result<Self> {
        let path = &arguments.names;
        let text = std::fs::read_to_string(path).with_context(|| format!("read {path:?}"))?;
        let pairs = text.lines().map(|line| line.split_once('\t').context("a line without a tab"));
        let mut pairs = pairs
            .map(|pair| pair.map(|(code, name)| (code.to_owned(), name.to_owned())))
            .collect::<Result<Vec<_>>>()?;
        pairs.sort();
        Ok(Self(pairs))
    }

    fn image(&self, edition: u64) -> Result<AlignedBytes> {
        let mut builder = Builder::new();
        for (code, name) in &self.0 {
            builder.push(code, format!("{name}{}", mark(edition)))?;
        }
        Ok(builder.finish())
    }

    /// How many codes have this prefix.
    fn count(&self, prefix: &str) -> usize {
        let from = self.0.partition_point(|(code, _)| code.as_str() < prefix);
        self.0[from..].iter().take_while(|(code, _)| code.starts_with(prefix)).count()
    }
}

/// What the values of an edition end with.
fn mark(edition: u64) -> String {
    format!("\t{edition}")
}

/// Line protocol: `go` → publishes from then on; `stop` → SIGSTOP right before the next
/// publication; `prune` → sweeps, and prints what; end of input ends it.
pub fn publisher(arguments: &Arguments) -> Result<()> {
    let names = Names::read(arguments)?;
    let commands = commands();
    let (mut going, mut stop) = (false, false);
    let mut next = Instant::now();
    loop {
        if going {
            // There is one publisher at a time.
            let edition = match SharedMap::open(NAME, IN_PLACE) {
                Ok(map) => map.edition() + 1,
                Err(Error::NotFound { .. }) => 1,
                Err(e) => return Err(e.into()),
            };
            let image = names.image(edition)?;
            if std::mem::take(&mut stop) {
                raise(Signal::SIGSTOP)?;
            }
            image.share_or_replace(NAME)?;
        }
        next = Instant::now().max(next + PERIOD);
        loop {
            match commands.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(line) if line == "go" => going = true,
                Ok(line) if line == "stop" => stop = true,
                Ok(_) => {
                    let swept = prune(&Namespace::from_env())?;
                    let swept: Vec<_> = swept.iter().map(|p| format!("{:?}", p.what)).collect();
                    println!("{}", json!(swept));
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }
}

/// Line protocol: `show` → the figures so far, and some answers; at the end of input once more, and
/// ends.
pub fn reader(arguments: &Arguments) -> Result<()> {
    let names = Names::read(arguments)?;
    let map = loop {
        match SharedMap::open(NAME, IN_PLACE) {
            Err(Error::NotFound { .. }) => std::thread::yield_now(),
            other => break other?,
        }
    };
    let random = u64::from(std::process::id()) | 1;
    let mut reader =
        Reader { names, map, random, lookups: 0, editions: 1, mixtures: 0, went_back: 0 };
    let commands = commands();
    let start = Instant::now();
    loop {
        reader.round()?;
        match commands.try_recv() {
            Ok(_) => println!("{}", reader.figures(start)),
            Err(TryRecvError::Disconnected) => {
                println!("{}", reader.figures(start));
                return Ok(());
            }
            Err(TryRecvError::Empty) => {}
        }
    }
}

struct Reader {
    names: Names,
    map: SharedMap,
    random: u64,
    lookups: u64,
    editions: u64,
    mixtures: u64,
    went_back: u64,
}

impl Reader {
    /// Xorshift64.
    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 11) % n as u64) as usize
    }

    /// Looks names up in one edition, by code, by prefix and by rank, and goes on to the newest.
    fn round(&mut self) -> Result<()> {
        let mark = mark(self.map.edition());
        let is_whole = |value: &[u8], name: &str| {
            value.strip_suffix(mark.as_bytes()).is_some_and(|found| found == name.as_bytes())
        };
        let mut mixtures = u64::from(self.map.len() != self.names.0.len());
        for turn in 0..ROUND {
            let rank = self.below(self.names.0.len());
            let (code, name) = &self.names.0[rank];
            let good = match turn % 64 {
                0 => {
                    let prefix = &code[..code.len() - 1];
                    let found = self.map.prefix(prefix);
                    // They follow each other in the list, too.
                    let first = self.names.0.partition_point(|(code, _)| code.as_str() < prefix);
                    found.len() == self.names.count(prefix)
                        && found.zip(&self.names.0[first..]).all(|((key, value), (code, name))| {
                            key == code.as_bytes() && is_whole(value, name)
                        })
                }
                1..8 => {
                    self.map.rank(code) == rank
                        && self.map.nth(rank).is_some_and(|(key, value)| {
                            key == code.as_bytes() && is_whole(value, name)
                        })
                }
                // No code has five characters; some that have six are the beginning of a longer
                // one.
                8..16 => self.map.get(&code[..code.len() - 1]).is_none_or(|_| code.len() > 6),
                _ => self.map.get(code).is_some_and(|value| is_whole(value, name)),
            };
            mixtures += u64::from(!good);
        }
        self.mixtures += mixtures;
        self.lookups += ROUND as u64;
        let before = self.map.edition();
        if self.map.refresh()? {
            self.editions += 1;
            self.went_back += u64::from(self.map.edition() <= before);
        }
        Ok(())
    }

    fn figures(&mut self, start: Instant) -> serde_json::Value {
        let rank = self.below(self.names.0.len());
        let code = self.names.0[rank].0.clone();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\t', ", edition ");
        let pair = |(key, value): (&[u8], &[u8])| format!("{} {}", text(key), text(value));
        let prefix = &code[..code.len() - 1];
        let some = self.map.prefix(prefix);
        let (count, first) = (some.len(), some.map(pair).next().unwrap_or_default());
        json!({
            "lookups": self.lookups,
            "seconds": start.elapsed().as_secs_f64(),
            "editions": self.editions,
            "mixtures": self.mixtures,
            "went_back": self.went_back,
            "names": self.map.len(),
            "edition": self.map.edition(),
            "answers": [
                ["by code", code, self.map.get(&code).map(text).unwrap_or_default()],
                ["by prefix", prefix, format!("{count} from {first}")],
                ["by rank", rank.to_string(), self.map.nth(rank).map(pair).unwrap_or_default()],
            ],
        })
    }
}
