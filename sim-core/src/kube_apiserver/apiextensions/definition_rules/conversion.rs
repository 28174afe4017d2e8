//! The conversion of a definition. Source: `validateCustomResourceConversion`, apiserver pkg/util/webhook/validation.go.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceConversion, CustomResourceDefinition};
use serde_json::Value;
use sim_apimachinery::names;

use super::super::problems::Problems;

const URL_FORM: &str = "; desired format: https://host[/path]";

pub(super) fn validate(conversion: Option<&CustomResourceConversion>, problems: &mut Problems) {
    let Some(conversion) = conversion else { return };
    let strategy = conversion.strategy.as_str();
    match strategy {
        "" => problems.required("spec.conversion.strategy", ""),
        "None" | "Webhook" => {}
        other => problems.not_supported("spec.conversion.strategy", &Value::from(other), &["None".into(), "Webhook".into()]),
    }
    let client = conversion.webhook.as_ref().and_then(|w| w.client_config.as_ref());
    let versions = conversion.webhook.as_ref().map(|w| w.conversion_review_versions.clone()).unwrap_or_default();
    let config = "spec.conversion.webhookClientConfig";
    if strategy != "Webhook" {
        if client.is_some() {
            problems.forbidden(config, "should not be set when strategy is not set to Webhook");
        }
        if !versions.is_empty() {
            problems.forbidden("spec.conversion.conversionReviewVersions", "should not be set when strategy is not set to Webhook");
        }
        return;
    }
    match client {
        None => problems.required(config, "required when strategy is set to Webhook"),
        Some(client) => match (&client.url, &client.service) {
            (Some(address), None) => url(&format!("{config}.url"), address, problems),
            (None, Some(service)) => {
                let (name, namespace) = (service.name.as_str(), service.namespace.as_str());
                self::service(
                    &format!("{config}.service"),
                    name,
                    namespace,
                    service.path.as_deref(),
                    service.port.unwrap_or(443),
                    problems,
                );
            }
            _ => problems.required(config, "exactly one of url or service is required"),
        },
    }
    review_versions(&versions, problems);
}

/// A definition that is established may not come to trust certificates that are none, if it did not before.
pub(super) fn bundle(crd: &CustomResourceDefinition, old: &CustomResourceDefinition, problems: &mut Problems) {
    let bundle_of = |crd: &CustomResourceDefinition| {
        let client = crd.spec.conversion.as_ref().and_then(|c| c.webhook.as_ref()).and_then(|w| w.client_config.as_ref());
        client.and_then(|c| c.ca_bundle.as_ref()).map(|b| b.0.clone()).unwrap_or_default()
    };
    let conditions = old.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let is_established = conditions.filter(|c| c.type_ == "Established").any(|c| c.status == "True");
    let (before, after) = (bundle_of(old), bundle_of(crd));
    if !is_established || after.is_empty() || holds_certificate(&after) || !before.is_empty() && !holds_certificate(&before) {
        return;
    }
    let bytes: Vec<String> = after.iter().map(|byte| format!("{byte:#x}")).collect();
    let shown = format!("[]byte{{{}}}", bytes.join(", "));
    let why = "unable to load root certificates: unable to parse bytes as PEM block";
    problems.invalid_raw("spec.conversion.webhookClientConfig.caBundle", &shown, why);
}

/// Whether a text in PEM has a certificate, as far as its framing tells.
fn holds_certificate(bundle: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bundle);
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let mut insides = blocks.filter_map(|block| block.split("-----END CERTIFICATE-----").next());
    insides.any(|inside| {
        let encoded: String = inside.split_whitespace().collect();
        sim_cel::base64_bytes(&encoded).is_some_and(|bytes| bytes.first() == Some(&0x30))
    })
}

fn review_versions(versions: &[String], problems: &mut Problems) {
    let at = "spec.conversion.conversionReviewVersions";
    if versions.is_empty() {
        return problems.required(at, "");
    }
    for (index, version) in versions.iter().enumerate() {
        if versions[..index].contains(version) {
            problems.invalid_text(&format!("{at}[{index}]"), version, "duplicate version");
            continue;
        }
        for wrong in names::dns1035_label(version) {
            problems.invalid_text(&format!("{at}[{index}]"), version, &wrong);
        }
    }
    if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        problems.invalid(at, &Value::from(versions), "must include at least one of v1, v1beta1");
    }
}

