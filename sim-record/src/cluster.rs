//! The API server as a recording needs it: plain requests with JSON, lists in pages, watches line by line.
//! Promises: an answer of any status is given to those who ask for it (`call`); everybody else gets an error that names the
//! address when nobody answered, and the server's own words when it refused. No request is tried again on its own.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::failure::{ApiError, Failure};

/// How long a connection may take to be made.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an answer may take, if nothing else is said.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Larger answers are not read.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Longer lines of a watch are not read.
const LINE_BYTES_MAX: usize = 16 << 20;
/// How many objects a page of a list holds.
const PAGE: usize = 500;
/// How the recorder names itself.
pub const AGENT: &str = concat!("ksim-record/", env!("CARGO_PKG_VERSION"));

/// The header that tells `ksim serve` when a request takes effect.
const MOMENT: HeaderName = HeaderName::from_static("ksim-at");

/// Merge patches (RFC 7386).
pub const MERGE: &str = "application/merge-patch+json";
/// JSON patches (RFC 6902).
pub const JSON_PATCH: &str = "application/json-patch+json";
/// Kubernetes' own patches.
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
/// Server-side apply.
pub const APPLY: &str = "application/apply-patch+yaml";
/// Plain JSON.
pub const JSON: &str = "application/json";

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    address: String,
    /// When requests take effect, if that is said.
    moment: Option<u64>,
}

/// An answer of any status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request whose answer may be of any status.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long the answer may take, instead of a minute.
    pub timeout: Option<Duration>,
}

impl Cluster {
    /// A cluster by its configuration. Nothing is sent yet.
    pub fn new(mut config: kube::Config) -> Result<Cluster, Failure> {
        let address = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        config.connect_timeout = Some(CONNECT_TIME_MAX);
        config.default_retry = false;
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
        let client = Client::try_from(config).map_err(|e| Failure::Input(format!("{address}: {}", causes(&e))))?;
        Ok(Cluster { client, address, moment: None })
    }

