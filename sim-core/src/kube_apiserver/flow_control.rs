//! API priority and fairness, as far as clients see it: which flow schema a request belongs to, and its priority level.
//! Flow schemas are tried by their precedence; the first with a rule for the request's user and what it asks decides.
//! Not modelled: queues, seats and refusals. A simulated server is never too busy.
//! Source: apiserver/pkg/util/flowcontrol/rule.go.

use k8s_openapi::api::flowcontrol::v1::{
    FlowSchema, NonResourcePolicyRule, PolicyRulesWithSubjects, PriorityLevelConfiguration, ResourcePolicyRule, Subject,
};
use sim_apimachinery::{Kind, ObjectKey, Typed, UserInfo};

use super::ApiServer;
use super::authorization::{Attributes, service_account_of};

/// Where a request belongs: the uids of its flow schema and its priority level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Uid of the flow schema.
    pub flow_schema: String,
    /// Uid of the priority level.
    pub priority_level: String,
}

impl ApiServer {
    /// Where a request belongs; `None` if no flow schema is for it, or its priority level is not there.
    pub fn classify(&self, asked: &Attributes) -> Option<Classification> {
        let schemas = self.etcd.list(Kind::FlowSchema, "").filter_map(FlowSchema::from_object);
        let fitting = schemas.filter(|s| s.spec.iter().flat_map(|s| s.rules.iter().flatten()).any(|rule| fits(rule, asked)));
        let precedence = |s: &FlowSchema| s.spec.as_ref().and_then(|s| s.matching_precedence).unwrap_or(1000);
        let schema = fitting.min_by_key(|s| (precedence(s), s.metadata.name.clone()))?;
        let level = &schema.spec.as_ref()?.priority_level_configuration.name;
        let level = self.etcd.get(&ObjectKey::new(PriorityLevelConfiguration::KIND, "", level))?;
        Some(Classification { flow_schema: schema.metadata.uid.clone()?, priority_level: level.uid().to_owned() })
    }
}

fn fits(rule: &PolicyRulesWithSubjects, asked: &Attributes) -> bool {
    let about = if asked.is_resource {
        rule.resource_rules.iter().flatten().any(|r| fits_resource(r, asked))
    } else {
        rule.non_resource_rules.iter().flatten().any(|r| fits_path(r, asked))
    };
    about && rule.subjects.iter().any(|subject| fits_subject(subject, &asked.user))
}

fn fits_subject(subject: &Subject, user: &UserInfo) -> bool {
    let (name, group, account) = (&subject.user, &subject.group, &subject.service_account);
    match subject.kind.as_str() {
        "User" => name.as_ref().is_some_and(|u| u.name == "*" || u.name == user.name),
        "Group" => group.as_ref().is_some_and(|g| g.name == "*" || user.groups.contains(&g.name)),
        "ServiceAccount" => account.as_ref().is_some_and(|a| {
            service_account_of(&user.name).is_some_and(|(namespace, name)| namespace == a.namespace && (a.name == "*" || a.name == name))
        }),
        _ => false,
    }
}

fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|w| w == "*" || w == word)
}

fn fits_resource(rule: &ResourcePolicyRule, asked: &Attributes) -> bool {
    let resource = if asked.subresource.is_empty() { asked.resource.clone() } else { format!("{}/{}", asked.resource, asked.subresource) };
    let scope = match asked.namespace.as_str() {
        "" => rule.cluster_scope == Some(true),
        namespace => has(rule.namespaces.as_deref().unwrap_or_default(), namespace),
    };
    scope && has(&rule.verbs, &asked.verb) && has(&rule.api_groups, &asked.group) && has(&rule.resources, &resource)
}

fn fits_path(rule: &NonResourcePolicyRule, asked: &Attributes) -> bool {
    let matches = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => asked.path.starts_with(prefix),
        None => *pattern == asked.path,
    };
    has(&rule.verbs, &asked.verb) && rule.non_resource_urls.iter().any(matches)
}
