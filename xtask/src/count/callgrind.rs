//! Running a program under valgrind's callgrind, and reading what it counted.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What is simulated: a cache of the size of this machine's second level, and behind it one of the
/// size of its third level, each with lines of 64 bytes, 16 to a set.
const CACHES: [&str; 2] = ["--D1=1048576,16,64", "--LL=33554432,16,64"];
/// The function inside of which everything is counted, in `benches/src/bin/rows/counted.rs`.
const COUNTED: &str = "--toggle-collect=*counted::counted*";

/// Sums over all that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Instructions.
    pub instructions: u64,
    /// Branches that a simple predictor gets wrong.
    pub mispredicted: u64,
    /// Loads and stores that find no line in the smaller cache.
    pub beyond_second: u64,
    /// Those of them that find none in the larger cache either.
    pub beyond_third: u64,
}

/// True if there is a valgrind.
pub fn is_there() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Runs a program. Returns the sums, and the last line that the program printed.
pub fn run(program: &OsStr, arguments: &[&OsStr]) -> Result<(Sums, String)> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    valgrind.args(["--cache-sim=yes", "--branch-sim=yes", COUNTED]).args(CACHES);
    let output = valgrind.arg(program).args(arguments).output().context("start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the counted program failed: {said}");
    let printed = String::from_utf8(output.stdout)?;
    let last = printed.lines().last().context("the counted program printed nothing")?;
    Ok((sums(&said)?, last.to_owned()))
}

/// Reads the lines "Events" and "Collected", which have names and numbers in the same order. Zeros
/// at the end are left out.
fn sums(said: &str) -> Result<Sums> {
    let after = |title: &str| {
        let line = said.lines().find_map(|line| Some(line.split_once(title)?.1));
        line.with_context(|| format!("callgrind printed no {title:?}: {said}"))
    };
    let names: Vec<&str> = after("Events    :")?.split_whitespace().collect();
    let numbers: Vec<&str> = after("Collected :")?.split_whitespace().collect();
    let sum = |wanted: &[&str]| -> Result<u64> {
        let mut sum = 0;
        for wanted in wanted {
            let at = names.iter().position(|name| name == wanted);
            let at = at.with_context(|| format!("callgrind counted no {wanted}"))?;
            let number = numbers.get(at).unwrap_or(&"0");
            sum += number.parse::<u64>().with_context(|| format!("{wanted}: {number:?}"))?;
        }
        Ok(sum)
    };
    Ok(Sums {
        instructions: sum(&["Ir"])?,
        mispredicted: sum(&["Bcm", "Bim"])?,
        beyond_second: sum(&["D1mr", "D1mw"])?,
        beyond_third: sum(&["DLmr", "DLmw"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "==7== Callgrind, a profiler\n\
        --7-- warning: simulated LL cache: line_size 64\n==7== \n\
        ==7== Events    : Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw Bc Bcm Bi Bim\n\
        ==7== Collected : 9000 800 70 6 50 4 3 20 1 600 40 10 2\n==7== \n==7== I   refs: 9,000\n";

    #[test]
    fn sums_are_found_by_the_names_of_the_events() {
        let expected =
            Sums { instructions: 9000, mispredicted: 42, beyond_second: 54, beyond_third: 21 };
        assert_eq!(sums(SAID).unwrap(), expected);
        let without = sums(&SAID.replace(" 10 2\n", " 10\n")).unwrap();
        assert_eq!(without, Sums { mispredicted: 40, ..expected });
    }

    #[test]
    fn what_was_not_counted_is_named() {
        for (from, to, named) in [
            ("Events    :", "Eventful :", "Events"),
            ("Collected :", "Selected :", "Collected"),
            (" Bim", "", "Bim"),
            ("9000", "many", "Ir"),
        ] {
            let error = sums(&SAID.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(named), "{from:?}: {error:#}");
        }
    }
}
