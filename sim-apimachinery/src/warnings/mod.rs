//! What a user is warned of when an object is stored: fields that are deprecated, ignored, or written in an odd way.
//! The object is valid all the same. Sources: `WarningsOnCreate` and `WarningsOnUpdate` of the strategies in pkg/registry.
//! Those of pods, and of what makes pods, are in `validation::pod::warnings`.

mod core;
mod infrastructure;
mod node_labels;

use crate::object::Object;

/// What to warn of in an object that is stored anew, or, if there is a `current`, over that.
pub fn of(next: &Object, current: Option<&Object>) -> Vec<String> {
    let mut warnings = infrastructure::of(next, current);
    warnings.extend(core::of(next, current));
    warnings
}

/// What to warn of in an object whose status is stored.
pub fn of_status(next: &Object) -> Vec<String> {
    infrastructure::of_status(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use serde_json::json;

    fn warned(kind: Kind, value: serde_json::Value) -> Vec<String> {
        of(&Object::from_json(kind, value).expect("it is written here"), None)
    }

    #[test]
    fn a_service_is_warned_of_what_is_deprecated_and_what_is_ignored() {
        let spec = json!({
            "type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "externalIPs": ["1.2.3.4"], "sessionAffinity": "ClientIP",
            "trafficDistribution": "PreferClose",
        });
        let found = warned(Kind::Service, json!({"metadata": {"name": "a"}, "spec": spec}));
        let texts = [
            "spec.externalIPs is ignored for headless services",
            "spec.SessionAffinity is ignored for headless services",
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        ];
        assert_eq!(found, texts);
    }

    #[test]
    fn an_ingress_is_warned_of_the_annotation_of_its_class_unless_the_field_says_it_too() {
        let annotations = json!({"kubernetes.io/ingress.class": "x"});
        let old = json!({"metadata": {"name": "a", "annotations": annotations}, "spec": {}});
        assert_eq!(warned(Kind::Ingress, old).len(), 1);
        let both = json!({"metadata": {"name": "a", "annotations": annotations}, "spec": {"ingressClassName": "x"}});
        assert!(warned(Kind::Ingress, both).is_empty());
    }

    #[test]
    fn a_selector_is_warned_of_labels_that_nodes_no_longer_have() {
        let class = json!({"metadata": {"name": "a"}, "handler": "h", "scheduling": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}});
        let text = "scheduling.nodeSelector: deprecated since v1.14; use \"kubernetes.io/os\" instead";
        assert_eq!(warned(Kind::RuntimeClass, class), [text]);
    }
}
