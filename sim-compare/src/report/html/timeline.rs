//! The two timelines beside each other: a lane for each object, the recording above, the other below, lines between aligned states.
//! A round mark is the recording's, a square one the other's, a hollow one has no counterpart, a cross is a deletion.

use std::fmt::Write;

use super::super::Row;
use super::LANES_MAX;
use super::markup::{escaped, shortened, time};
use super::scale::Scale;
use super::twin;
use crate::align::Match;
use crate::comparer::Comparer;
use crate::side::{Side, Timeline};

const LABELS: f64 = 250.0;
/// Right of the drawing.
const MARGIN: f64 = 20.0;
const LANE: f64 = 38.0;
const AXIS: f64 = 34.0;
/// Between groups of objects.
const GAP: f64 = 10.0;
/// From a lane's top to its two tracks.
const TRACKS: [f64; 2] = [10.0, 28.0];
const LABEL_CHARS_MAX: usize = 36;

/// What is drawn and told of one object.
pub(super) struct Lane<'r> {
    pub(super) one: &'r Match,
    pub(super) real: Option<&'r Timeline>,
    pub(super) other: Option<&'r Timeline>,
}

impl<'r> Lane<'r> {
    pub(super) fn any(&self) -> Option<&'r Timeline> {
        self.real.or(self.other)
    }

    /// When it begins.
    fn began(&self) -> f64 {
        let first = |t: Option<&Timeline>| t.and_then(|t| t.states.first()).map(|s| s.time);
        first(self.real).or(first(self.other)).unwrap_or_default()
    }

    /// Its part of the group's names: what is random.
    fn own_names(&self) -> String {
        let own = |t: Option<&Timeline>| {
            t.map_or("–".into(), |t| {
                let prefix = t.group.name.trim_end_matches('*');
                t.name.strip_prefix(prefix).unwrap_or(&t.name).to_owned()
            })
        };
        format!("{} ↔ {}", own(self.real), own(self.other))
    }
}

pub(super) fn timeline(out: &mut String, comparer: &Comparer, row: &Row, index: usize) {
    let lanes = lanes(row);
    out.push_str("<h3>Timelines</h3>\n");
    out.push_str(
        "<p class=\"legend\"><span class=\"key real\">recording</span> <span class=\"key other\">beside it</span> \
         <span class=\"key fine\">aligned</span> <span class=\"key field\">other fields</span> <span class=\"key late\">other time</span> \
         <span class=\"key alone\">no counterpart</span> <span class=\"key wait\">a wait, pressed together</span></p>\n",
    );
    let shown = lanes.len().min(LANES_MAX);
    if lanes.len() > shown {
        let _ = writeln!(out, "<p class=\"note\">{shown} of {} objects are shown.</p>", lanes.len());
    }
    let lanes = &lanes[..shown];
    drawing(out, comparer, row, lanes, index);
    actions(out, row);
    twin::table(out, comparer, row, lanes);
}

/// All objects, groups in order of their first state, and the same within each.
fn lanes(row: &Row) -> Vec<Lane<'_>> {
    let mut lanes: Vec<Lane<'_>> = (row.comparison.matches.iter())
        .map(|one| Lane {
            one,
            real: one.real.and_then(|i| row.comparison.real.objects.get(i)),
            other: one.other.and_then(|i| row.comparison.other.objects.get(i)),
        })
        .collect();
    let mut begins = std::collections::BTreeMap::new();
    for lane in &lanes {
        let begin = begins.entry(lane.any().map(|t| &t.group)).or_insert(f64::INFINITY);
        *begin = lane.began().min(*begin);
    }
    let begin = |lane: &Lane<'_>| begins.get(&lane.any().map(|t| &t.group)).copied().unwrap_or_default();
    lanes.sort_by(|a, b| {
        let groups = |lane: &Lane<'_>| lane.any().map(|t| t.group.clone());
        begin(a).total_cmp(&begin(b)).then_with(|| groups(a).cmp(&groups(b))).then(a.began().total_cmp(&b.began()))
    });
    lanes
}

fn drawing(out: &mut String, comparer: &Comparer, row: &Row, lanes: &[Lane<'_>], index: usize) {
    let states = lanes.iter().flat_map(|lane| [lane.real, lane.other]).flatten().flat_map(|t| t.states.iter().map(|s| s.time));
    let scale = Scale::new(states.chain(row.comparison.real.actions.iter().map(|a| a.0)), LABELS);
    let groups = lanes.windows(2).filter(|w| w[0].any().map(|t| &t.group) != w[1].any().map(|t| &t.group)).count();
    let height = AXIS + lanes.len() as f64 * LANE + groups as f64 * GAP + GAP;
    let full = scale.right() + MARGIN;
    let _ = writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\"><svg class=\"timeline\" viewBox=\"0 0 {full:.0} {height}\" width=\"{full:.0}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"t{index}\"><title id=\"t{index}\">Timelines of {}; the table below says the same</title>",
        escaped(&row.name)
    );
    axis(out, row, &scale, height);
    let (mut y, mut before) = (AXIS, None);
    for lane in lanes {
        let group = lane.any().map(|t| &t.group);
        let is_first = before != Some(group);
        if is_first && before.is_some() {
            y += GAP;
        }
        labels(out, lane, y, is_first, full);
        tracks(out, comparer, row, lane, y, &scale);
        before = Some(group);
        y += LANE;
    }
    out.push_str("</svg></div>\n");
}

