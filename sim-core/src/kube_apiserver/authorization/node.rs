//! What a kubelet may do (`--authorization-mode=Node`): read what the pods on its node need, write its own node, lease
//! and CSI node, and what every node may. Users are kubelets when they are `system:node:NAME` in group `system:nodes`.
//! Relations between a node and objects are looked up when asked (`node_relations`), not kept as a graph.
//! Source: plugin/pkg/auth/authorizer/node.

use sim_apimachinery::UserInfo;

use super::rbac::rule_allows;
use super::{Attributes, Decision};
use crate::kube_apiserver::{ApiServer, bootstrap};

/// Where kubelets renew their leases.
const NODE_LEASES: &str = "kube-node-lease";

/// The node that a user is the kubelet of, possibly empty.
pub fn node_identity(user: &UserInfo) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:")?;
    user.groups.iter().any(|g| g == "system:nodes").then_some(name)
}

impl ApiServer {
    pub(super) fn authorize_node(&self, asked: &Attributes) -> Decision {
        let Some(node) = node_identity(&asked.user) else { return Decision::no_opinion("") };
        if node.is_empty() {
            return Decision::no_opinion(format!("unknown node for user {:?}", asked.user.name));
        }
        if asked.is_resource
            && let Some(decision) = self.authorize_node_resource(node, asked)
        {
            return decision;
        }
        let allowed = bootstrap::node_rules().iter().any(|rule| rule_allows(rule, asked));
        Decision { allowed, reason: String::new() }
    }

    /// The resources that are not the same to all nodes; `None` for the others.
    fn authorize_node_resource(&self, node: &str, asked: &Attributes) -> Option<Decision> {
        Some(match (asked.group.as_str(), asked.resource.as_str()) {
            ("", "secrets" | "configmaps") => self.read_related(node, asked),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => self.update_related_status(node, asked),
            ("", "persistentvolumeclaims" | "persistentvolumes")
            | ("resource.k8s.io", "resourceclaims")
            | ("storage.k8s.io", "volumeattachments") => self.get_related(node, asked),
            ("", "serviceaccounts") => self.service_account(node, asked),
            ("coordination.k8s.io", "leases") => lease(node, asked),
            ("storage.k8s.io", "csinodes") => csi_node(node, asked),
            ("resource.k8s.io", "resourceslices") => self.resource_slice(node, asked),
            ("", "nodes") => own_node(node, asked),
            ("", "pods") => self.pod(node, asked),
            // PodCertificateRequests are beta and off, so the node authorizer has no opinion of them.
            ("certificates.k8s.io", "podcertificaterequests") => Decision::no_opinion(""),
            _ => return None,
        })
    }

    fn read_related(&self, node: &str, asked: &Attributes) -> Decision {
        if !matches!(asked.verb.as_str(), "get" | "list" | "watch") {
            return Decision::no_opinion("can only read resources of this type");
        }
        if !asked.subresource.is_empty() {
            return Decision::no_opinion("cannot read subresource");
        }
        if asked.namespace.is_empty() {
            return Decision::no_opinion("can only read namespaced object of this type");
        }
        self.related(node, asked)
    }

    fn get_related(&self, node: &str, asked: &Attributes) -> Decision {
        if asked.verb != "get" {
            return Decision::no_opinion("can only get individual resources of this type");
        }
        if !asked.subresource.is_empty() {
            return Decision::no_opinion("cannot get subresource");
        }
        self.related(node, asked)
    }

    fn update_related_status(&self, node: &str, asked: &Attributes) -> Decision {
        if !matches!(asked.verb.as_str(), "update" | "patch") {
            return Decision::no_opinion("can only get/update/patch this type");
        }
        self.related(node, asked)
    }

    fn related(&self, node: &str, asked: &Attributes) -> Decision {
        if asked.name.is_empty() {
            return Decision::no_opinion("No Object name found");
        }
        if self.is_related(node, asked) {
            return Decision::allow(String::new());
        }
        Decision::no_opinion(format!("no relationship found between node '{node}' and this object"))
    }

