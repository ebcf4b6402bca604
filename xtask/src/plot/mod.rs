//! Pictures of results. Each has its own background, light or dark as the reader's page requests.

mod lookup;
mod writers;

use std::fmt::Write;

use anyhow::Result;

pub use lookup::{bytes_per_entry, svg as lookup};
pub use writers::svg as writers;

/// Background, text and lines; then one colour for each curve. The colours are of equal lightness,
/// the colour-blind can tell them apart (after Okabe and Ito), and each curve has a dash pattern as
/// well.
const STYLE: &str = "\
.ground{fill:#fff}.text{fill:#222;font:13px sans-serif}.title{font-size:16px;font-weight:600}\
.grid{stroke:#ddd}.axis{stroke:#444;fill:none}.curve{fill:none;stroke-width:2.2}\
.c0{stroke:#555}.c1{stroke:#d55e00}.c2{stroke:#0072b2}.c3{stroke:#009e73}.c4{stroke:#b2549a}.c5{stroke:#a07800}\
.c6{stroke:#7a5cc0}.c7{stroke:#b03a3a}.d6{fill:#7a5cc0}.d7{fill:#b03a3a}\
.d0{fill:#555}.d1{fill:#d55e00}.d2{fill:#0072b2}.d3{fill:#009e73}.d4{fill:#b2549a}.d5{fill:#a07800}\
@media (prefers-color-scheme:dark){.ground{fill:#16181d}.text{fill:#ddd}.grid{stroke:#343a42}.axis{stroke:#aaa}\
.c0{stroke:#aaa}.c1{stroke:#ff8a3d}.c2{stroke:#4db1f0}.c3{stroke:#2ecc9b}.c4{stroke:#e08cc8}.c5{stroke:#e6b93c}\
.d0{fill:#aaa}.d1{fill:#ff8a3d}.d2{fill:#4db1f0}.d3{fill:#2ecc9b}.d4{fill:#e08cc8}.d5{fill:#e6b93c}\
.c6{stroke:#ab90f0}.c7{stroke:#f07f7f}.d6{fill:#ab90f0}.d7{fill:#f07f7f}}";

const DASHES: [&str; 8] = ["2 3", "7 3", "", "9 3 2 3", "4 4", "1 4", "12 4", "6 2 1 2"];

/// The points of a curve, at their places in the picture, and how it is drawn.
struct Curve {
    places: Vec<(f64, f64)>,
    style: usize,
}

/// Begins a picture.
fn begin(width: f64, height: f64, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n"
    )
}

impl Curve {
    fn draw(&self, out: &mut String) -> Result<()> {
        let points: Vec<String> =
            self.places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (style, dashes) = (self.style, dashes(self.style));
        writeln!(
            out,
            "<polyline class=\"curve c{style}\" stroke-dasharray=\"{dashes}\" points=\"{}\"/>",
            points.join(" ")
        )?;
        for (x, y) in &self.places {
            writeln!(out, "<circle class=\"d{style}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>")?;
        }
        Ok(())
    }
}

fn dashes(style: usize) -> &'static str {
    DASHES.get(style).unwrap_or(&"")
}

/// The name of a curve, right of a piece of it.
fn name(out: &mut String, (x, y): (f64, f64), style: usize, name: &str) -> Result<()> {
    writeln!(
        out,
        "<path class=\"curve c{style}\" stroke-dasharray=\"{}\" d=\"M{x} {y}H{}\"/>",
        dashes(style),
        x + 30.0
    )?;
    text(out, (x + 38.0, y + 4.0), "start", "", name)
}

/// A text that is turned by a quarter: what an upward axis shows.
fn upward(out: &mut String, (x, y): (f64, f64), text: &str) -> Result<()> {
    writeln!(
        out,
        "<text class=\"text\" text-anchor=\"middle\" transform=\"translate({x} {y}) rotate(-90)\">\
         {text}</text>"
    )?;
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
