//! Small pieces of markup.

/// Text that stays text, in elements and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters have no place in HTML, and directions of writing none in a report.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Like [`escaped`], at most so many characters of it.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return escaped(text);
    }
    let short: String = text.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    escaped(&short)
}

/// A time for people.
pub(super) fn time(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// A bar: `share` of 1, as a drawing whose number stands beside it.
pub(super) fn bar(share: f64, class: &str) -> String {
    let width = if share.is_finite() { share.clamp(0.0, 1.0) * 100.0 } else { 0.0 };
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"rail\" width=\"100\" \
         height=\"6\"/><rect class=\"{class}\" width=\"{width:.1}\" height=\"6\"/></svg>"
    )
}
