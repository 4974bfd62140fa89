//! How many there are of each size: a column for each.

use maud::{Markup, html};

use super::{Scale, WIDTH, figure, n};
use crate::page::elements::whole;

/// A column: what is from one size to another.
pub(crate) struct Column {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) count: u64,
}

const TOP: f64 = 22.0;
const BASE: f64 = 170.0;
/// Columns under all of which their sizes have room.
const LABELS_MAX: usize = 8;

pub(crate) fn chart(id: &str, title: &str, unit: &str, of: &str, columns: &[Column]) -> Markup {
    let most = columns.iter().map(|column| column.count).max().unwrap_or(0).max(1);
    let scale = Scale { values: (0.0, most as f64), drawing: (BASE, TOP) };
    let width = WIDTH / columns.len().max(1) as f64;
    let every = columns.len().div_ceil(LABELS_MAX);
    let body = html! {
        @for (index, column) in columns.iter().enumerate() {
            @let (x, y) = (width * index as f64, scale.at(column.count as f64));
            rect.column x=(n(x + 1.0)) y=(n(y)) width=(n((width - 2.0).max(0.5))) height=(n(BASE - y)) {}
            @if index % every == 0 {
                text.tick x=(n(x + width / 2.0)) y=(n(BASE + 16.0)) text-anchor="middle" { (range(column)) }
            }
            @if width > 26.0 && column.count > 0 {
                text.tick x=(n(x + width / 2.0)) y=(n(y - 5.0)) text-anchor="middle" { (whole(column.count)) }
            }
        }
        line.axis x1="0" x2=(n(WIDTH)) y1=(n(BASE)) y2=(n(BASE)) {}
        text.tick x=(n(WIDTH / 2.0)) y=(n(BASE + 34.0)) text-anchor="middle" { (unit) }
    };
    let each = columns.iter().map(|column| format!("{} {unit}: {} {of}", range(column), column.count));
    figure(id, title, &each.collect::<Vec<_>>().join("; "), BASE + 42.0, &body)
}

fn range(column: &Column) -> String {
    if column.from == column.to { column.from.to_string() } else { format!("{}–{}", column.from, column.to) }
}
