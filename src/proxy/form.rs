//! `application/x-www-form-urlencoded` text as it streams by, decoded with constant memory. Pure; nothing is ever changed.

/// What a form consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormPart {
    /// A decoded byte of the present name or value.
    Byte(u8),
    /// The name is over, its value begins.
    NameEnd,
    /// The pair is over, the next name begins.
    PairEnd,
}

/// Takes a form apart, byte by byte.
#[derive(Debug, Clone, Default)]
pub(super) struct FormDecoder {
    is_in_value: bool,
    escape: Escape,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Percent,
    FirstDigit(u8),
}

impl FormDecoder {
    /// In the value of a pair of which the name was somewhere else.
    pub(super) const fn in_value() -> Self {
        Self { is_in_value: true, escape: Escape::None }
    }

    /// Takes the next byte and tells what it makes.
    pub(super) fn take(&mut self, byte: u8, tell: &mut impl FnMut(FormPart)) {
        match byte {
            b'&' => {
                self.flush_escape(tell);
                self.is_in_value = false;
                tell(FormPart::PairEnd);
            }
            b'=' if !self.is_in_value => {
                self.flush_escape(tell);
                self.is_in_value = true;
                tell(FormPart::NameEnd);
            }
            _ => self.decode(byte, tell),
        }
    }

    /// The form is over: so is its last pair.
    pub(super) fn end(&mut self, tell: &mut impl FnMut(FormPart)) {
        self.flush_escape(tell);
        tell(FormPart::PairEnd);
    }

    fn decode(&mut self, byte: u8, tell: &mut impl FnMut(FormPart)) {
        let digit = (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (self.escape, byte, digit) {
            (Escape::None, b'%', _) => self.escape = Escape::Percent,
            (Escape::None, b'+', _) => tell(FormPart::Byte(b' ')),
            (Escape::None, ..) => tell(FormPart::Byte(byte)),
            (Escape::Percent, _, Some(digit)) => self.escape = Escape::FirstDigit(digit),
            (Escape::FirstDigit(first), _, Some(second)) => {
                self.escape = Escape::None;
                tell(FormPart::Byte(first << 4 | second));
            }
            (Escape::Percent | Escape::FirstDigit(_), ..) => {
                self.flush_escape(tell);
                self.decode(byte, tell);
            }
        }
    }

    /// A percent sign without two digits stands for itself.
    fn flush_escape(&mut self, tell: &mut impl FnMut(FormPart)) {
        match std::mem::take(&mut self.escape) {
            Escape::None => {}
            Escape::Percent => tell(FormPart::Byte(b'%')),
            Escape::FirstDigit(digit) => {
                tell(FormPart::Byte(b'%'));
                tell(FormPart::Byte(char::from_digit(u32::from(digit), 16).map_or(b'0', |digit| digit as u8)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Vec<(String, String)> {
        let (mut pairs, mut name, mut text) = (Vec::new(), None, Vec::new());
        let mut decoder = FormDecoder::default();
        let mut tell = |part| match part {
            FormPart::Byte(byte) => text.push(byte),
            FormPart::NameEnd => name = Some(String::from_utf8(std::mem::take(&mut text)).unwrap()),
            FormPart::PairEnd => {
                pairs.push((name.take().unwrap_or_default(), String::from_utf8(std::mem::take(&mut text)).unwrap()));
            }
        };
        form.bytes().for_each(|byte| decoder.take(byte, &mut tell));
        decoder.end(&mut tell);
        pairs
    }

    #[test]
    fn reads_a_form_as_browsers_do() {
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("a=b&c%5fd=e+f%3D=g"), [one("a", "b"), one("c_d", "e f==g")]);
        assert_eq!(read("a=%zz%4&b=%"), [one("a", "%zz%4"), one("b", "%")]);
        assert_eq!(read("x"), [one("", "x")]);
    }
}
