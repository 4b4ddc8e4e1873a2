//! The files of the page, as they are in the executable. They hold nothing that is anybody's, so nobody has to sign in for them.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::admin::api::Api;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Where each is, what it is, and its text.
pub(super) const FILES: [(&str, &str, &str); 14] = [
    ("/console/", HTML, include_str!("page/index.html")),
    ("/console/console.css", STYLE, include_str!("page/console.css")),
    ("/console/icon.svg", PICTURE, include_str!("page/icon.svg")),
    ("/console/main.js", SCRIPT, include_str!("page/main.js")),
    ("/console/api.js", SCRIPT, include_str!("page/api.js")),
    ("/console/elements.js", SCRIPT, include_str!("page/elements.js")),
    ("/console/decide.js", SCRIPT, include_str!("page/decide.js")),
    ("/console/client.js", SCRIPT, include_str!("page/client.js")),
    ("/console/bans.js", SCRIPT, include_str!("page/bans.js")),
    ("/console/clients.js", SCRIPT, include_str!("page/clients.js")),
    ("/console/findings.js", SCRIPT, include_str!("page/findings.js")),
    ("/console/registrations.js", SCRIPT, include_str!("page/registrations.js")),
    ("/console/tokens.js", SCRIPT, include_str!("page/tokens.js")),
    ("/console/chart.js", SCRIPT, include_str!("page/chart.js")),
];

pub(super) fn routes() -> Router<Arc<Api>> {
    let mut router = Router::new().route("/console", get(async || Redirect::permanent("/console/")));
    for (path, media_type, text) in FILES {
        router = router.route(path, get(async move || ([(CONTENT_TYPE, media_type)], text).into_response()));
    }
    router
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup_and_nothing_is_asked_for_elsewhere() {
        let forbidden = [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "DOMParser",
            "srcdoc",
            "javascript:",
            "style=",
            "onclick=",
            "https://",
        ];
        for (path, _, text) in FILES {
            for word in forbidden {
                assert!(!text.contains(word), "{path} has {word}");
            }
            let addresses = text.matches("http://").count();
            let name_spaces = text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(addresses, name_spaces, "{path} names an address");
        }
    }

    #[test]
    fn what_the_files_ask_for_is_there_and_nothing_else_is() {
        let mut asked: Vec<String> = vec!["/console/".to_owned()];
        for (_, media_type, text) in FILES {
            let (before, quote) = if media_type == SCRIPT { ("from \"./", '"') } else { ("=\"./", '"') };
            let names = text.split(before).skip(1).filter_map(|rest| rest.split(quote).next());
            asked.extend(names.map(|name| format!("/console/{name}")));
        }
        asked.sort();
        asked.dedup();
        let mut there: Vec<String> = FILES.iter().map(|(path, ..)| (*path).to_owned()).collect();
        there.sort();
        assert_eq!(asked, there);
    }

    #[test]
    fn no_file_is_longer_than_one_can_read() {
        for (path, _, text) in FILES {
            assert!(text.lines().count() <= 400, "{path}");
        }
    }
}
