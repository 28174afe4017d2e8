//! Autoscalers. Source: pkg/apis/autoscaling/v2/defaults.go.

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, MetricSpec, MetricTarget, ResourceMetricSource,
};

const SCALE_DOWN_WINDOW: Option<i32> = None;

/// Defaults of an autoscaler.
pub fn default_autoscaler(autoscaler: &mut HorizontalPodAutoscaler) {
    let spec = &mut autoscaler.spec;
    spec.min_replicas.get_or_insert(1);
    if spec.metrics.as_ref().is_none_or(Vec::is_empty) {
        spec.metrics = Some(vec![default_metric()]);
    }
    if let Some(behavior) = spec.behavior.as_mut() {
        let up = behavior.scale_up.get_or_insert_default();
        rules(up, Some(0), &[("Pods", 4), ("Percent", 100)]);
        let down = behavior.scale_down.get_or_insert_default();
        rules(down, SCALE_DOWN_WINDOW, &[("Percent", 100)]);
    }
}

fn default_metric() -> MetricSpec {
    let target = MetricTarget { type_: "Utilization".into(), average_utilization: Some(80), ..Default::default() };
    let resource = ResourceMetricSource { name: "cpu".into(), target };
    MetricSpec { type_: "Resource".into(), resource: Some(resource), ..Default::default() }
}

fn rules(rules: &mut HPAScalingRules, window: Option<i32>, policies: &[(&str, i32)]) {
    rules.select_policy.get_or_insert_with(|| "Max".into());
    if rules.stabilization_window_seconds.is_none() {
        rules.stabilization_window_seconds = window;
    }
    rules.policies.get_or_insert_with(|| {
        policies.iter().map(|(kind, value)| HPAScalingPolicy { type_: (*kind).into(), value: *value, period_seconds: 15 }).collect()
    });
}
