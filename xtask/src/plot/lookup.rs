//! `docs/lookup.svg`, `docs/lookup-bytes.svg`: the time of a lookup and the bytes per entry over
//! the number of entries, all axes logarithmic.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Curve, DASHES, begin, name, text, upward};

const WIDTH: f64 = 890.0;
const HEIGHT: f64 = 500.0;
/// The frame around the curves.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 440.0;

struct Series<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

/// A logarithmic axis: its ends in powers of ten, and their positions.
struct Axis {
    values: (f64, f64),
    places: (f64, f64),
}

impl Axis {
    /// The axis for some values, from a power of `base` to one.
    fn around(values: impl Iterator<Item = f64> + Clone, base: f64, places: (f64, f64)) -> Self {
        let least = values.clone().fold(f64::MAX, f64::min);
        let most = values.fold(0.0, f64::max);
        let round = |value: f64, by: fn(f64) -> f64| base.powf(by(value.log(base)));
        Self { values: (round(least, f64::floor), round(most, f64::ceil)), places }
    }

    fn place(&self, value: f64) -> f64 {
        let (from, to) = self.values;
        let part = (value / from).ln() / (to / from).ln();
        self.places.0 + part * (self.places.1 - self.places.0)
    }
}

/// What a picture shows over the number of entries.
struct Shown {
    /// The field of the result.
    field: &'static str,
    title: &'static str,
    heading: &'static str,
    upward: &'static str,
}

/// The time of a lookup, in a result of `shm-bench-rows --curves`.
pub fn svg(result: &Value) -> Result<String> {
    let shown = Shown {
        field: "points",
        title: "Nanoseconds a lookup over the number of entries",
        heading: "A lookup by the number of entries",
        upward: "nanoseconds a lookup (logarithmic)",
    };
    picture(result, &shown)
}

/// The size of each structure, in a result of `shm-bench-rows --curves`.
pub fn bytes_per_entry(result: &Value) -> Result<String> {
    let shown = Shown {
        field: "bytes",
        title: "Bytes per entry over the number of entries",
        heading: "Bytes per entry, of which 16 are key and value",
        upward: "bytes per entry (logarithmic)",
    };
    picture(result, &shown)
}

fn picture(result: &Value, shown: &Shown) -> Result<String> {
    let curves = curves(result, shown.field)?;
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let x = Axis::around(all().map(|point| point.0), 4.0, (LEFT, RIGHT));
    let y = Axis::around(all().map(|point| point.1), 10.0, (BOTTOM, TOP));
    let mut out = begin(WIDTH, HEIGHT, shown.title);
    text(&mut out, (LEFT, 28.0), "start", "title", shown.heading)?;
    ticks(&mut out, &x, &y, shown.upward)?;
    writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>")?;
    for (at, curve) in curves.iter().enumerate() {
        let places = curve.points.iter().map(|point| (x.place(point.0), y.place(point.1)));
        Curve { places: places.collect(), style: at % DASHES.len() }.draw(&mut out)?;
    }
    legend(&mut out, &curves)?;
    out.push_str("</svg>\n");
    Ok(out)
}

fn curves<'a>(result: &'a Value, field: &str) -> Result<Vec<Series<'a>>> {
    let series = result["series"].as_array().context("no series")?;
    let curves = series.iter().map(|series| {
        let points = series[field].as_array().context("no points")?;
        let points = points.iter().map(|point| Some((point[0].as_f64()?, point[1].as_f64()?)));
        let points: Option<Vec<(f64, f64)>> = points.collect();
        let name = series["name"].as_str().context("no name")?;
        Ok(Series { name, points: points.filter(|p| !p.is_empty()).context("not numbers")? })
    });
    curves.collect()
}

fn ticks(out: &mut String, x: &Axis, y: &Axis, what: &str) -> Result<()> {
    let mut n = x.values.0;
    while n <= x.values.1 * 1.01 {
        let place = x.place(n);
        writeln!(out, "<path class=\"grid\" d=\"M{place:.1} {TOP}V{BOTTOM}\"/>")?;
        let label = if n < 1024.0 { format!("{n}") } else { format!("{} Ki", n / 1024.0) };
        let label = if n < 1_048_576.0 { label } else { format!("{} Mi", n / 1_048_576.0) };
        text(out, (place, BOTTOM + 20.0), "middle", "", &label)?;
        n *= 4.0;
    }
    let mut decade = y.values.0;
    while decade <= y.values.1 * 1.01 {
        for part in [1.0, 2.0, 5.0] {
            let ns = decade * part;
            if ns > y.values.1 * 1.01 {
                break;
            }
            let place = y.place(ns);
            writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{RIGHT}\"/>")?;
            text(out, (LEFT - 8.0, place + 4.0), "end", "", &format!("{ns}"))?;
        }
        decade *= 10.0;
    }
    let middle = (LEFT + RIGHT) / 2.0;
    text(out, (middle, BOTTOM + 44.0), "middle", "", "entries (logarithmic)")?;
    upward(out, (20.0, (TOP + BOTTOM) / 2.0), what)
}

/// The names, beside the curves.
fn legend(out: &mut String, series: &[Series<'_>]) -> Result<()> {
    let mut y = TOP + 14.0;
    for (at, series) in series.iter().enumerate() {
        name(out, (RIGHT + 16.0, y), at % DASHES.len(), series.name)?;
        y += 26.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_curve_and_point_is_in_the_picture() {
        let result = json!({ "series": [
            { "name": "a < b", "points": [[16, 5.0], [1024, 7.5]] },
            { "name": "c", "points": [[16, 90.0], [64, 310.0], [1024, 4000.0]],
              "bytes": [[16, 40.0]] },
        ]});
        assert!(bytes_per_entry(&result).is_err(), "one has no bytes");
        let svg = svg(&result).unwrap();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(
            svg.contains("a &lt; b")
                && svg.contains("1 Ki")
                && svg.contains("prefers-color-scheme")
        );
    }

    #[test]
    fn a_result_without_points_is_refused() {
        assert!(svg(&json!({ "series": [{ "name": "a", "points": [] }] })).is_err());
        assert!(svg(&json!({})).is_err());
    }

    #[test]
    fn a_larger_value_lies_higher() {
        let y = Axis::around([5.0, 4000.0].into_iter(), 10.0, (BOTTOM, TOP));
        assert!(y.place(5.0) > y.place(50.0));
        assert!((y.place(1.0) - BOTTOM).abs() < 1e-6 && (y.place(10_000.0) - TOP).abs() < 1e-6);
    }
}