    /// Kubelets read the accounts of their pods for credential providers, and make tokens for them.
    fn service_account(&self, node: &str, asked: &Attributes) -> Decision {
        if asked.verb == "get" && asked.subresource.is_empty() {
            return self.read_related(node, asked);
        }
        if asked.verb != "create" || asked.name.is_empty() {
            return Decision::no_opinion("can only create tokens for individual service accounts");
        }
        if asked.subresource != "token" {
            return Decision::no_opinion("can only create token subresource of serviceaccount");
        }
        self.related(node, asked)
    }

    fn resource_slice(&self, node: &str, asked: &Attributes) -> Decision {
        if !asked.subresource.is_empty() {
            return Decision::no_opinion("cannot authorize ResourceSlice subresources");
        }
        match asked.verb.as_str() {
            "create" => Decision::allow(String::new()),
            "get" | "update" | "patch" | "delete" => self.related(node, asked),
            "watch" | "list" | "deletecollection" if selects(asked, "spec.nodeName", node) => Decision::allow(String::new()),
            "watch" | "list" | "deletecollection" => {
                Decision::no_opinion("can only list/watch/deletecollection resourceslices with nodeName field selector")
            }
            _ => Decision::no_opinion(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
            ),
        }
    }

    fn pod(&self, node: &str, asked: &Attributes) -> Decision {
        match (asked.subresource.as_str(), asked.verb.as_str()) {
            ("", "get") => self.related(node, asked),
            ("", "list" | "watch") if selects(asked, "spec.nodeName", node) => Decision::allow(String::new()),
            ("", "list" | "watch") if !asked.name.is_empty() => self.related(node, asked),
            ("", "list" | "watch") => Decision::no_opinion("can only list/watch pods with spec.nodeName field selector"),
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Decision::allow(String::new()),
            _ => Decision::no_opinion(""),
        }
    }
}

fn selects(asked: &Attributes, field: &str, value: &str) -> bool {
    asked.field_equals.iter().any(|(f, v)| f == field && v == value)
}

fn lease(node: &str, asked: &Attributes) -> Decision {
    if !matches!(asked.verb.as_str(), "get" | "create" | "update" | "patch" | "delete") {
        return Decision::no_opinion("can only get, create, update, patch, or delete a node lease");
    }
    if asked.namespace != NODE_LEASES {
        return Decision::no_opinion(format!("can only access leases in the {NODE_LEASES:?} system namespace"));
    }
    if asked.verb != "create" && asked.name != node {
        return Decision::no_opinion("can only access node lease with the same name as the requesting node");
    }
    Decision::allow(String::new())
}

fn csi_node(node: &str, asked: &Attributes) -> Decision {
    if !matches!(asked.verb.as_str(), "get" | "create" | "update" | "patch" | "delete") {
        return Decision::no_opinion("can only get, create, update, patch, or delete a CSINode");
    }
    if !asked.subresource.is_empty() {
        return Decision::no_opinion("cannot authorize CSINode subresources");
    }
    if asked.verb != "create" && asked.name != node {
        return Decision::no_opinion("can only access CSINode with the same name as the requesting node");
    }
    Decision::allow(String::new())
}

fn own_node(node: &str, asked: &Attributes) -> Decision {
    match (asked.subresource.as_str(), asked.verb.as_str()) {
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Decision::allow(String::new()),
        ("", "get" | "list" | "watch") if asked.name == node => Decision::allow(String::new()),
        ("", "get" | "list" | "watch") if asked.name.is_empty() => {
            Decision::no_opinion(format!("node '{node}' cannot read all nodes, only its own Node object"))
        }
        ("", "get" | "list" | "watch") => {
            Decision::no_opinion(format!("node '{node}' cannot read '{}', only its own Node object", asked.name))
        }
        _ => Decision::no_opinion(""),
    }
}
