//! `docs/lookup.svg`: the time of a lookup over the number of entries, both axes logarithmic.
//!
//! The picture has its own background, light or dark as the reader's page requests.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::Value;

const WIDTH: f64 = 890.0;
const HEIGHT: f64 = 500.0;
/// The frame around the curves.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 440.0;

/// Background, text and lines; then one colour for each curve. The colours are of equal lightness,
/// the colour-blind can tell them apart (after Okabe and Ito), and each curve has a dash pattern as
/// well.
const STYLE: &str = "\
.ground{fill:#fff}.text{fill:#222;font:13px sans-serif}.title{font-size:16px;font-weight:600}\
.grid{stroke:#ddd}.axis{stroke:#444;fill:none}.curve{fill:none;stroke-width:2.2}\
.c0{stroke:#555}.c1{stroke:#d55e00}.c2{stroke:#0072b2}.c3{stroke:#009e73}.c4{stroke:#b2549a}.c5{stroke:#a07800}\
.d0{fill:#555}.d1{fill:#d55e00}.d2{fill:#0072b2}.d3{fill:#009e73}.d4{fill:#b2549a}.d5{fill:#a07800}\
@media (prefers-color-scheme:dark){.ground{fill:#16181d}.text{fill:#ddd}.grid{stroke:#343a42}.axis{stroke:#aaa}\
.c0{stroke:#aaa}.c1{stroke:#ff8a3d}.c2{stroke:#4db1f0}.c3{stroke:#2ecc9b}.c4{stroke:#e08cc8}.c5{stroke:#e6b93c}\
.d0{fill:#aaa}.d1{fill:#ff8a3d}.d2{fill:#4db1f0}.d3{fill:#2ecc9b}.d4{fill:#e08cc8}.d5{fill:#e6b93c}}";

const DASHES: [&str; 6] = ["2 3", "7 3", "", "9 3 2 3", "4 4", "1 4"];

struct Curve<'a> {
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

/// The picture of a result of `shm-bench-rows --curves`.
pub fn svg(result: &Value) -> Result<String> {
    let curves = curves(result)?;
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let x = Axis::around(all().map(|point| point.0), 4.0, (LEFT, RIGHT));
    let y = Axis::around(all().map(|point| point.1), 10.0, (BOTTOM, TOP));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>Nanoseconds a lookup over the number of entries</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\n"
    );
    text(&mut out, (LEFT, 28.0), "start", "title", "A lookup by the number of entries")?;
    ticks(&mut out, &x, &y)?;
    writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>")?;
    for (at, curve) in curves.iter().enumerate() {
        draw(&mut out, curve, at % DASHES.len(), &x, &y)?;
    }
    legend(&mut out, &curves)?;
    out.push_str("</svg>\n");
    Ok(out)
}

fn curves(result: &Value) -> Result<Vec<Curve<'_>>> {
    let series = result["series"].as_array().context("no series")?;
    let curves = series.iter().map(|series| {
        let points = series["points"].as_array().context("no points")?;
        let points = points.iter().map(|point| Some((point[0].as_f64()?, point[1].as_f64()?)));
        let points: Option<Vec<(f64, f64)>> = points.collect();
        let name = series["name"].as_str().context("no name")?;
        Ok(Curve { name, points: points.filter(|p| !p.is_empty()).context("not numbers")? })
    });
    curves.collect()
}

fn ticks(out: &mut String, x: &Axis, y: &Axis) -> Result<()> {
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
    let middle = (TOP + BOTTOM) / 2.0;
    writeln!(
        out,
        "<text class=\"text\" text-anchor=\"middle\" transform=\"translate(20 {middle}) rotate(-90)\">\
         nanoseconds a lookup (logarithmic)</text>"
    )?;
    Ok(())
}

fn draw(out: &mut String, curve: &Curve<'_>, style: usize, x: &Axis, y: &Axis) -> Result<()> {
    let places: Vec<(f64, f64)> =
        curve.points.iter().map(|p| (x.place(p.0), y.place(p.1))).collect();
    let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let dashes = DASHES.get(style).unwrap_or(&"");
    writeln!(
        out,
        "<polyline class=\"curve c{style}\" stroke-dasharray=\"{dashes}\" points=\"{}\"/>",
        points.join(" ")
    )?;
    for (x, y) in places {
        writeln!(out, "<circle class=\"d{style}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>")?;
    }
    Ok(())
}

/// The names, beside the curves.
fn legend(out: &mut String, curves: &[Curve<'_>]) -> Result<()> {
    let (from, to, label) = (RIGHT + 16.0, RIGHT + 46.0, RIGHT + 54.0);
    let mut y = TOP + 14.0;
    for (at, curve) in curves.iter().enumerate() {
        let style = at % DASHES.len();
        let dashes = DASHES.get(style).unwrap_or(&"");
        writeln!(
            out,
            "<path class=\"curve c{style}\" stroke-dasharray=\"{dashes}\" d=\"M{from} {y}H{to}\"/>"
        )?;
        text(out, (label, y + 4.0), "start", "", curve.name)?;
        y += 26.0;
    }
    Ok(())
}

fn text(out: &mut String, at: (f64, f64), anchor: &str, class: &str, text: &str) -> Result<()> {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let (x, y) = at;
    writeln!(
        out,
        "<text class=\"text {class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    )?;
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
            { "name": "c", "points": [[16, 90.0], [64, 310.0], [1024, 4000.0]] },
        ]});
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
