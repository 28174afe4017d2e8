//! Flow schemas and priority levels. Source: pkg/apis/flowcontrol/v1/defaults.go.

use k8s_openapi::api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};

const PRECEDENCE: i32 = 1000;
const HAND_SIZE: i32 = 8;
const QUEUES: i32 = 64;
const QUEUE_LENGTH: i32 = 50;
const SHARES: i32 = 30;

/// A flow schema's precedence.
pub fn default_flow_schema(schema: &mut FlowSchema) {
    fill_zero(&mut schema.spec.get_or_insert_default().matching_precedence, PRECEDENCE);
}

/// A priority level's shares and queues.
pub fn default_priority_level(level: &mut PriorityLevelConfiguration) {
    let Some(spec) = level.spec.as_mut() else { return };
    if let Some(exempt) = spec.exempt.as_mut() {
        exempt.nominal_concurrency_shares.get_or_insert(0);
        exempt.lendable_percent.get_or_insert(0);
    }
    let Some(limited) = spec.limited.as_mut() else { return };
    limited.nominal_concurrency_shares.get_or_insert(SHARES);
    limited.lendable_percent.get_or_insert(0);
    if let Some(queuing) = limited.limit_response.as_mut().and_then(|r| r.queuing.as_mut()) {
        fill_zero(&mut queuing.hand_size, HAND_SIZE);
        fill_zero(&mut queuing.queues, QUEUES);
        fill_zero(&mut queuing.queue_length_limit, QUEUE_LENGTH);
    }
}

fn fill_zero(number: &mut Option<i32>, default: i32) {
    if number.unwrap_or_default() == 0 {
        *number = Some(default);
    }
}
