//! The two corpora, sent one by one: what is hostile is refused or made harmless, what is ordinary is registered as it was asked for.

use std::collections::HashMap;
use std::time::Duration;

use crate::client::{Answer, exchange_within};
use crate::corpus::{Case, WITH_TOKEN, asking_for, fixtures, read};
use crate::judged;
use crate::process::Gateway;
use crate::upstream::{Received, Upstream};

/// Longer than the gateway's own deadlines, which the corpora run into on purpose.
const PATIENCE: Duration = Duration::from_secs(8);

const CONFIGURATION: &str = include_str!("corpus/gateway.yaml");

/// A gateway with a token for each profile, and what is behind it.
struct Bench {
    gateway: Gateway,
    upstream: Upstream,
    tokens: HashMap<&'static str, String>,
}

impl Bench {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let gateway = Gateway::start(CONFIGURATION, upstream.address);
        let tokens = WITH_TOKEN.map(|profile| (profile, gateway.token(profile, 100_000))).into();
        Self { gateway, upstream, tokens }
    }

    fn cases(&self, directory: &str) -> Vec<Case> {
        read(directory, &|profile| self.tokens.get(profile).cloned())
    }

    /// Sends every case; everything that was wrong, at once.
    async fn judge(&self, cases: &[Case], judge: impl Fn(&Case, Outcome) -> Option<String>) {
        let mut wrong = Vec::new();
        let mut registered = HashMap::new();
        for case in cases {
            let answered = exchange_within(PATIENCE, self.gateway.address, &case.request).await;
            let mut received = self.upstream.take();
            // The same public client again is not registered again: what was sent for it before must be as right for this request.
            if let Some(client_id) = answered.iter().flatten().find_map(Answer::client_id) {
                match received.as_slice() {
                    [] => received.extend(registered.get(&client_id).cloned()),
                    [first, ..] => drop(registered.insert(client_id, first.clone())),
                }
            }
            let problem = match answered {
                Ok(answer) => judge(case, Outcome { answer, received }),
                Err(_) => Some("neither an answer nor an end in time".to_owned()),
            };
            wrong.extend(problem.map(|problem| format!("{}\n    {problem}", case.name)));
        }
        assert!(wrong.is_empty(), "{} of {} were judged wrongly:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }
}

/// What a request led to.
struct Outcome {
    answer: Option<Answer>,
    received: Vec<Received>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hostile_is_refused_or_made_harmless() {
    let bench = Bench::start().await;
    let cases = bench.cases("hostile");
    assert!(cases.len() >= 400, "{} hostile requests", cases.len());
    bench.judge(&cases, problem_of_hostile).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ordinary_is_registered_as_it_was_asked_for() {
    let bench = Bench::start().await;
    let mut cases = bench.cases("ordinary");
    cases.extend(fixtures());
    assert!(cases.len() >= 300, "{} ordinary requests", cases.len());
    bench.judge(&cases, problem_of_ordinary).await;
}

/// What readers of URIs disagree about.
const DISPUTED: [&str; 26] = [
    "@",
    ":",
    "/",
    "//",
    "\\",
    "#",
    "?",
    ".",
    "..",
    "/../",
    "%2e",
    "%2f",
    "%5c",
    "%40",
    "%00",
    "%",
    "\t",
    "\n",
    " ",
    "*",
    "[",
    "]",
    ";",
    "\u{3002}",
    "\u{200b}",
    "evil.example",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_put_into_a_redirect_uri_it_is_refused_or_still_the_profiles() {
    let bench = Bench::start().await;
    let mut cases = Vec::new();
    for (profile, uri) in [
        ("partners", "https://app.example.com/cb"),
        ("partners", "https://a.partner.example/oauth/"),
        ("native", "http://127.0.0.1:80/cb"),
        ("native", "http://localhost/cb"),
        ("native", "com.example.app:/cb"),
    ] {
        for (at, disputed) in (0..=uri.len()).flat_map(|at| DISPUTED.map(|disputed| (at, disputed))) {
            let changed = format!("{}{disputed}{}", &uri[..at], &uri[at..]);
            cases.push(asking_for(profile, &changed, bench.tokens.get(profile)));
        }
    }
    let is_still_theirs = |case: &Case, outcome: Outcome| {
        let answered = outcome.answer.as_ref().is_none_or(|answer| matches!(answer.status, 201 | 400));
        let mut received = outcome.received.iter();
        let problem = received.find_map(|received| judged::problem_of_received(&case.profile, received));
        problem.or_else(|| (!answered).then(|| format!("{:?}", outcome.answer)))
    };
    bench.judge(&cases, is_still_theirs).await;
}

fn problem_of_hostile(case: &Case, outcome: Outcome) -> Option<String> {
    if let Some(problem) =
        outcome.received.iter().find_map(|received| judged::problem_of_received(&case.profile, received))
    {
        return Some(problem);
    }
    if let Some(text) = &case.expect.without {
        let holds = |received: &&Received| received.text().to_lowercase().contains(&text.to_lowercase());
        if let Some(received) = outcome.received.iter().find(holds) {
            return Some(format!("{text:?} reached the authorization server: {}", received.text()));
        }
        if outcome.answer.as_ref().is_some_and(|answer| answer.status == 201) {
            return outcome.answer.and_then(|answer| judged::leaks(&answer));
        }
    }
    if let Some(received) = outcome.received.first() {
        return Some(format!("reached the authorization server: {}", received.text()));
    }
    // Closed without a word: what cannot be read need not be answered.
    let answer = outcome.answer?;
    if !(400..500).contains(&answer.status) && answer.status != 501 {
        return Some(format!("answered with {}: {}", answer.status, answer.body));
    }
    if case.request.starts_with(b"HEAD ") {
        return judged::leaks(&answer);
    }
    if let Some(problem) = judged::problem_of_refusal(&answer) {
        return Some(problem);
    }
    if case.expect.status.is_some_and(|status| status != answer.status) {
        return Some(format!("answered with {}: {}", answer.status, answer.body));
    }
    let rules = answer.rules();
    let expected = case.expect.rule.as_ref().filter(|rule| !rules.contains(rule));
    expected.map(|rule| format!("{rule} did not refuse it, but {rules:?}: {}", answer.body))
}

fn problem_of_ordinary(case: &Case, outcome: Outcome) -> Option<String> {
    let Some(answer) = outcome.answer else { return Some("not answered".to_owned()) };
    if answer.status != 201 {
        return Some(format!("answered with {}: {}", answer.status, answer.body));
    }
    let [received] = outcome.received.as_slice() else {
        return Some(format!("{} requests reached the authorization server", outcome.received.len()));
    };
    let nothing = serde_json::Map::new();
    judged::problem_of_received(&case.profile, received)
        .or_else(|| judged::problem_of_created(&answer, case.asked.as_ref().unwrap_or(&nothing), &case.expect.changed))
}
