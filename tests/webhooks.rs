//! Admission webhooks whose answers come from simulated pods, in a scenario: no socket is opened.

use std::sync::Arc;

use sim_apimachinery::{Kind, Object};
use sim_core::scenario;

use crate::play::play;

const STORY: &str = "
apiVersion: ksim.dev/v1
kind: Scenario
metadata: {name: webhook-of-pods}
about: A webhook refuses pods, then nobody answers for it, then nobody minds.
steps:
- at: 0s
  apply:
    objects:
    - apiVersion: apps/v1
      kind: Deployment
      metadata: {name: hook}
      spec:
        replicas: 1
        selector: {matchLabels: {app: hook}}
        template:
          metadata: {labels: {app: hook}}
          spec:
            containers:
            - name: main
              image: admission-webhook:1
              env: [{name: DENY_MESSAGE, value: not on Fridays}]
              readinessProbe: {httpGet: {path: /ready, port: 8443}, periodSeconds: 1}
    - apiVersion: v1
      kind: Service
      metadata: {name: hook}
      spec: {selector: {app: hook}, ports: [{port: 443, targetPort: 8443}]}
- wait: {for: {object: {select: {kind: deployment, name: hook}, like: {status: {availableReplicas: 1}}}}, timeout: 120s}
- after: 2s
  apply:
    objects:
    - apiVersion: admissionregistration.k8s.io/v1
      kind: ValidatingWebhookConfiguration
      metadata: {name: deny}
      webhooks:
      - name: deny.example.com
        sideEffects: None
        admissionReviewVersions: [v1]
        objectSelector: {matchLabels: {app: web}}
        rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
        clientConfig: {service: {namespace: default, name: hook, path: /validate}}
- after: 1s
  apply: {objects: [WEB-first]}
- after: 10s
  scale: {object: {kind: deployment, name: hook}, replicas: 0}
- after: 60s
  apply: {objects: [WEB-second]}
- after: 10s
  patch: {object: {kind: validatingwebhookconfiguration, name: deny}, patch: {webhooks: [{name: deny.example.com, failurePolicy: Ignore}]}}
- after: 1s
  apply: {objects: [WEB-third]}
settle: 30s
";

/// A deployment of one pod that the webhook is asked about.
fn web(name: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}}}, spec: {{replicas: 1, selector: {{matchLabels: {{app: web, d: {name}}}}}, \
         template: {{metadata: {{labels: {{app: web, d: {name}}}}}, spec: {{containers: [{{name: main, image: 'nginx:1.29'}}]}}}}}}}}"
    )
}

#[test]
fn a_webhook_of_simulated_pods_refuses_fails_and_is_ignored() {
    let text = ["first", "second", "third"].iter().fold(STORY.to_owned(), |text, name| text.replace(&format!("WEB-{name}"), &web(name)));
    let loaded = scenario::load("story.yaml", &text, &mut |file: &str| Err(format!("no {file}"))).unwrap_or_else(|p| panic!("{p:?}"));
    let (_, player) = play(&Arc::new(loaded), 1);
    let told = |of: &str| -> Vec<String> {
        let events = player.cluster.etcd().list(Kind::Event, "default").filter_map(|o| match o {
            Object::Event(event) => Some(event),
            _ => None,
        });
        let of_set = events.filter(|e| e.reason.as_deref() == Some("FailedCreate"));
        let of_set = of_set.filter(|e| e.involved_object.name.as_deref().is_some_and(|n| n.starts_with(of)));
        of_set.filter_map(|e| e.message.clone()).collect()
    };
    let refused = "Error creating: admission webhook \"deny.example.com\" denied the request: not on Fridays";
    assert_eq!(told("first").first().map(String::as_str), Some(refused), "{:?}", told("first"));
    let failed = told("second").join("; ");
    let begin = "Error creating: Internal error occurred: failed calling webhook \"deny.example.com\": failed to call webhook: Post \"https://hook.default.svc:443/validate?timeout=10s\": dial tcp 10.96.";
    assert!(failed.starts_with(begin) && failed.contains(":443: connect: connection refused"), "{failed}");
    assert!(told("third").is_empty(), "{:?}", told("third"));
    let pods = player.cluster.etcd().list(Kind::Pod, "default").filter(|p| p.name().starts_with("third")).count();
    assert_eq!(pods, 1, "a webhook that may fail stops nobody");
}
