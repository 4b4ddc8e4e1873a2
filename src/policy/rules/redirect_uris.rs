//! `redirect_uris`: the kinds, hosts, paths, ports and schemes a profile names; everything else is refused or left out.
//! The same holds for `post_logout_redirect_uris`, but for patterns of https paths: a browser is sent there too, to a page of its own.

mod allowed_hosts;
mod answer;
mod onward;
mod parameters;
mod settings;
mod two_slashes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use regex::Regex;

pub use self::settings::{
    HttpsSettings, LoopbackSetting, OnViolation, PrivateUseSchemeSettings, RedirectUriSettings, SchemePattern,
};

pub(in crate::policy) use self::allowed_hosts::AllowedHosts;
use self::onward::Destination;
use crate::policy::markup;
use crate::policy::report::Report;
use crate::policy::settings::SettingProblem;
use crate::registration::excerpt::Excerpt;
use crate::registration::host::Host;
use crate::registration::metadata::RequestedRedirectUri;
use crate::registration::redirect_uri::{MalformedRedirectUri, RedirectUri, RedirectUriKind, Target};
use crate::registration::{ClientMetadata, ErrorCode};

/// The compiled rule.
#[derive(Debug, Clone)]
pub(in crate::policy) struct RedirectUriRule {
    https: Arc<AllowedHosts>,
    loopback: LoopbackSetting,
    /// By scheme; a URI fits when one of the patterns does.
    private_use: HashMap<String, Vec<Pattern>>,
    max: usize,
    on_violation: OnViolation,
    /// The hosts of the authorization server itself: no client is on them, but one may name them in its URI.
    server: Vec<Host>,
}

/// A pattern, or anything.
type Pattern = Option<Regex>;

/// What the rule let through.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct AdmittedRedirectUris {
    /// The admitted ones, in the order asked for, each once.
    pub uris: Vec<RedirectUri>,
    /// Those that `on_violation: drop` took out.
    pub dropped: Vec<String>,
    /// The admitted ones of `post_logout_redirect_uris`.
    pub post_logout: Vec<RedirectUri>,
}

/// Which of the two lists is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Login,
    PostLogout,
}

impl List {
    const fn member(self) -> &'static str {
        match self {
            Self::Login => "redirect_uris",
            Self::PostLogout => "post_logout_redirect_uris",
        }
    }

    const fn code(self) -> ErrorCode {
        match self {
            Self::Login => ErrorCode::InvalidRedirectUri,
            Self::PostLogout => ErrorCode::InvalidClientMetadata,
        }
    }
}

