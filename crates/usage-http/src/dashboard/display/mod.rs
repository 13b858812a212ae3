//! How values look on a page. Each type writes HTML of its own, with every text from outside escaped.

mod change;
mod html;
mod money;
mod names;
mod numbers;
mod times;

pub(crate) use change::Change;
pub(crate) use html::{Fact, Html};
pub(crate) use money::Dollars;
pub(crate) use names::Named;
pub(crate) use numbers::{Count, Percent, compact, grouped};
pub(crate) use times::{At, Day, ago, day_text, days_text, lasted};

use std::fmt;

use askama::filters::HtmlSafe;

/// A text in which the characters that mean something in HTML are written out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (plain, special) = rest.split_at(at);
            f.write_str(plain)?;
            f.write_str(match special.as_bytes()[0] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &special[1..];
        }
        f.write_str(rest)
    }
}

impl HtmlSafe for Escaped<'_> {}

/// What stands where the provider sent nothing: a dash for the eye, words for the ear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent(pub(crate) &'static str);

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<span class=\"absent\" title=\"{0}\"><span aria-hidden=\"true\">–</span><span class=\"sr\">{0}</span></span>",
            self.0
        )
    }
}

impl HtmlSafe for Absent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_text_and_no_markup() {
        let text = "<script>alert(\"1\" & '2')</script>ä";
        assert_eq!(
            Escaped(text).to_string(),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;ä"
        );
        assert_eq!(Escaped("").to_string(), "");
    }
}
