//! A host as a profile names it: one host exactly, or every host below one.

use super::settings::SettingProblem;
use crate::registration::host::Host;

/// A host, or `*.` and a name: any host below it (not the name itself).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// This host.
    Exactly(Host),
    /// Any host below this name; begins with a dot.
    Below(String),
}

impl HostPattern {
    /// Reads each entry of the list at `place`.
    pub(super) fn compile_list(written: &[String], place: &str, problems: &mut Vec<SettingProblem>) -> Vec<Self> {
        let mut compiled = Vec::with_capacity(written.len());
        for (index, text) in written.iter().enumerate() {
            match Self::parse(text) {
                Some(pattern) => compiled.push(pattern),
                None => problems.push(SettingProblem::new(
                    format!("{place}[{index}]"),
                    format!("{text:?} is not a host"),
                    "write a host name, without scheme, port and path; or *. and a host name",
                )),
            }
        }
        compiled
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(parent) = text.strip_prefix("*.") {
            let Ok(Host::Name(parent)) = Host::parse_strictly(parent) else { return None };
            return Some(Self::Below(format!(".{parent}")));
        }
        Host::parse_strictly(text).ok().map(Self::Exactly)
    }

    /// Whether the host is one it names.
    pub(super) fn fits(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(wanted), host) => wanted == host,
            (Self::Below(parent), Host::Name(name)) => name.len() > parent.len() && name.ends_with(parent.as_str()),
            (Self::Below(_), Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern).unwrap().fits(&Host::Name(host.to_owned()))
    }

    #[test]
    fn a_star_stands_for_every_host_below() {
        assert!(fits("*.claude.ai", "api.claude.ai") && fits("*.claude.ai", "a.b.claude.ai"));
        assert!(
            !fits("*.claude.ai", "claude.ai")
                && !fits("*.claude.ai", "evilclaude.ai")
                && !fits("*.claude.ai", ".claude.ai")
        );
        assert!(fits("Claude.AI", "claude.ai") && !fits("claude.ai", "claude.ai.evil.example"));
    }

    #[test]
    fn what_is_no_host_is_a_problem() {
        for text in [
            "",
            "*",
            "*.",
            "https://a.example",
            "a.example:443",
            "a.example/x",
            "a..example",
            "*.*.example",
            "exämple.de",
        ] {
            let mut problems = Vec::new();
            HostPattern::compile_list(&[text.to_owned()], "urls.hosts", &mut problems);
            assert_eq!(problems.len(), 1, "{text}");
        }
    }
}
