//! Checks the ephemeral rows of the agents: each is there as long as its agent lives, and no
//! longer.

use std::ops::Range;

/// The agents that live, and what their rows did.
pub(super) struct Presence {
    living: Vec<String>,
    /// Rows that went when their agents were killed.
    pub(super) gone: u64,
    /// Rows that were there without their agents, or not there while their agents lived. Each look
    /// counts.
    pub(super) astray: u64,
}

/// The row of an agent.
fn row(agent: usize) -> String {
    format!("agent-{agent}")
}

/// How many of these rows are not among those.
fn missing(rows: &[String], among: &[String]) -> u64 {
    rows.iter().filter(|row| !among.contains(row)).count() as u64
}

impl Presence {
    pub(super) fn of(agents: Range<usize>) -> Self {
        Self { living: agents.map(row).collect(), gone: 0, astray: 0 }
    }

    pub(super) fn is_dead(&mut self, agent: usize) {
        let dead = row(agent);
        self.living.retain(|row| *row != dead);
    }

    pub(super) fn all_have_ended(&mut self) {
        self.living.clear();
    }

    /// Compares the rows that are there with the agents that live.
    pub(super) fn check(&mut self, found: &[String]) {
        self.astray += missing(found, &self.living) + missing(&self.living, found);
    }

    /// Counts the rows that were there before agents were killed, and are not there after it.
    pub(super) fn went(&mut self, before: &[String], after: &[String]) {
        self.gone += missing(before, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(agents: &[usize]) -> Vec<String> {
        agents.iter().copied().map(row).collect()
    }

    #[test]
    fn rows_without_their_agents_and_agents_without_their_rows_are_counted() {
        let mut presence = Presence::of(0..3);
        presence.check(&rows(&[0, 1, 2]));
        assert_eq!(presence.astray, 0);
        presence.check(&rows(&[0, 2]));
        assert_eq!(presence.astray, 1, "it lives, and its row is gone");
        presence.is_dead(1);
        presence.check(&rows(&[0, 2]));
        assert_eq!(presence.astray, 1);
        presence.check(&rows(&[0, 1, 2]));
        assert_eq!(presence.astray, 2, "it is dead, and its row stays");
        presence.all_have_ended();
        presence.check(&[]);
        assert_eq!(presence.astray, 2);
        presence.check(&rows(&[0]));
        assert_eq!(presence.astray, 3);
    }

    #[test]
    fn rows_that_went_are_counted() {
        let mut presence = Presence::of(0..3);
        presence.went(&rows(&[0, 1, 2]), &rows(&[0, 1, 2]));
        assert_eq!(presence.gone, 0);
        presence.went(&rows(&[0, 1, 2]), &rows(&[0, 2]));
        assert_eq!(presence.gone, 1);
    }
}
