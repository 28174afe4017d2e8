//! `wget` (busybox), `curl` and `nslookup` (busybox) in a container: HTTP without TLS, names by the cluster's DNS.
//! Not modelled: TLS, redirects, cookies, headers of answers but the type, progress bars, uploads of files; options that are
//! not named here are ignored. `nslookup` looks a name up as the pod's resolver does and shows the full name that was found.
//! Source: busybox networking/wget.c and networking/nslookup.c, curl's man page.

use super::tools::Outcome;
use super::{Host, Shell};
use crate::http::HttpRequest;
use crate::network::{NetworkAnswer, NetworkCall, NetworkFailure};
use crate::units::SECOND;

/// Where the cluster's DNS server is.
const DNS_ADDRESS: &str = "10.96.0.10";
/// How long `wget` waits (15 minutes), and `curl` too: it has no limit of its own.
const PATIENCE: u64 = 900 * SECOND;

/// Runs one of these tools; `None` while its answer is missing.
pub fn run(shell: &mut Shell, name: &str, arguments: &[String], host: &mut Host) -> Option<Outcome> {
    match name {
        "wget" => wget(shell, arguments, host),
        "curl" => curl(shell, arguments, host),
        _ => nslookup(arguments, host),
    }
}

/// Whether the name is one of these tools.
pub fn is_network_tool(name: &str) -> bool {
    matches!(name, "wget" | "curl" | "nslookup")
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Url {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    query: String,
}

impl Url {
    fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(cut);
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, if scheme == "https" { 443 } else { 80 }),
        };
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let path = if path.is_empty() { "/" } else { path };
        (!host.is_empty()).then(|| Url { secure: scheme == "https", host: host.into(), port, path: path.into(), query: query.into() })
    }

    fn call(&self, method: &str, body: String, headers: &[String], timeout_nanos: u64) -> NetworkCall {
        let field = |header: &String| header.split_once(':').map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim().to_owned()));
        let pair = |pair: &str| pair.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        let request = HttpRequest {
            method: method.into(),
            path: self.path.clone(),
            query: self.query.split('&').filter_map(pair).collect(),
            headers: headers.iter().filter_map(field).collect(),
            body,
            port: 0,
        };
        NetworkCall::Http { host: self.host.clone(), port: self.port, request: Box::new(request), timeout_nanos }
    }
}

/// The options of a command line: flags, values by option, what is left.
#[derive(Default)]
struct Options {
    flags: Vec<String>,
    values: Vec<(String, String)>,
    rest: Vec<String>,
}

impl Options {
    /// Options named in `short` (letters) or `long` take a value, in the same word or the next.
    fn parse(arguments: &[String], short: &str, long: &[&str]) -> Options {
        let mut options = Options::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if let Some(name) = word.strip_prefix("--") {
                match name.split_once('=') {
                    Some((name, value)) => options.values.push((name.into(), value.into())),
                    None if long.contains(&name) => options.values.push((name.into(), words.next().cloned().unwrap_or_default())),
                    None => options.flags.push(name.into()),
                }
                continue;
            }
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                options.rest.push(word.clone());
                continue;
            };
            for (at, letter) in letters.char_indices() {
                if !short.contains(letter) {
                    options.flags.push(letter.into());
                    continue;
                }
                let inside = &letters[at + letter.len_utf8()..];
                let value = if inside.is_empty() { words.next().cloned().unwrap_or_default() } else { inside.to_owned() };
                options.values.push((letter.into(), value));
                break;
            }
        }
        options
    }

    fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|flag| names.contains(&flag.as_str()))
    }

    fn value(&self, names: &[&str]) -> Option<&str> {
        self.all(names).last().copied()
    }

    fn all(&self, names: &[&str]) -> Vec<&str> {
        self.values.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.as_str()).collect()
    }

    fn owned(&self, names: &[&str]) -> Vec<String> {
        self.all(names).into_iter().map(str::to_owned).collect()
    }

    fn seconds(&self, names: &[&str]) -> u64 {
        let seconds = self.value(names).and_then(|text| text.parse::<f64>().ok()).filter(|seconds| *seconds > 0.0);
        seconds.map_or(PATIENCE, |seconds| (seconds * SECOND as f64) as u64)
    }
}

