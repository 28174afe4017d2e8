//! Bindings of roles: the API groups of what they name. Source: pkg/apis/rbac/v1/defaults.go.

use k8s_openapi::api::rbac::v1::{RoleRef, Subject};

use super::fill;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Defaults of a binding, of either scope.
pub fn default_binding(role: &mut RoleRef, subjects: &mut Option<Vec<Subject>>) {
    fill(&mut role.api_group, GROUP);
    for subject in subjects.iter_mut().flatten().filter(|s| matches!(s.kind.as_str(), "User" | "Group")) {
        fill(&mut subject.api_group, GROUP);
    }
}
