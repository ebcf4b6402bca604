//! The status lines of the demo: text for people, with a checksum for the readers.

/// The status of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// Process id.
    pub pid: i32,
    /// When it was written, `CLOCK_MONOTONIC` in ns.
    pub time_ns: u64,
    /// The process that wrote it.
    pub agent: String,
    /// State letter, as in `ps`.
    pub state: char,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// User and system time in clock ticks.
    pub cpu_ticks: u64,
    /// Name of the command.
    pub name: String,
}

impl StatusLine {
    /// The line, with its CRC-32 in front.
    #[must_use]
    pub fn encode(&self) -> String {
        let Self { pid, time_ns, agent, state, rss_kib, cpu_ticks, name } = self;
        // Last, because it may hold anything but the end of the line.
        let text = format!("{pid}|{time_ns}|{agent}|{state}|{rss_kib}|{cpu_ticks}|{name}");
        format!("{:08x}|{text}", crc32fast::hash(text.as_bytes()))
    }

    /// Reads a line back; `None` when it is not whole.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (sum, text) = std::str::from_utf8(bytes).ok()?.split_once('|')?;
        if u32::from_str_radix(sum, 16) != Ok(crc32fast::hash(text.as_bytes())) {
            return None;
        }
        let mut fields = text.splitn(7, '|');
        let mut field = || fields.next();
        Some(Self {
            pid: field()?.parse().ok()?,
            time_ns: field()?.parse().ok()?,
            agent: field()?.to_owned(),
            state: field()?.parse().ok()?,
            rss_kib: field()?.parse().ok()?,
            cpu_ticks: field()?.parse().ok()?,
            name: field()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_a_mixture_does_not() {
        let line = StatusLine {
            pid: 1,
            time_ns: 2,
            agent: "agent 3".into(),
            state: 'S',
            rss_kib: 4,
            cpu_ticks: 5,
            name: "a|b (c) 红".into(),
        };
        let bytes = line.encode().into_bytes();
        assert_eq!(StatusLine::decode(&bytes), Some(line));
        for at in 0..bytes.len() {
            let mut torn = bytes.clone();
            torn[at] ^= 1;
            assert_eq!(StatusLine::decode(&torn), None, "byte {at}");
            assert_eq!(StatusLine::decode(&bytes[..at]), None, "cut at {at}");
        }
    }
}