fn save(shell: &Shell, file: &str, text: String, host: &mut Host, outcome: &mut Outcome) {
    match file {
        "-" => outcome.out = text,
        "/dev/null" => {}
        file => {
            if let Err(error) = host.files.write(&shell.path(file), text) {
                *outcome = Outcome::error(1, format!("can't open '{file}': {error}"));
            }
        }
    }
}

fn wget(shell: &mut Shell, arguments: &[String], host: &mut Host) -> Option<Outcome> {
    let options = Options::parse(arguments, "OTPUoYt", &["timeout", "post-data", "header", "output-document", "user-agent", "tries"]);
    let Some(url) = options.rest.first().and_then(|text| Url::parse(text)) else {
        return Some(Outcome::error(1, "BusyBox v1.36.1 multi-call binary.\n\nUsage: wget [-cqS] [--spider] [-O FILE] [-T SEC] URL..."));
    };
    let fail = |text: String| Some(Outcome::error(1, format!("wget: {text}")));
    if url.secure {
        return fail("note: TLS certificate validation not implemented\nwget: TLS is not simulated".into());
    }
    let body = options.value(&["post-data"]).unwrap_or_default().to_owned();
    let method = if options.value(&["post-data"]).is_some() { "POST" } else { "GET" };
    let call = url.call(method, body, &options.owned(&["header"]), options.seconds(&["T", "timeout"]));
    match host.calls.ask(call)? {
        NetworkAnswer::Http { status, body, .. } if status < 400 => {
            let mut outcome = Outcome::default();
            let own = url.path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.html");
            let file = options.value(&["O", "output-document"]).unwrap_or(own);
            if !options.has(&["spider"]) {
                save(shell, file, body, host, &mut outcome);
            }
            if !options.has(&["q", "quiet"]) {
                outcome.err.insert_str(0, &format!("Connecting to {}:{}\n", url.host, url.port));
            }
            Some(outcome)
        }
        NetworkAnswer::Http { status, .. } => fail(format!("server returned error: HTTP/1.1 {status} {}", reason(status))),
        NetworkAnswer::Failed { failure, address, .. } => fail(match failure {
            NetworkFailure::NoSuchHost => format!("bad address '{}'", url.host),
            NetworkFailure::Refused => format!("can't connect to remote host ({address}): Connection refused"),
            NetworkFailure::NoRoute => format!("can't connect to remote host ({address}): No route to host"),
            NetworkFailure::Timeout => "download timed out".into(),
        }),
        NetworkAnswer::Addresses { .. } => fail("no answer".into()),
    }
}

