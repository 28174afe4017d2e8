//! The browser view's files, kept inside the program, and the headers they are sent with: no script but our own, nothing
//! from elsewhere, no frame around it. They hold no secret, so no token is asked for them; what they show needs one.

use sim_api::Response;

/// Where the page lies.
pub const PREFIX: &str = "/ksim/ui/";
/// What the page may do: its own scripts and styles, requests to its own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files: name, type, content.
const FILES: [(&str, &str, &[u8]); 3] = [
    ("index.html", "text/html; charset=utf-8", include_bytes!("../../ui/dist/index.html")),
    ("app.js", "text/javascript; charset=utf-8", include_bytes!("../../ui/dist/app.js")),
    ("app.css", "text/css; charset=utf-8", include_bytes!("../../ui/dist/app.css")),
];

/// The file under a path, if it is one of ours; the bare address leads to the page.
pub fn file(method: &str, path: &str) -> Option<Response> {
    let name = match path.strip_prefix(PREFIX) {
        Some("") => "index.html",
        Some(name) => name,
        None if path == PREFIX.trim_end_matches('/') || path == "/ksim" || path == "/ksim/" => return Some(to_the_page()),
        None => return None,
    };
    let (_, kind, content) = FILES.iter().find(|(known, ..)| *known == name)?;
    if !matches!(method, "GET" | "HEAD") {
        return Some(Response::text(405, "the page can only be read\n"));
    }
    let headers = [
        ("Content-Type", *kind),
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-cache"),
    ];
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Some(Response { status: 200, headers, body: if method == "HEAD" { vec![] } else { content.to_vec() } })
}

fn to_the_page() -> Response {
    Response { status: 307, headers: vec![("Location".into(), PREFIX.into())], body: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_and_nothing_else() {
        for path in ["/ksim/ui/", "/ksim/ui/index.html", "/ksim/ui/app.js", "/ksim/ui/app.css"] {
            let answer = file("GET", path).unwrap_or_else(|| panic!("{path} is missing"));
            assert_eq!(answer.status, 200, "{path}");
            assert!(!answer.body.is_empty(), "{path}");
            assert!(answer.headers.iter().any(|(n, v)| n == "Content-Security-Policy" && !v.contains("unsafe")), "{path}");
        }
        for path in ["/ksim/ui/../secret", "/ksim/ui/app.js/", "/ksim/v1/view", "/api", "/"] {
            assert!(file("GET", path).is_none(), "{path}");
        }
        assert_eq!(file("GET", "/ksim").map(|r| r.status), Some(307));
        assert_eq!(file("POST", "/ksim/ui/").map(|r| r.status), Some(405));
    }

    #[test]
    fn the_page_asks_nobody_else() {
        let page = String::from_utf8_lossy(FILES[0].2);
        for elsewhere in ["http://", "https://", "//cdn"] {
            assert!(!page.contains(elsewhere), "index.html names {elsewhere}");
        }
        assert!(!page.contains("<script>"), "no script inside the page");
    }
}
