//! The throughput of all writers together over their number: a frame for each spread of the keys.

use std::fmt::Write;

use anyhow::{Result, ensure};

use super::{Curve, begin, name, text, upward};
use crate::writers::{Keys, Map, Point};

/// The frames stand side by side.
const TOP: f64 = 64.0;
const BOTTOM: f64 = 330.0;
const FIRST: f64 = 74.0;
const WIDTH: f64 = 230.0;
const GAP: f64 = 54.0;
const HEIGHT: f64 = 424.0;

/// A place on the plot for each number of writers and each throughput.
struct Scale {
    left: f64,
    /// The logarithms of the least and the greatest number of writers.
    writers: (f64, f64),
    /// Where the upward axis ends, and the distance of its lines, in millions a second.
    most: f64,
    step: f64,
}

impl Scale {
    fn of(points: &[&Point], left: f64) -> Self {
        let logs = points.iter().map(|point| f64::from(point.writers).log2());
        let (least, greatest) = logs.fold((f64::MAX, 0.0_f64), |(a, b), n| (a.min(n), b.max(n)));
        let most = points.iter().map(|point| millions(point)).fold(0.0, f64::max).max(1e-6);
        // 1, 2 or 5 times a power of ten, such that there are 3 to 8 lines.
        let decade = 10_f64.powf((most / 8.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|part| part * decade);
        let step = steps.into_iter().find(|step| most / step <= 8.0).unwrap_or(decade);
        Self { left, writers: (least, greatest), most: (most / step).ceil() * step, step }
    }

    fn x(&self, writers: u32) -> f64 {
        let (least, greatest) = self.writers;
        let width = (greatest - least).max(1.0);
        self.left + 16.0 + (f64::from(writers).log2() - least) / width * (WIDTH - 32.0)
    }

    fn y(&self, millions: f64) -> f64 {
        BOTTOM - millions / self.most * (BOTTOM - TOP)
    }
}

fn millions(point: &Point) -> f64 {
    point.writes_per_s as f64 / 1e6
}

/// The picture of all points.
pub fn svg(points: &[Point]) -> Result<String> {
    ensure!(!points.is_empty(), "there is nothing to draw");
    let present = |keys: &Keys| points.iter().any(|point| point.keys == *keys);
    let spreads: Vec<Keys> = Keys::ALL.into_iter().filter(present).collect();
    let width = FIRST + spreads.len() as f64 * (WIDTH + GAP);
    let mut out =
        begin(width.max(FIRST + 2.0 * (WIDTH + GAP)), HEIGHT, "Writes a second over writers");
    text(&mut out, (FIRST, 28.0), "start", "title", "Writes of all writers together")?;
    upward(&mut out, (20.0, (TOP + BOTTOM) / 2.0), "million writes a second")?;
    let mut left = FIRST;
    for keys in spreads {
        let of_frame: Vec<&Point> = points.iter().filter(|point| point.keys == keys).collect();
        frame(&mut out, keys, &of_frame, &Scale::of(&of_frame, left))?;
        left += WIDTH + GAP;
    }
    let mut x = FIRST;
    for map in Map::ALL.into_iter().filter(|map| points.iter().any(|point| point.map == *map)) {
        name(&mut out, (x, HEIGHT - 20.0), style(map), map.shown())?;
        x += 66.0 + 7.5 * map.shown().len() as f64;
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn frame(out: &mut String, keys: Keys, points: &[&Point], scale: &Scale) -> Result<()> {
    let (left, right) = (scale.left, scale.left + WIDTH);
    text(out, (left, TOP - 12.0), "start", "", keys.shown())?;
    let mut line = 0.0;
    while line <= scale.most * 1.001 {
        let y = scale.y(line);
        writeln!(out, "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>")?;
        // Without the digits that the sum of steps adds.
        let label = format!("{:.6}", line);
        let label = label.trim_end_matches('0').trim_end_matches('.');
        text(out, (left - 6.0, y + 4.0), "end", "", label)?;
        line += scale.step;
    }
    let mut counts: Vec<u32> = points.iter().map(|point| point.writers).collect();
    counts.sort_unstable();
    counts.dedup();
    for writers in counts {
        text(out, (scale.x(writers), BOTTOM + 20.0), "middle", "", &writers.to_string())?;
    }
    text(out, ((left + right) / 2.0, BOTTOM + 42.0), "middle", "", "writers")?;
    writeln!(out, "<path class=\"axis\" d=\"M{left} {TOP}V{BOTTOM}H{right}\"/>")?;
    for map in Map::ALL {
        let mut of_map: Vec<&&Point> = points.iter().filter(|point| point.map == map).collect();
        of_map.sort_by_key(|point| point.writers);
        let place = |point: &&&Point| (scale.x(point.writers), scale.y(millions(point)));
        let places: Vec<(f64, f64)> = of_map.iter().map(place).collect();
        if !places.is_empty() {
            Curve { places, style: style(map) }.draw(out)?;
        }
    }
    Ok(())
}

fn style(map: Map) -> usize {
    match map {
        Map::Table => 2,
        Map::Mutex => 1,
        Map::SubethaCxc => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(map: Map, keys: Keys, writers: u32, writes_per_s: u64) -> Point {
        Point { writes_per_s, ..Point::new(map, keys, writers) }
    }

    #[test]
    fn every_map_has_a_curve_in_every_frame_where_it_was_measured() {
        let points = [
            point(Map::Table, Keys::Own, 1, 20_000_000),
            point(Map::Table, Keys::Own, 2, 38_000_000),
            point(Map::Mutex, Keys::Own, 1, 60_000_000),
            point(Map::Table, Keys::Hot, 1, 20_000),
            point(Map::SubethaCxc, Keys::Hot, 64, 19_000),
        ];
        let svg = svg(&points).unwrap();
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (4, 5));
        for text in ["own keys", "one hot key", "subetha-cxc", ">64<", ">60<", ">0.02<"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(!svg.contains("Zipf") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn more_writes_lie_higher_and_more_writers_further_right() {
        let points =
            [point(Map::Table, Keys::Own, 1, 5_000_000), point(Map::Table, Keys::Own, 8, 1)];
        let scale = Scale::of(&points.iter().collect::<Vec<_>>(), FIRST);
        assert!(scale.y(5.0) < scale.y(1.0) && scale.y(5.0) >= TOP && scale.y(0.0) == BOTTOM);
        assert!(scale.x(1) < scale.x(2) && scale.x(8) < FIRST + WIDTH);
        assert!(svg(&[]).is_err());
    }
}
