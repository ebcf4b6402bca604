//! Decides whether a history is linearizable: whether its calls could have taken effect one after
//! the other, each at one moment between its start and its end.
//!
//! The search is the just-in-time linearization of Lowe ("Testing for linearizability", 2017),
//! breadth first. It goes through the starts and ends of the calls in order of time, and keeps all
//! *configurations* that are possible: the state, and which of the open calls (those that have
//! started and not ended) have taken effect.
//!
//! **Why it is enough to let calls take effect when one ends.** Suppose that the calls have taken
//! effect in some order, each at a moment of its own. Move each of these moments forward to the
//! next end of a call that takes effect at or after it in this order. The order remains, and no
//! moment is moved past the end of its own call. So when a call ends, the search lets it take
//! effect, alone or after any sequence of other open calls, in each configuration in which it has
//! not. Configurations in which it cannot are dropped. If none is left, no order explains the
//! history.
//!
//! **A call that only reads** takes effect as soon as a state agrees with its outcome. It changes
//! nothing, so a later moment would not allow more.
//!
//! **A call of a process that was killed** may have taken effect before the death, or never (this
//! is strict linearizability: Aguilera and Frølund, 2003). Its end is the death, and the
//! configurations in which it has not taken effect remain.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// The most calls that may be open at once.
const OPEN: usize = 64;
/// The most configurations that the search keeps.
const CONFIGURATIONS: usize = 1 << 18;

/// A call, as the sequential specification knows it.
pub trait Specified {
    /// What the object is between two calls.
    type State: Clone + Debug + Eq + Hash;

    /// The state after the call, or `None` if the call cannot have its outcome in this state.
    fn take_effect(&self, state: &Self::State) -> Option<Self::State>;

    /// True if a call with this outcome changes no state.
    fn only_reads(&self) -> bool;
}

/// A call of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<C> {
    pub call: C,
    pub start: u64,
    /// The time when it returned, or when its process was dead.
    pub end: u64,
    /// Whether it returned. Otherwise its process was killed, so it may have had no effect.
    pub returned: bool,
}

/// What was seen in a linearizable history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many calls started while another one was open.
    pub concurrent: usize,
    /// The most configurations at one time.
    pub configurations: usize,
}

/// Why a history was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused<S> {
    /// No order of the calls explains this one.
    NotLinearizable {
        /// Its index in the history.
        call: usize,
        /// The calls that were open at its end, itself among them.
        open: Vec<usize>,
        /// The states that were possible before its end.
        states: Vec<S>,
    },
    /// There were more calls or configurations at one time than the search can handle.
    Undecided,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Configuration<S> {
    state: S,
    /// The places of the open calls that have taken effect, as bits.
    effective: u64,
}

struct Search<'a, C: Specified> {
    history: &'a [Entry<C>],
    /// The open calls. A call keeps its place until it ends.
    places: Vec<Option<usize>>,
    possible: Vec<Configuration<C::State>>,
    seen: Seen,
}

/// Checks a history, which begins in the state `initial`.
pub fn check<C: Specified>(
    history: &[Entry<C>],
    initial: C::State,
) -> Result<Seen, Refused<C::State>> {
    // At the same time, starts come before ends: such calls count as concurrent.
    let starts = history.iter().enumerate().map(|(call, entry)| (entry.start, false, call));
    let ends = history.iter().enumerate().map(|(call, entry)| (entry.end, true, call));
    let mut events: Vec<_> = starts.chain(ends).collect();
    events.sort_unstable();

    let mut search = Search {
        history,
        places: Vec::new(),
        possible: vec![Configuration { state: initial, effective: 0 }],
        seen: Seen::default(),
    };
    for (_, ends, call) in events {
        if ends {
            search.end(call)?;
        } else {
            search.start(call)?;
        }
        search.seen.configurations = search.seen.configurations.max(search.possible.len());
    }
    Ok(search.seen)
}

impl<C: Specified> Search<'_, C> {
    fn open(&self) -> impl Iterator<Item = (usize, &Entry<C>)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(place, call)| Some((place, self.history.get((*call)?)?)))
    }

    fn start(&mut self, call: usize) -> Result<(), Refused<C::State>> {
        let alone = self.places.iter().all(Option::is_none);
        self.seen.concurrent += usize::from(!alone);
        let place = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        if place == OPEN {
            return Err(Refused::Undecided);
        }
        if place == self.places.len() {
            self.places.push(None);
        }
        self.places[place] = Some(call);
        if self.history[call].call.only_reads() {
            let before = std::mem::take(&mut self.possible);
            self.possible = before.into_iter().map(|at| self.read(at)).collect();
        }
        Ok(())
    }

    /// Lets open calls that only read take effect, if they can.
    fn read(&self, mut at: Configuration<C::State>) -> Configuration<C::State> {
        for (place, entry) in self.open() {
            // A call that did not return and only reads needs no place in the order.
            if entry.returned && entry.call.only_reads() && at.effective & 1 << place == 0 {
                at.effective |= u64::from(entry.call.take_effect(&at.state).is_some()) << place;
            }
        }
        at
    }

    fn end(&mut self, call: usize) -> Result<(), Refused<C::State>> {
        let Some(ending) = self.places.iter().position(|&open| open == Some(call)) else {
            return Ok(());
        };
        let bit = 1 << ending;
        let returned = self.history[call].returned;
        // The usual case, which needs no sets.
        if let [at] = self.possible.as_mut_slice()
            && at.effective & bit != 0
        {
            at.effective &= !bit;
            self.places[ending] = None;
            return Ok(());
        }
        let forget = |at: &Configuration<C::State>| {
            let effective = at.effective & !bit;
            Configuration { state: at.state.clone(), effective }
        };
        let mut after = HashSet::new();
        let mut reached = HashSet::new();
        let mut next = Vec::new();
        for at in &self.possible {
            let effective = at.effective & bit != 0;
            if effective || !returned {
                after.insert(forget(at));
            }
            if !effective {
                next.push(at.clone());
            }
        }
        while let Some(at) = next.pop() {
            for (place, entry) in self.open() {
                // Calls that only read were asked when this state was reached.
                let asked = at.effective & 1 << place != 0 || entry.call.only_reads();
                let Some(state) = Some(&at).filter(|_| !asked).and_then(|at| {
                    // What has no effect need not take effect.
                    let state = entry.call.take_effect(&at.state)?;
                    (entry.returned || state != at.state).then_some(state)
                }) else {
                    continue;
                };
                let effective = at.effective | 1 << place;
                let then = self.read(Configuration { state, effective });
                if then.effective & bit != 0 {
                    after.insert(forget(&then));
                } else if reached.insert(then.clone()) {
                    next.push(then);
                }
            }
            if after.len() + reached.len() > CONFIGURATIONS {
                return Err(Refused::Undecided);
            }
        }
        if after.is_empty() {
            let states: HashSet<_> = self.possible.iter().map(|at| at.state.clone()).collect();
            let open = self.places.iter().copied().flatten().collect();
            return Err(Refused::NotLinearizable {
                call,
                open,
                states: states.into_iter().collect(),
            });
        }
        self.possible = Vec::from_iter(after);
        self.places[ending] = None;
        Ok(())
    }
}