fn axis(out: &mut String, row: &Row, scale: &Scale, height: f64) {
    for (from, to, seconds) in scale.waits() {
        let (y, middle, width) = (AXIS - 6.0, (from + to) / 2.0, to - from);
        let _ = write!(
            out,
            "<rect class=\"wait\" x=\"{from:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{seconds:.0} s</title></rect>",
            height - y
        );
        if width > 28.0 {
            let _ = write!(out, "<text class=\"waited\" x=\"{middle:.1}\" y=\"{:.1}\">{seconds:.0} s</text>", height - 3.0);
        }
    }
    for (number, (at, command)) in row.comparison.real.actions.iter().enumerate() {
        let x = scale.x(*at);
        let _ = write!(out, "<line class=\"action\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"16\" y2=\"{height}\"/>");
        let _ = write!(out, "<g><title>{}</title><circle class=\"number\" cx=\"{x:.1}\" cy=\"9\" r=\"8\"/>", shortened(command, 300));
        let _ = write!(out, "<text class=\"number\" x=\"{x:.1}\" y=\"12.5\">{}</text></g>", number + 1);
    }
    for (at, x) in scale.ticks() {
        let _ = write!(out, "<text class=\"tick\" x=\"{x:.1}\" y=\"{}\">{at:.0} s</text>", AXIS - 6.0);
    }
    out.push('\n');
}

fn labels(out: &mut String, lane: &Lane<'_>, y: f64, is_first: bool, width: f64) {
    let Some(object) = lane.any() else { return };
    if is_first {
        let _ = write!(out, "<line class=\"rule\" x1=\"0\" x2=\"{width:.1}\" y1=\"{y}\" y2=\"{y}\"/>");
        let _ = write!(out, "<text class=\"kind\" x=\"0\" y=\"{}\">{}</text>", y + 15.0, shortened(&object.group.kind, LABEL_CHARS_MAX));
        let _ = write!(out, "<text class=\"name\" x=\"0\" y=\"{}\">{}</text>", y + 30.0, shortened(&object.group.name, LABEL_CHARS_MAX));
    }
    if object.group.name.ends_with('*') {
        let _ = write!(out, "<text class=\"own\" x=\"{}\" y=\"{}\">{}</text>", LABELS - 12.0, y + 15.0, escaped(&lane.own_names()));
    }
}

fn tracks(out: &mut String, comparer: &Comparer, row: &Row, lane: &Lane<'_>, y: f64, scale: &Scale) {
    for (object, track) in [(lane.real, TRACKS[0]), (lane.other, TRACKS[1])] {
        let Some((first, last)) = object.and_then(|o| o.states.first().zip(o.states.last())) else { continue };
        let end = if last.deleted { scale.x(last.time) } else { scale.right() };
        let _ = write!(out, "<line class=\"life\" x1=\"{:.1}\" x2=\"{end:.1}\" y1=\"{1}\" y2=\"{1}\"/>", scale.x(first.time), y + track);
    }
    if let (Some(real), Some(other)) = (lane.real, lane.other) {
        for pair in &lane.one.pairs {
            let (a, b) = (&real.states[pair.real], &other.states[pair.other]);
            let class = if !comparer.tolerances().same_time(a.time, b.time) {
                "pair late"
            } else if pair.likeness < 1.0 {
                "pair field"
            } else {
                "pair fine"
            };
            let (x1, x2, y1, y2) = (scale.x(a.time), scale.x(b.time), y + TRACKS[0], y + TRACKS[1]);
            let _ = write!(out, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1}\" x2=\"{x2:.1}\" y2=\"{y2}\"/>");
        }
    }
    let paired: [Vec<usize>; 2] = [lane.one.pairs.iter().map(|p| p.real).collect(), lane.one.pairs.iter().map(|p| p.other).collect()];
    let sides = [(&row.comparison.real, lane.one.real), (&row.comparison.other, lane.one.other)];
    for (which, (side, object)) in sides.into_iter().enumerate() {
        if let Some(object) = object {
            marks(out, comparer, side, object, which, &paired[which], y + TRACKS[which], scale);
        }
    }
    out.push('\n');
}

fn marks(out: &mut String, comparer: &Comparer, side: &Side, object: usize, which: usize, paired: &[usize], y: f64, scale: &Scale) {
    let Some(timeline) = side.objects.get(object) else { return };
    for (index, state) in timeline.states.iter().enumerate() {
        let x = scale.x(state.time);
        let title = format!("{} · {}", time(state.time), shortened(&comparer.state_name(side, object, index), 200));
        let is_alone = paired.binary_search(&index).is_err();
        let class = match (which, is_alone) {
            (0, false) => "mark real",
            (0, true) => "mark real alone",
            (_, false) => "mark other",
            (_, true) => "mark other alone",
        };
        let _ = match (state.deleted, which) {
            (true, _) => {
                write!(out, "<path class=\"{class} gone\" d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\"><title>{title}</title></path>", x - 4.0, y - 4.0)
            }
            (false, 0) => write!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y}\" r=\"4\"><title>{title}</title></circle>"),
            _ => write!(
                out,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"><title>{title}</title></rect>",
                x - 3.5,
                y - 3.5
            ),
        };
    }
}

/// What was done, by its number in the drawing.
fn actions(out: &mut String, row: &Row) {
    if row.comparison.real.actions.is_empty() {
        return;
    }
    out.push_str("<ol class=\"actions\">");
    for (at, command) in row.comparison.real.actions.iter().take(LANES_MAX) {
        let _ = write!(out, "<li><span class=\"when\">{}</span> <code>{}</code></li>", time(*at), shortened(command, 400));
    }
    out.push_str("</ol>\n");
}