fn curl(shell: &mut Shell, arguments: &[String], host: &mut Host) -> Option<Outcome> {
    let long = ["request", "data", "header", "output", "write-out", "max-time", "connect-timeout", "user", "user-agent", "retry", "json"];
    let options = Options::parse(arguments, "XdHowmuAT", &long);
    let Some(url) = options.rest.first().and_then(|text| Url::parse(text)) else {
        return Some(Outcome::error(2, "curl: (2) no URL specified"));
    };
    let shown = !options.has(&["s", "silent"]) || options.has(&["S", "show-error"]);
    let fail = |code: i32, text: String| {
        let err = if shown { format!("curl: ({code}) {text}\n") } else { String::new() };
        Some(Outcome { err, code, ..Outcome::default() })
    };
    if url.secure {
        return fail(35, "TLS is not simulated".into());
    }
    let data = options.all(&["d", "data", "json"]).join("&");
    let posts = options.value(&["d", "data", "json"]).is_some();
    let usual = if options.has(&["I", "head"]) {
        "HEAD"
    } else if posts {
        "POST"
    } else {
        "GET"
    };
    let method = options.value(&["X", "request"]).unwrap_or(usual);
    let mut headers = options.owned(&["H", "header"]);
    if options.value(&["json"]).is_some() {
        headers.push("Content-Type: application/json".into());
    }
    let (status, body) = match host.calls.ask(url.call(method, data, &headers, options.seconds(&["m", "max-time", "connect-timeout"])))? {
        NetworkAnswer::Http { status, body, .. } => (status, body),
        NetworkAnswer::Failed { failure: NetworkFailure::NoSuchHost, .. } => {
            return fail(6, format!("Could not resolve host: {}", url.host));
        }
        NetworkAnswer::Failed { failure: NetworkFailure::Timeout, latency_nanos, .. } => {
            return fail(28, format!("Operation timed out after {} milliseconds with 0 bytes received", latency_nanos / 1_000_000));
        }
        NetworkAnswer::Failed { latency_nanos, .. } => {
            let (name, port, millis) = (&url.host, url.port, latency_nanos / 1_000_000);
            return fail(7, format!("Failed to connect to {name} port {port} after {millis} ms: Could not connect to server"));
        }
        NetworkAnswer::Addresses { .. } => return fail(1, "no answer".into()),
    };
    if options.has(&["f", "fail"]) && status >= 400 {
        return fail(22, format!("The requested URL returned error: {status}"));
    }
    let mut outcome = Outcome::default();
    let head = format!("HTTP/1.1 {status} {}\r\ncontent-length: {}\r\n\r\n", reason(status), body.len());
    let text = match (options.has(&["I", "head"]), options.has(&["i", "include"])) {
        (true, _) => head,
        (_, true) => head + &body,
        _ => body,
    };
    save(shell, options.value(&["o", "output"]).unwrap_or("-"), text, host, &mut outcome);
    if let Some(format) = options.value(&["w", "write-out"]) {
        let shown = format.replace("%{http_code}", &format!("{status:03}")).replace("%{response_code}", &format!("{status:03}"));
        outcome.out += &shown.replace("\\n", "\n").replace("\\t", "\t");
    }
    Some(outcome)
}

fn nslookup(arguments: &[String], host: &mut Host) -> Option<Outcome> {
    let Some(name) = arguments.iter().find(|word| !word.starts_with('-')) else {
        return Some(Outcome::error(1, "Usage: nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]"));
    };
    let server = format!("Server:\t\t{DNS_ADDRESS}\nAddress:\t{DNS_ADDRESS}:53\n\n");
    match host.calls.ask(NetworkCall::LookUp { name: name.clone() })? {
        NetworkAnswer::Addresses { name, addresses } => {
            let each: String = addresses.iter().map(|address| format!("Name:\t{name}\nAddress: {address}\n")).collect();
            Some(Outcome::text(server + &each + "\n"))
        }
        _ => Some(Outcome { out: format!("{server}** server can't find {name}: NXDOMAIN\n\n"), code: 1, ..Outcome::default() }),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        422 => "Unprocessable Entity",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let url = |secure, host: &str, port, path: &str, query: &str| {
            Some(Url { secure, host: host.into(), port, path: path.into(), query: query.into() })
        };
        assert_eq!(Url::parse("web"), url(false, "web", 80, "/", ""));
        assert_eq!(Url::parse("http://web.shop:8080/a/b?x=1&y=2"), url(false, "web.shop", 8080, "/a/b", "x=1&y=2"));
        assert_eq!(Url::parse("https://web?x"), url(true, "web", 443, "/", "x"));
        assert_eq!((Url::parse("http://"), Url::parse("http://web:port/")), (None, None));
    }

    #[test]
    fn options_may_stand_together_and_carry_their_values() {
        let words: Vec<String> = ["-qO-", "-T", "5", "--header", "A: b", "--spider", "http://web"].map(str::to_owned).to_vec();
        let options = Options::parse(&words, "OT", &["header"]);
        assert_eq!((options.value(&["O"]), options.seconds(&["T"])), (Some("-"), 5 * SECOND));
        assert_eq!((options.value(&["header"]), options.rest.as_slice()), (Some("A: b"), ["http://web".to_owned()].as_slice()));
        assert!(options.has(&["q"]) && options.has(&["spider"]) && !options.has(&["S"]));
    }
}
