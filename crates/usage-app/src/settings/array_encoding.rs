//! How lists are written into `OpenAI`'s queries.

use std::fmt;
use std::str::FromStr;

use super::error::InvalidValue;

/// How a list is written into a query, by the name that people set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArrayEncoding {
    /// `repeated`: `group_by=model&group_by=project_id`
    #[default]
    Repeated,
    /// `brackets`: `group_by[]=model&group_by[]=project_id`
    Brackets,
    /// `comma`: `group_by=model,project_id`
    Comma,
}

impl ArrayEncoding {
    const ALL: [Self; 3] = [Self::Repeated, Self::Brackets, Self::Comma];

    /// The name that people set.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Brackets => "brackets",
            Self::Comma => "comma",
        }
    }
}

impl From<ArrayEncoding> for usage_providers::ArrayEncoding {
    fn from(encoding: ArrayEncoding) -> Self {
        match encoding {
            ArrayEncoding::Repeated => Self::Repeated,
            ArrayEncoding::Brackets => Self::Brackets,
            ArrayEncoding::Comma => Self::Comma,
        }
    }
}

impl FromStr for ArrayEncoding {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.as_str() == text)
            .ok_or_else(|| InvalidValue::ArrayEncoding(text.to_owned()))
    }
}

impl fmt::Display for ArrayEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ArrayEncoding;

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for encoding in ArrayEncoding::ALL {
            assert_eq!(encoding.to_string().parse(), Ok(encoding));
        }
        let error = "semicolon".parse::<ArrayEncoding>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`semicolon` is not a way to write lists; write repeated, brackets or comma"
        );
    }
}