    /// The same cluster, if it is a simulated one: requests take effect so many nanoseconds after its session began.
    pub fn at(&self, moment: u64) -> Cluster {
        Cluster { moment: Some(moment), ..self.clone() }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The client beneath, for conversations.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Asks, and gives the answer whatever its status.
    pub async fn call(&self, call: Call) -> Result<Answer, ApiError> {
        let timeout = call.timeout.unwrap_or(ANSWER_TIME_MAX);
        let asked = async {
            let (code, mut body) = self.open(call).await?;
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|e| self.unreachable(&causes(&e)))?;
                bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
                if bytes.len() > ANSWER_BYTES_MAX {
                    return Err(self.unreachable(&format!("an answer has more than {ANSWER_BYTES_MAX} bytes")));
                }
            }
            Ok(Answer { code, body: bytes })
        };
        match tokio::time::timeout(timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unreachable(&format!("no answer within {} ms: timeout", timeout.as_millis()))),
        }
    }

    async fn open(&self, call: Call) -> Result<(u16, Body), ApiError> {
        let mut request = Request::new(Body::from(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.path.parse().map_err(|e| self.unreachable(&format!("{}: {e}", call.path)))?;
        for (name, value) in call.headers {
            let told = || self.unreachable(&format!("the header {name} cannot be sent"));
            let value = HeaderValue::from_str(&value).map_err(|_| told())?;
            request.headers_mut().insert(HeaderName::try_from(&name).map_err(|_| told())?, value);
        }
        if let Some(moment) = self.moment {
            request.headers_mut().insert(MOMENT, HeaderValue::from(moment));
        }
        request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static(JSON));
        let answer = self.client.send(request).await.map_err(|e| match e {
            kube::Error::Service(inner) => self.unreachable(&causes(inner.as_ref())),
            other => self.unreachable(&causes(&other)),
        })?;
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    fn unreachable(&self, why: &str) -> ApiError {
        ApiError::Unreachable(format!("the cluster at {} does not answer: {why}", self.address))
    }

    /// Sends JSON (nothing for null) and takes JSON; a refusal is an error.
    pub async fn send(&self, method: Method, path: &str, media: &str, body: &Value) -> Result<Value, ApiError> {
        let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let headers = if body.is_null() { vec![] } else { vec![(CONTENT_TYPE.to_string(), media.to_owned())] };
        let answer = self.call(Call { method, path: path.to_owned(), headers, body: bytes, timeout: None }).await?;
        if answer.code >= 400 {
            return Err(refusal(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|e| self.unreachable(&format!("{path}: what came is no JSON: {e}")))
    }

    /// Reads an object.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::GET, path, JSON, &Value::Null).await
    }

    /// Makes an object.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, JSON, object).await
    }

    /// Patches an object; `media` says how the patch is read.
    pub async fn patch(&self, path: &str, media: &str, patch: &Value) -> Result<Value, ApiError> {
        self.send(Method::PATCH, path, media, patch).await
    }

    /// Deletes an object.
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value, ApiError> {
        self.send(Method::DELETE, path, JSON, options).await
    }

    /// All objects of a path, in pages, each given to `take`, and the list's version.
    pub async fn list(&self, path: &str, query: &str, take: &mut (dyn FnMut(Value) + Send)) -> Result<String, ApiError> {
        let mut going_on = String::new();
        loop {
            let more = if going_on.is_empty() { String::new() } else { format!("&continue={going_on}") };
            let mut page = self.get(&format!("{path}?limit={PAGE}{query}{more}")).await?;
            if let Some(items) = page.get_mut("items").and_then(Value::as_array_mut) {
                std::mem::take(items).into_iter().for_each(&mut *take);
            }
            let word = |name: &str| page.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).unwrap_or_default().to_owned();
            going_on = encode(&word("continue"));
            if going_on.is_empty() {
                return Ok(word("resourceVersion"));
            }
        }
    }

    /// The objects of a path as they are now, in order of their names.
    pub async fn objects(&self, path: &str, selector: &str) -> Result<Vec<Value>, ApiError> {
        let query = if selector.is_empty() { String::new() } else { format!("&labelSelector={}", encode(selector)) };
        let mut found = Vec::new();
        self.list(path, &query, &mut |object| found.push(object)).await?;
        found.sort_by_key(|object| name_of(object).to_owned());
        Ok(found)
    }

    /// Opens a watch: its path with the query.
    pub async fn watch(&self, path: &str) -> Result<Lines, ApiError> {
        let call = Call { path: path.to_owned(), ..Call::default() };
        let opened = tokio::time::timeout(ANSWER_TIME_MAX, self.open(call));
        let (code, mut body) = opened.await.map_err(|_| self.unreachable("no answer to a watch"))??;
        if code < 400 {
            return Ok(Lines { body, read: vec![] });
        }
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        Err(refusal(&Answer { code, body: bytes }))
    }
}

/// The lines of a watch.
pub struct Lines {
    body: Body,
    read: Vec<u8>,
}

impl Lines {
    /// The next whole line; nothing when the watch has ended, for whatever reason. What was cut is dropped.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.read.iter().position(|b| *b == b'\n') {
                let rest = self.read.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                return Some(line);
            }
            if self.read.len() > LINE_BYTES_MAX {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}

/// An object's name.
pub fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// What the server says when it refuses.
pub fn refusal(answer: &Answer) -> ApiError {
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!({"message": answer.text().trim()}));
    let word = |name: &str| status.get(name).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    ApiError::Refused {
        code: answer.code,
        reason: word("reason").unwrap_or_else(|| answer.code.to_string()),
        message: word("message").unwrap_or_else(|| "the server gave no reason".into()),
    }
}

/// Text as it stands in a query.
pub fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// An error with what led to it, each cause once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        at = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_query_is_encoded() {
        assert_eq!(encode("app in (a,b)"), "app%20in%20%28a%2Cb%29");
    }

    #[test]
    fn a_refusal_tells_the_servers_words() {
        let body = br#"{"kind":"Status","reason":"Forbidden","message":"no"}"#.to_vec();
        assert_eq!(refusal(&Answer { code: 403, body }).to_string(), "Error from server (Forbidden): no");
        assert!(refusal(&Answer { code: 502, body: b"bad gateway".to_vec() }).to_string().contains("bad gateway"));
    }
}
