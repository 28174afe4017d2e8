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
