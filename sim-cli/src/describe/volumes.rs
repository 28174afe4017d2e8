//! Volumes of pods and persistent volumes: what they are made of.
//! Sources that exist only on real clouds are shown by their name and fields.

use serde_json::Value;

use super::page::Page;
use super::view::{flag, items, or, pairs, plain, text};

/// The volumes of a pod or template.
pub fn volumes(page: &mut Page, volumes: &[Value], indented: bool) {
    let space = if indented { "  " } else { "" };
    page.line(0, format!("{space}Volumes:{}", if volumes.is_empty() { "\t<none>" } else { "" }));
    for volume in volumes {
        page.line(1, format!("{}{}:", if indented { " " } else { "" }, text(volume, "/name")));
        let source = volume.as_object().into_iter().flatten().find(|(k, _)| *k != "name");
        match source {
            Some((kind, source)) => volume_source(page, kind, source),
            None => page.line(1, "<unknown>"),
        }
    }
}

/// One volume's source.
pub fn volume_source(page: &mut Page, kind: &str, source: &Value) {
    let (words, fields): (&str, Vec<(&str, String)>) = match kind {
        "hostPath" => (
            "HostPath (bare host directory volume)",
            vec![("Path", text(source, "/path").into()), ("HostPathType", or(source, "/type", "<none>").into())],
        ),
        "emptyDir" => (
            "EmptyDir (a temporary directory that shares a pod's lifetime)",
            vec![("Medium", text(source, "/medium").into()), ("SizeLimit", or(source, "/sizeLimit", "<unset>").into())],
        ),
        "secret" => (
            "Secret (a volume populated by a Secret)",
            vec![("SecretName", text(source, "/secretName").into()), ("Optional", flag(source, "/optional").to_string())],
        ),
        "configMap" => (
            "ConfigMap (a volume populated by a ConfigMap)",
            vec![("Name", text(source, "/name").into()), ("Optional", flag(source, "/optional").to_string())],
        ),
        "persistentVolumeClaim" => (
            "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
            vec![("ClaimName", text(source, "/claimName").into()), ("ReadOnly", flag(source, "/readOnly").to_string())],
        ),
        "nfs" => (
            "NFS (an NFS mount that lasts the lifetime of a pod)",
            vec![
                ("Server", text(source, "/server").into()),
                ("Path", text(source, "/path").into()),
                ("ReadOnly", flag(source, "/readOnly").to_string()),
            ],
        ),
        "local" => ("LocalVolume (a persistent volume backed by local storage on a node)", vec![("Path", text(source, "/path").into())]),
        "projected" => return projected(page, source),
        "downwardAPI" => return downward(page, source),
        other => (other, vec![]),
    };
    page.line(2, format!("Type:\t{words}"));
    fields.iter().for_each(|(title, value)| page.line(2, format!("{title}:\t{value}")));
    if fields.is_empty() {
        pairs(source, "").iter().for_each(|(title, value)| page.line(2, format!("{title}:\t{value}")));
    }
}

fn projected(page: &mut Page, source: &Value) {
    page.line(2, "Type:\tProjected (a volume that contains injected data from multiple sources)");
    for part in items(source, "/sources") {
        if let Some(secret) = part.get("secret") {
            page.line(2, format!("SecretName:\t{}", text(secret, "/name")));
            page.line(2, format!("Optional:\t{}", flag(secret, "/optional")));
        } else if part.get("downwardAPI").is_some() {
            page.line(2, "DownwardAPI:\ttrue");
        } else if let Some(map) = part.get("configMap") {
            page.line(2, format!("ConfigMapName:\t{}", text(map, "/name")));
            page.line(2, format!("Optional:\t{}", flag(map, "/optional")));
        } else if let Some(token) = part.get("serviceAccountToken") {
            page.line(2, format!("TokenExpirationSeconds:\t{}", token.get("expirationSeconds").map_or("3600".into(), plain)));
        }
    }
}

fn downward(page: &mut Page, source: &Value) {
    page.line(2, "Type:\tDownwardAPI (a volume populated by information about the pod)");
    page.line(2, "Items:");
    for item in items(source, "/items") {
        let from = match text(item, "/fieldRef/fieldPath") {
            "" => text(item, "/resourceFieldRef/resource"),
            path => path,
        };
        page.line(3, format!("{from} -> {}", text(item, "/path")));
    }
}
