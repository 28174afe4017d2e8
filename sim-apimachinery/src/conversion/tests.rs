//! Autoscalers and events at their other versions, as a real API server shows them.

use serde_json::json;

use super::*;

#[test]
fn other_metrics_and_behavior_become_annotations() {
    let held = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "conv"},
        "spec": {
            "maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
            "metrics": [
                {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}}},
                {"type": "Object", "object": {
                    "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
                    "metric": {"name": "q", "selector": {"matchLabels": {"a": "b"}}}, "target": {"type": "Value", "value": "10"}}},
            ],
            "behavior": {"scaleDown": {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]}},
        },
        "status": {"desiredReplicas": 0}
    });
    let served = from_held(Kind::HorizontalPodAutoscaler, "autoscaling/v1", held.clone());
    let annotations = &served["metadata"]["annotations"];
    assert_eq!(
        annotations["autoscaling.alpha.kubernetes.io/metrics"],
        r#"[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"100Mi"}},{"type":"Object","object":{"target":{"kind":"Service","name":"s","apiVersion":"v1"},"metricName":"q","targetValue":"10","selector":{"matchLabels":{"a":"b"}}}}]"#
    );
    assert_eq!(
        annotations["autoscaling.alpha.kubernetes.io/behavior"],
        r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":1,"PeriodSeconds":30}],"Tolerance":null}}"#
    );
    let mut back = to_held(Kind::HorizontalPodAutoscaler, "autoscaling/v1", served);
    back["status"].as_object_mut().unwrap().remove("currentReplicas");
    assert_eq!(back, held);
}

#[test]
fn a_cpu_target_is_a_field() {
    let sent = json!({"metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/metrics": "garbage"}}, "spec": {"maxReplicas": 3}});
    let held = to_held(Kind::HorizontalPodAutoscaler, "autoscaling/v1", sent);
    assert_eq!(held["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
    assert_eq!(held["metadata"], json!({}));
    let served = from_held(Kind::HorizontalPodAutoscaler, "autoscaling/v1", held);
    assert_eq!(served["spec"]["targetCPUUtilizationPercentage"], 80);
}

#[test]
fn what_is_measured_travels_in_an_annotation() {
    let held = json!({"metadata": {}, "status": {"desiredReplicas": 2, "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 42}}}]}});
    let served = from_held(Kind::HorizontalPodAutoscaler, "autoscaling/v1", held);
    assert_eq!(served["status"]["currentCPUUtilizationPercentage"], 42);
    assert_eq!(
        served["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/current-metrics"],
        r#"[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":42,"currentAverageValue":"0"}}]"#
    );
}

#[test]
fn an_event_keeps_its_other_names() {
    let sent =
        json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "regarding": {"name": "p"}, "note": "n", "reportingController": "c"});
    let held = to_held(Kind::Event, "events.k8s.io/v1", sent.clone());
    assert_eq!(held["involvedObject"]["name"], "p");
    assert_eq!(held["apiVersion"], "v1");
    assert_eq!(from_held(Kind::Event, "events.k8s.io/v1", held), sent);
}
