//! What the calls of a table do when they are made one after the other: the specification that
//! histories are compared with.

use shm_harness::call_log::{Call, KEYS, Operation, Outcome, Step};

use super::search::{Entry, Specified};

/// The value of a key, or that it is absent.
pub type Value = Option<u64>;

/// The value of the key afterwards, and what the operation returns.
pub fn run(operation: Operation, value: Value) -> (Value, Outcome) {
    use Operation as Op;
    match (operation, value) {
        (Op::Get, value) => (value, Outcome::Value(value)),
        (Op::ContainsKey, value) => (value, Outcome::Present(value.is_some())),
        (Op::Add(new), None) => (Some(new), Outcome::Done),
        (Op::Add(_), present) => (present, Outcome::Duplicate),
        (Op::Upsert(new), value) => (Some(new), Outcome::Present(value.is_some())),
        (Op::Clear, _) => (None, Outcome::Done),
        (Op::Increment { by, initial }, value) => {
            let after = value.unwrap_or(initial).wrapping_add(by);
            (Some(after), Outcome::Number(after))
        }
        (Op::Update(new), Some(_)) => (Some(new), Outcome::Done),
        (Op::Remove, Some(_)) => (None, Outcome::Done),
        (Op::UpdateWith(new), Some(before)) => (Some(new), Outcome::Number(before)),
        (Op::CompareExchange { expected, new }, Some(before)) if before == expected => {
            (Some(new), Outcome::Done)
        }
        (Op::CompareExchange { .. }, Some(before)) => (value, Outcome::Mismatch(before)),
        (Op::FetchAdd(by), Some(before)) => {
            (Some(before.wrapping_add(by)), Outcome::Number(before))
        }
        (
            Op::Update(_)
            | Op::Remove
            | Op::UpdateWith(_)
            | Op::CompareExchange { .. }
            | Op::FetchAdd(_),
            None,
        ) => (None, Outcome::NotFound),
    }
}

impl Specified for Step {
    type State = Value;

    fn take_effect(&self, state: &Value) -> Option<Value> {
        let (after, outcome) = run(self.operation, *state);
        self.outcome.is_none_or(|said| said == outcome).then_some(after)
    }

    fn only_reads(&self) -> bool {
        match self.operation {
            Operation::Get | Operation::ContainsKey => true,
            _ => matches!(
                self.outcome,
                Some(Outcome::NotFound | Outcome::Duplicate | Outcome::Mismatch(_))
            ),
        }
    }
}

/// A call as a whole: all its steps take effect at one moment.
impl Specified for Vec<Step> {
    type State = [Value; KEYS];

    fn take_effect(&self, state: &[Value; KEYS]) -> Option<[Value; KEYS]> {
        let mut after = *state;
        for step in self {
            let value = after.get_mut(step.key)?;
            *value = step.take_effect(value)?;
        }
        Some(after)
    }

    fn only_reads(&self) -> bool {
        self.iter().all(Specified::only_reads)
    }
}

/// The history of one key.
pub fn of_key(key: usize, calls: &[Entry<Vec<Step>>]) -> Vec<Entry<Step>> {
    let steps = calls.iter().flat_map(|entry| {
        let steps = entry.call.iter().filter(move |step| step.key == key);
        steps.map(|&call| {
            let Entry { start, end, returned, .. } = *entry;
            Entry { call, start, end, returned }
        })
    });
    steps.collect()
}

/// The calls of a process that ended at `ended`, of which `intent` did not return.
pub fn of_process(
    calls: Vec<Call>,
    intent: Option<Call>,
    ended: u64,
) -> impl Iterator<Item = Entry<Vec<Step>>> {
    calls.into_iter().chain(intent).map(move |Call { start, end, steps }| Entry {
        call: steps,
        start,
        end: end.unwrap_or(ended),
        returned: end.is_some(),
    })
}
