//! Objects name each other; when a name changes, those who name it are changed too.
//! Which field names an object of which kind follows kustomize's table of name references.

use serde_json::Value;

use super::Item;

/// Lets every reference to an object by a name it once had say the name it has now.
pub fn mend(items: &mut [Item]) {
    let renamed: Vec<(String, Vec<String>, String)> =
        items.iter().filter(|i| !i.names.is_empty()).map(|i| (i.kind().to_owned(), i.names.clone(), i.name().to_owned())).collect();
    let now = |kind: &str, name: &str| {
        renamed.iter().find(|(k, names, _)| k == kind && names.iter().any(|n| n == name)).map(|(.., now)| now.clone())
    };
    for item in items.iter_mut() {
        let own = item.value.get("metadata").cloned();
        walk(&mut item.value, "", &now);
        if let Some(own) = own {
            item.value["metadata"] = own;
        }
    }
}

fn walk(value: &mut Value, parent: &str, now: &dyn Fn(&str, &str) -> Option<String>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| walk(v, parent, now)),
        Value::Object(map) => {
            let named_kind = map.get("kind").and_then(Value::as_str).map(str::to_owned);
            for (key, inner) in map.iter_mut() {
                let kind = kind_of(parent, key, named_kind.as_deref());
                let changed = kind.and_then(|k| now(&k, inner.as_str()?));
                match changed {
                    Some(name) => *inner = name.into(),
                    None => walk(inner, key, now),
                }
            }
        }
        _ => {}
    }
}

/// The kind that a field names, if it names an object.
fn kind_of(parent: &str, key: &str, named_kind: Option<&str>) -> Option<String> {
    let kind = match (parent, key) {
        ("configMapRef" | "configMapKeyRef" | "configMap", "name") => "ConfigMap",
        ("secretRef" | "secretKeyRef" | "secret" | "imagePullSecrets", "name") | (_, "secretName") => "Secret",
        (_, "claimName") => "PersistentVolumeClaim",
        (_, "serviceAccountName" | "serviceAccount") => "ServiceAccount",
        ("service" | "backend", "name") | (_, "serviceName") => "Service",
        (_, "priorityClassName") => "PriorityClass",
        (_, "storageClassName") => "StorageClass",
        (_, "volumeName") => "PersistentVolume",
        ("scaleTargetRef" | "roleRef" | "subjects" | "targetRef", "name") => return named_kind.map(str::to_owned),
        _ => return None,
    };
    Some(kind.to_owned())
}
