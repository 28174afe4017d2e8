//! Which form an answer takes: the media type and the conversion (`as=Table`) that `Accept` asks for.
//! Clauses are tried in the order of their quality; a client that also accepts JSON is answered in JSON where it would
//! rather have protobuf. Source: apiserver/pkg/endpoints/handlers/negotiation.

use sim_apimachinery::{Reason, Status};

use crate::http::Request;

/// How text is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON in one line.
    #[default]
    Json,
    /// JSON with two spaces of indentation.
    PrettyJson,
    /// YAML.
    Yaml,
    /// Kubernetes' protobuf, for clients that accept nothing else.
    Protobuf,
}

/// What objects are converted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Nothing: they are shown whole.
    #[default]
    Object,
    /// A table for people, in this version of meta.k8s.io.
    Table(&'static str),
    /// Metadata only, in this version of meta.k8s.io.
    Metadata(&'static str),
    /// A list of metadata, in this version of meta.k8s.io.
    MetadataList(&'static str),
}

/// What `Accept` comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The encoding.
    pub encoding: Encoding,
    /// The conversion.
    pub form: Form,
}

struct Clause {
    media: String,
    parameters: Vec<(String, String)>,
}

/// What a route can write: everything one object is written as.
const PRODUCED: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
/// What a route of lists can write on top, because it also watches.
const STREAMED: [&str; 2] = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

/// What a route writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Produces {
    /// Objects.
    Objects,
    /// Lists and the changes of them.
    Lists,
    /// Plain text: logs.
    Text,
    /// JSON alone: the server's version.
    Json,
    /// Whatever the other end of a connection writes.
    Anything,
}

impl Produces {
    fn media(self) -> Vec<&'static str> {
        match self {
            Produces::Objects => PRODUCED.to_vec(),
            Produces::Lists => PRODUCED.into_iter().chain(STREAMED).collect(),
            Produces::Json => vec!["application/json"],
            Produces::Text => std::iter::once("text/plain").chain(PRODUCED).collect(),
            Produces::Anything => vec!["*/*"],
        }
    }
}

/// Whether a route is found for what a client accepts, before anything is negotiated: a clause must name a type the route
/// produces to the letter, or be `*/*`. Source: go-restful's jsr311 router (`matchesAccept`).
pub fn check_route(request: &Request, produces: Produces) -> Result<(), Box<Status>> {
    let media = produces.media();
    let accept = request.header("accept").unwrap_or_default();
    let fits = |clause: &str| {
        let named = clause.split(';').next().unwrap_or_default().trim_matches(' ');
        named == "*/*" || media.iter().any(|m| *m == "*/*" || *m == named)
    };
    if accept.is_empty() || accept.split(',').any(fits) {
        return Ok(());
    }
    let text = format!("406: Not Acceptable\n\nAvailable representations: {}", media.join(", "));
    Err(Box::new(Status::generic(Reason::NotAcceptable, &text)))
}

/// Refuses a watch in a media type that has no stream: what is chosen must be JSON or protobuf.
pub fn check_stream(accepted: Accepted, is_custom: bool) -> Result<(), Box<Status>> {
    if accepted.encoding != Encoding::Yaml {
        return Ok(());
    }
    let streams = if is_custom { &STREAMED[..1] } else { &STREAMED[..] };
    let text = format!("only the following media types are accepted: {}", streams.join(", "));
    Err(Box::new(Status::new(Reason::NotAcceptable, text)))
}

/// One `Accept` clause without its quality.
pub fn clauses(accept: &str) -> Vec<(String, Vec<(String, String)>)> {
    sorted_clauses(accept).into_iter().map(|c| (c.media, c.parameters)).collect()
}