impl RedirectUriRule {
    /// Makes the rule that `settings` describe; none written allows no redirect URI.
    pub(in crate::policy) fn compile(
        settings: Option<&RedirectUriSettings>,
        problems: &mut Vec<SettingProblem>,
    ) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        Self {
            https: Arc::new(AllowedHosts::compile(settings.https.as_deref().unwrap_or_default(), problems)),
            loopback: settings.loopback.unwrap_or(LoopbackSetting::Refuse),
            private_use: settings.compile_private_use(problems),
            max: settings.compile_max(problems),
            on_violation: settings.on_violation.unwrap_or(OnViolation::Refuse),
            server: Vec::new(),
        }
    }

    /// The hosts of https URIs that the profile names.
    pub(in crate::policy) fn hosts(&self) -> Arc<AllowedHosts> {
        Arc::clone(&self.https)
    }

    /// Lets a URI name the authorization server, which is at these hosts: `?issuer=https://sso.example.com` tells a client that has a
    /// redirect URI for each issuer (RFC 9700 §4.4.2) which one answers.
    pub(in crate::policy) fn stands_before(&mut self, server: Vec<Host>) {
        self.server = server;
    }

    /// Judges all of `redirect_uris` and `post_logout_redirect_uris`.
    pub(in crate::policy) fn check(&self, requested: &ClientMetadata, report: &mut Report<'_>) -> AdmittedRedirectUris {
        let asked = requested.redirect_uris.as_deref().unwrap_or_default();
        let (uris, mut dropped) = self.check_list(List::Login, asked, report);
        let asked = requested.post_logout_redirect_uris.as_deref().unwrap_or_default();
        let (post_logout, also_dropped) = self.check_list(List::PostLogout, asked, report);
        dropped.extend(also_dropped);
        AdmittedRedirectUris { uris, dropped, post_logout }
    }

    fn check_list(
        &self,
        list: List,
        asked: &[RequestedRedirectUri],
        report: &mut Report<'_>,
    ) -> (Vec<RedirectUri>, Vec<String>) {
        let mut seen = HashSet::new();
        let mut admitted = Vec::new();
        let mut refused = Vec::new();
        for (index, uri) in asked.iter().enumerate() {
            if uri.parsed.is_ok() && !seen.insert(uri.text.as_str()) {
                continue;
            }
            match self.judge(list, uri, report.profile()) {
                Ok(uri) => admitted.push(uri.clone()),
                Err(problems) => refused.push((format!("{}[{index}]", list.member()), uri, problems)),
            }
        }
        // Bad ones among good ones may be left out; with none left, the client has to hear why.
        let drops = self.on_violation == OnViolation::Drop && !admitted.is_empty();
        let counted = if drops { admitted.len() } else { admitted.len() + refused.len() };
        if counted > self.max {
            let (max, profile) = (self.max, report.profile());
            report.refuse_as(
                list.code(),
                list.member(),
                format!("has {counted} URIs, profile {profile:?} allows {max}"),
            );
        }
        let mut dropped = Vec::new();
        for (place, uri, problems) in refused {
            // What is no text is a mistake of another kind: whoever made it has to hear of it.
            let drops = drops && !matches!(uri.parsed, Err(MalformedRedirectUri::NotAString));
            for problem in problems {
                if drops {
                    report.note(&place, format!("left out: {problem}"));
                } else {
                    report.refuse_as(list.code(), &place, problem);
                }
            }
            if drops {
                dropped.push(uri.text.clone());
            }
        }
        (admitted, dropped)
    }

    /// The URI, or everything that keeps it out.
    fn judge<'a>(
        &self,
        list: List,
        requested: &'a RequestedRedirectUri,
        profile: &str,
    ) -> Result<&'a RedirectUri, Vec<String>> {
        let uri = match &requested.parsed {
            Ok(uri) => uri,
            Err(problem @ MalformedRedirectUri::NotAString) => return Err(vec![problem.to_string()]),
            Err(MalformedRedirectUri::Fragment) if list == List::PostLogout => {
                let problem = "contains a fragment (OpenID Connect RP-Initiated Logout §3.1)";
                return Err(vec![format!("{} {problem}", Excerpt(&requested.text))]);
            }
            Err(problem) => return Err(vec![format!("{} {problem}", Excerpt(&requested.text))]),
        };
        if let Some(problem) = markup::problem_of_url(&requested.text) {
            return Err(vec![format!("{} {problem}", Excerpt(&requested.text))]);
        }
        let problems = match uri.kind() {
            RedirectUriKind::Https(target) => {
                // Web servers of developers have TLS on their own machine as well, for the name: nobody is given a certificate for 127.0.0.1.
                let is_named = matches!(target.host, Host::Name(_));
                let is_loopback = is_named && uri.is_on_this_machine() && self.loopback == LoopbackSetting::Allow;
                let is_free = is_loopback && !self.https.names(&target.host);
                let mut problems = if is_free { Vec::new() } else { self.https.problems(list, target, profile) };
                problems.extend(self.onward_problems(list, target));
                problems
            }
            RedirectUriKind::Loopback(target) => match self.loopback {
                LoopbackSetting::Allow => self.onward_problems(list, target),
                LoopbackSetting::Refuse => {
                    vec![format!(
                        "{} is a loopback URI, which profile {profile:?} does not allow",
                        Excerpt(&requested.text)
                    )]
                }
            },
            RedirectUriKind::Http(target) => {
                let (text, host) = (target.host.to_string(), &target.host);
                let problem = if host.is_loopback() {
                    "is no loopback host that every resolver knows: write localhost, 127.0.0.1 or [::1]"
                } else {
                    "needs https; plain http is for loopback only"
                };
                vec![format!("host {} {problem} (RFC 8252 §7.3)", Excerpt(&text))]
            }
            RedirectUriKind::PrivateUse { scheme, rest } => self.private_use_problems(list, scheme, rest, profile),
        };
        if problems.is_empty() { Ok(uri) } else { Err(problems) }
    }

    /// What in the URI itself would send the answer on, or stand in it twice.
    fn onward_problems(&self, list: List, target: &Target) -> Vec<String> {
        let query = target.query.as_deref();
        let is_own =
            |destination: Destination<'_>| matches!(destination, Destination::Host(host) if *host == target.host);
        let onward = onward::onward(&target.path, query, |destination| is_own(destination) || self.knows(destination));
        onward.into_iter().chain(of_the_answer(list, &target.path, query)).collect()
    }

    /// Whether a URL in a redirect URI leads to the client itself, or to the server.
    fn knows(&self, destination: Destination<'_>) -> bool {
        match destination {
            Destination::Host(host) => {
                self.server.contains(host)
                    || self.https.names(host)
                    || (self.loopback == LoopbackSetting::Allow && host.is_loopback())
            }
            Destination::App(scheme, rest) => {
                self.private_use.get(scheme).is_some_and(|patterns| any_fits(patterns, rest))
            }
        }
    }

    fn private_use_problems(&self, list: List, scheme: &str, rest: &str, profile: &str) -> Vec<String> {
        let Some(patterns) = self.private_use.get(scheme) else {
            return vec![format!("scheme {} is not allowed by profile {profile:?}", Excerpt(scheme))];
        };
        // After a logout as well: a page there is its host's, but what stands behind a scheme may be anybody's extension, or a command.
        if any_fits(patterns, rest) {
            return self.private_use_onward(list, rest);
        }
        let (rest, scheme) = (Excerpt(rest), Excerpt(scheme));
        vec![format!("{rest} after scheme {scheme} is not allowed by profile {profile:?}")]
    }

    /// As [`Self::onward_problems`]: an app takes its URI apart as a page does.
    fn private_use_onward(&self, list: List, rest: &str) -> Vec<String> {
        let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let path = match before.strip_prefix("//") {
            Some(after) => after.find('/').map_or("", |slash| &after[slash..]),
            None => before,
        };
        let mut problems = Vec::new();
        // `myapp://` is how some frameworks name the app as a whole.
        if (before.is_empty() && query.is_none_or(str::is_empty)) || (before == "//" && query == Some("")) {
            problems.push("nothing stands behind the scheme".to_owned());
        }
        if rest.starts_with("////") {
            problems.push("four slashes begin it: to a browser what follows is a host".to_owned());
        } else {
            problems.extend(onward::onward(path, query, |destination| self.knows(destination)));
        }
        problems.extend(of_the_answer(list, path, query));
        problems
    }
}

/// Whether what stands behind a scheme fits one of its patterns.
fn any_fits(patterns: &[Pattern], rest: &str) -> bool {
    patterns.iter().any(|pattern| pattern.as_ref().is_none_or(|pattern| pattern.is_match(rest)))
}

/// What of the answer to a login the URI holds already.
fn of_the_answer(list: List, path: &str, query: Option<&str>) -> Option<String> {
    if list == List::Login { answer::problem(path, query) } else { None }
}

#[cfg(test)]
mod tests;
