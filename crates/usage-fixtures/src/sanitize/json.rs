//! A JSON text rewritten string by string: every byte that is not part of a replaced text stays as it is, so that no
//! number, no order and no spelling changes.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::error::Fault;
use crate::files::line_at;

/// What to do with the parts of a text.
pub(super) trait Rewrite {
    /// A name of an object's entry; `None` keeps it.
    fn name(&mut self, place: Place<'_>, name: &str) -> Result<Option<String>, Fault>;

    /// A text; `None` keeps it.
    fn text(&mut self, place: Place<'_>, text: &str) -> Result<Option<String>, Fault>;

    /// Whether a text, or else a list or object, under this name is to be replaced by null as a whole.
    fn drops(&mut self, place: Place<'_>, is_text: bool) -> bool;
}

/// Where a part stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The name of the entry that it is the value of, or in a list that is; empty at the top.
    pub(super) name: &'a str,
    /// The line, from 1.
    pub(super) line: usize,
}

/// Rewrites a text, which must be JSON.
pub(super) fn rewrite(text: &str, rules: &mut impl Rewrite) -> Result<String, Fault> {
    // Everything below relies on the text being well-formed, and no deeper than this accepts.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| Fault::of_json(&error, "not JSON"))?;
    let mut walk = Walk {
        text,
        at: 0,
        copied: 0,
        line: 1,
        counted: 0,
        output: String::with_capacity(text.len()),
    };
    walk.value("", rules)?;
    walk.output.push_str(&text[walk.copied..]);
    Ok(walk.output)
}

struct Walk<'a> {
    text: &'a str,
    /// The next byte to look at.
    at: usize,
    /// How far the text is in the output already.
    copied: usize,
    line: usize,
    /// How far lines have been counted.
    counted: usize,
    output: String,
}

impl<'a> Walk<'a> {
    fn value(&mut self, name: &str, rules: &mut impl Rewrite) -> Result<(), Fault> {
        self.skip_blanks();
        let begin = self.at;
        let first = self.peek();
        if matches!(first, Some(b'"' | b'{' | b'[')) {
            let place = self.place(name);
            if rules.drops(place, first == Some(b'"')) {
                self.skip_value();
                self.replace(begin, "null");
                return Ok(());
            }
        }
        match first {
            Some(b'"') => {
                let text = self.string()?;
                let place = self.place(name);
                if let Some(replacement) = rules.text(place, &text)? {
                    self.replace(begin, &quote(&replacement));
                }
            }
            Some(b'{') => self.object(rules)?,
            Some(b'[') => self.list(name, rules)?,
            _ => self.skip_scalar(),
        }
        Ok(())
    }

    fn object(&mut self, rules: &mut impl Rewrite) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.skip_separators();
            if self.peek() != Some(b'"') {
                self.at += 1;
                return Ok(());
            }
            let begin = self.at;
            let name = self.string()?;
            let place = self.place(&name);
            if let Some(replacement) = rules.name(place, &name)? {
                self.replace(begin, &quote(&replacement));
            }
            self.skip_separators();
            self.value(&name, rules)?;
        }
    }

    fn list(&mut self, name: &str, rules: &mut impl Rewrite) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.skip_separators();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(());
            }
            self.value(name, rules)?;
        }
    }

    /// The text of a string, and moves behind it.
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let begin = self.at;
        self.skip_string();
        let literal = &self.text[begin..self.at];
        let plain = &literal[1..literal.len() - 1];
        if !plain.contains('\\') {
            return Ok(Cow::Borrowed(plain));
        }
        serde_json::from_str(literal).map(Cow::Owned).map_err(|_| Fault {
            line: line_at(self.text.as_bytes(), begin),
            reason: "a text with an escape that stands for no character".to_owned(),
        })
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Some(b'"') => self.skip_string(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(_) => self.at += 1,
                None => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    fn skip_scalar(&mut self) {
        while self.peek().is_some_and(|byte| !b",]} \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn skip_separators(&mut self) {
        while self.peek().is_some_and(|byte| b",: \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn place<'n>(&mut self, name: &'n str) -> Place<'n> {
        let passed = &self.text.as_bytes()[self.counted..self.at];
        self.line += line_at(passed, passed.len()) - 1;
        self.counted = self.at;
        Place {
            name,
            line: self.line,
        }
    }

    /// Puts other JSON in the place of what stands from `begin` to here.
    fn replace(&mut self, begin: usize, json: &str) {
        self.output.push_str(&self.text[self.copied..begin]);
        self.output.push_str(json);
        self.copied = self.at;
    }
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
