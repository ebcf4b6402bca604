//! The text format that Prometheus reads: each metric with its help and its type, and a line for
//! each map.

use std::io::{self, Write};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// A number that goes up and down.
    Gauge,
    /// A number that only goes up, until what it counts is created again.
    Counter,
}

/// A metric, for any map.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    /// The help text, without backslashes and line ends.
    pub(crate) help: &'static str,
    pub(crate) kind: Type,
}

/// Samples, by metric. The format requires that all samples of a metric are together.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    families: Vec<(&'static Metric, Vec<String>)>,
}

impl Samples {
    pub(crate) fn add(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
        let line = format!("{}{{{}}} {value}", metric.name, labels.join(","));
        match self.families.iter_mut().find(|(found, _)| found.name == metric.name) {
            Some((_, lines)) => lines.push(line),
            None => self.families.push((metric, vec![line])),
        }
    }

    pub(crate) fn write(&self, mut out: impl Write) -> io::Result<()> {
        for (metric, lines) in &self.families {
            let kind = match metric.kind {
                Type::Gauge => "gauge",
                Type::Counter => "counter",
            };
            writeln!(out, "# HELP {} {}", metric.name, metric.help)?;
            writeln!(out, "# TYPE {} {kind}", metric.name)?;
            for line in lines {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()
    }
}

/// Formats the value of a label.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Metric = Metric { name: "size", help: "How large.", kind: Type::Gauge };
    const WRITES: Metric = Metric { name: "writes_total", help: "Writes.", kind: Type::Counter };

    #[test]
    fn samples_of_a_metric_stand_together_and_labels_are_escaped() {
        let mut samples = Samples::default();
        samples.add(&SIZE, &[("name", "a\"b\\c\nd")], 1);
        samples.add(&WRITES, &[("name", "a"), ("dir", "/x")], u64::MAX);
        samples.add(&SIZE, &[("name", "é")], 0);
        let mut text = Vec::new();
        samples.write(&mut text).unwrap();
        let expected = "# HELP size How large.\n# TYPE size gauge\n\
                        size{name=\"a\\\"b\\\\c\\nd\"} 1\nsize{name=\"é\"} 0\n\
                        # HELP writes_total Writes.\n# TYPE writes_total counter\n\
                        writes_total{name=\"a\",dir=\"/x\"} 18446744073709551615\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