/// The address of a webhook. Source: `ValidateWebhookURL` in apiserver pkg/util/webhook/validation.go, net/url.
pub(crate) fn url(at: &str, address: &str, problems: &mut Problems) {
    let (scheme, rest) = match scheme(address) {
        Ok(found) => found,
        Err(why) => return problems.required(at, &format!("url must be a valid URL: parse {address:?}: {why}{URL_FORM}")),
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.strip_prefix("//").map_or("", |rest| rest.split('/').next().unwrap_or_default());
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if scheme != "https" {
        problems.invalid_text(at, &scheme, &format!("'https' is the only allowed URL scheme{URL_FORM}"));
    }
    if host.is_empty() {
        problems.invalid_text(at, "", &format!("host must be specified{URL_FORM}"));
    }
    if let Some(user) = user {
        problems.invalid_text(at, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        problems.invalid_text(at, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        problems.invalid_text(at, query, "query parameters are not permitted in the URL");
    }
}

/// The scheme of an address, in small letters, and what follows the colon; or why it is no address.
fn scheme(address: &str) -> Result<(String, &str), &'static str> {
    if address.chars().any(|c| c.is_ascii_control()) {
        return Err("net/url: invalid control character in URL");
    }
    match address.split_once(':') {
        Some(("", _)) => Err("missing protocol scheme"),
        Some((scheme, rest)) if is_scheme(scheme) => Ok((scheme.to_ascii_lowercase(), rest)),
        Some((first, _)) if !first.contains(['/', '?', '#']) => Err("first path segment in URL cannot contain colon"),
        _ => Ok((String::new(), address)),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// The service of a webhook.
pub(crate) fn service(at: &str, name: &str, namespace: &str, path: Option<&str>, port: i32, problems: &mut Problems) {
    if name.is_empty() {
        problems.required(&format!("{at}.name"), "service name is required");
    }
    if namespace.is_empty() {
        problems.required(&format!("{at}.namespace"), "service namespace is required");
    }
    if !(1..=65_535).contains(&port) {
        problems.invalid(&format!("{at}.port"), &Value::from(port), "port is not valid: must be between 1 and 65535, inclusive");
    }
    let Some(path) = path.filter(|p| *p != "/" && !p.is_empty()) else { return };
    let at = format!("{at}.path");
    if path == "//" {
        return problems.invalid_text(&at, path, "segment[0] may not be empty");
    }
    if !path.starts_with('/') {
        problems.invalid_text(&at, path, "must start with a '/'");
    }
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    for (index, step) in trimmed.split('/').skip(1).enumerate() {
        if step.is_empty() {
            problems.invalid_text(&at, path, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for wrong in names::dns1123_subdomain(step) {
            problems.invalid_text(&at, path, &format!("segment[{index}]: {wrong}"));
        }
    }
}

/// How a webhook is reached: by its address or as a service.
pub(crate) fn client_config(config: &Value, at: &str, problems: &mut Problems) {
    let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (config.get("url").and_then(Value::as_str), config.get("service")) {
        (Some(address), None) => url(&format!("{at}.url"), address, problems),
        (None, Some(s)) => {
            let port = s.get("port").and_then(Value::as_i64).and_then(|p| i32::try_from(p).ok()).unwrap_or(443);
            let path = s.get("path").and_then(Value::as_str);
            service(&format!("{at}.service"), &text(s, "name"), &text(s, "namespace"), path, port, problems);
        }
        _ => problems.required(at, "exactly one of url or service is required"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_established_definition_takes_no_bundle_without_certificates() {
        let crd = |bundle: &str, established: &str| -> CustomResourceDefinition {
            let webhook = serde_json::json!({"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://h", "caBundle": bundle}});
            let names = serde_json::json!({"plural": "things", "kind": "Thing"});
            let spec = serde_json::json!({"group": "g", "names": names, "scope": "Cluster", "versions": [], "conversion": {"strategy": "Webhook", "webhook": webhook}});
            let conditions = serde_json::json!([{"type": "Established", "status": established}]);
            serde_json::from_value(serde_json::json!({"metadata": {}, "spec": spec, "status": {"conditions": conditions}}))
                .expect("a definition")
        };
        let told = |old: &CustomResourceDefinition, new: &CustomResourceDefinition| {
            let mut problems = Problems::default();
            bundle(new, old, &mut problems);
            problems.0.into_iter().map(|c| c.message).collect::<Vec<_>>()
        };
        let why = "Invalid value: []byte{0x61, 0x62}: unable to load root certificates: unable to parse bytes as PEM block";
        assert_eq!(told(&crd("", "True"), &crd("YWI=", "True")), [why]);
        assert!(told(&crd("", "False"), &crd("YWI=", "False")).is_empty(), "it is not established yet");
        assert!(told(&crd("YQ==", "True"), &crd("YWI=", "True")).is_empty(), "it was wrong before");
    }

    #[test]
    fn addresses_of_webhooks_are_read_as_go_reads_them() {
        let told = |address: &str| {
            let mut problems = Problems::default();
            url("url", address, &mut problems);
            problems.0.into_iter().map(|c| c.message).collect::<Vec<_>>()
        };
        let form = "; desired format: https://host[/path]";
        assert!(told("https://h.example:8443/path").is_empty());
        assert_eq!(told(":"), [format!("Required value: url must be a valid URL: parse \":\": missing protocol scheme{form}")]);
        assert_eq!(told("http://h"), [format!("Invalid value: \"http\": 'https' is the only allowed URL scheme{form}")]);
        assert_eq!(told("https://u@h"), ["Invalid value: \"u\": user information is not permitted in the URL"]);
        assert_eq!(told("h/x").len(), 2);
    }
}