fn sorted_clauses(accept: &str) -> Vec<Clause> {
    let mut found: Vec<(u32, Clause)> = accept
        .split(',')
        .filter_map(|text| {
            let mut parts = text.split(';').map(str::trim);
            let media = parts.next()?.to_ascii_lowercase();
            let mut quality = 1000;
            let mut parameters = vec![];
            for (name, value) in parts.filter_map(|p| p.split_once('=')) {
                if name.trim() == "q" {
                    quality = value.trim().parse::<f64>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u32);
                } else {
                    parameters.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            (!media.is_empty()).then_some((quality, Clause { media, parameters }))
        })
        .collect();
    found.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    found.into_iter().map(|(_, clause)| clause).collect()
}

/// Chooses the form of an answer.
pub fn negotiate(request: &Request) -> Result<Accepted, Box<Status>> {
    let accept = request.header("accept").unwrap_or_default();
    let pretty = wants_pretty(request);
    let json = if pretty { Encoding::PrettyJson } else { Encoding::Json };
    let clauses = sorted_clauses(accept);
    if clauses.is_empty() {
        return Ok(Accepted { encoding: json, form: Form::Object });
    }
    for clause in clauses {
        let encoding = match clause.media.as_str() {
            "application/json" | "application/*" | "*/*" => json,
            "application/yaml" => Encoding::Yaml,
            // Protobuf is understood in bodies; answers are JSON where the client takes it.
            "application/vnd.kubernetes.protobuf" if accept.contains("application/json") || accept.contains("*/*") => json,
            "application/vnd.kubernetes.protobuf" => Encoding::Protobuf,
            _ => continue,
        };
        let encoding = if clause.parameters.iter().any(|(n, v)| n == "pretty" && v == "1") { Encoding::PrettyJson } else { encoding };
        let form = form(&clause.parameters).filter(|form| encoding != Encoding::Protobuf || !matches!(form, Form::Table(_)));
        if let Some(form) = form {
            return Ok(Accepted { encoding, form });
        }
    }
    Err(not_acceptable())
}

fn form(parameters: &[(String, String)]) -> Option<Form> {
    let value = |name: &str| parameters.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let version = match value("v") {
        "v1" => "v1",
        "v1beta1" => "v1beta1",
        _ if value("as").is_empty() => "",
        _ => return None,
    };
    match (value("as"), value("g")) {
        ("", _) => Some(Form::Object),
        ("Table", "meta.k8s.io") => Some(Form::Table(version)),
        ("PartialObjectMetadata", "meta.k8s.io") => Some(Form::Metadata(version)),
        ("PartialObjectMetadataList", "meta.k8s.io") => Some(Form::MetadataList(version)),
        _ => None,
    }
}

fn wants_pretty(request: &Request) -> bool {
    let query = request.query();
    if query.has("pretty") {
        return matches!(query.get("pretty"), "1" | "true" | "t" | "T" | "TRUE" | "True");
    }
    let agent = request.header("user-agent").unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|a| agent.starts_with(a))
}

fn not_acceptable() -> Box<Status> {
    let message = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    Box::new(Status::new(Reason::NotAcceptable, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &str) -> Request {
        Request { headers: vec![("Accept".into(), accept.into())], ..Request::default() }
    }

    #[test]
    fn a_route_is_found_by_the_letters_of_accept() {
        for accept in ["", "*/*", "application/yaml;as=Table;v=v1;g=meta.k8s.io", "text/html, application/json;q=0.1"] {
            assert!(check_route(&asked(accept), Produces::Objects).is_ok(), "{accept}");
        }
        let refused = check_route(&asked("application/*"), Produces::Objects).expect_err("no type to the letter");
        assert_eq!(
            refused.message,
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf"
        );
        assert!(check_route(&asked("text/plain"), Produces::Text).is_ok());
        assert!(check_route(&asked("text/plain"), Produces::Lists).is_err());
    }

    #[test]
    fn yaml_has_no_stream() {
        let refused = check_stream(Accepted { encoding: Encoding::Yaml, ..Accepted::default() }, true).expect_err("refused");
        assert_eq!(refused.message, "only the following media types are accepted: application/json;stream=watch");
    }
}
