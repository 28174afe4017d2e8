//! The `pod-template-hash` of a Deployment's replica sets.
//! Kubernetes hashes the text that a Go printer makes of the whole template, with every field in the order of the Go
//! structs; `fields.txt` is that order for v1.36. A field added in another version changes every hash.
//! Source: pkg/controller/controller_utils.go (ComputeHash), k8s.io/utils/dump, rand.SafeEncodeString.

mod dump;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use crate::names::safe_encode;

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// FNV-1a over what is written.
#[derive(Clone, Copy, Debug)]
struct Fnv1a(u32);

impl Fnv1a {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(PRIME);
        }
    }
}

/// The hash of a template (as stored: with defaults, without the hash label) and a collision count.
pub fn compute_hash(template: &PodTemplateSpec, collision_count: Option<i32>) -> String {
    let value = serde_json::to_value(template).unwrap_or_default();
    let mut hash = Fnv1a(OFFSET);
    dump::template(&value, &mut |text| hash.write(text.as_bytes()));
    if let Some(count) = collision_count {
        hash.write(&count.to_le_bytes());
        hash.write(&[0; 4]);
    }
    safe_encode(&hash.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(template: Value, collisions: Option<i32>, expected: &str) {
        let mut template: PodTemplateSpec = serde_json::from_value(template.clone()).unwrap();
        crate::defaults::default_pod_template(&mut template);
        assert_eq!(compute_hash(&template, collisions), expected, "{template:?}");
    }

    #[test]
    fn hashes_are_those_of_a_real_cluster() {
        for line in include_str!("../../tests/hash-vectors.jsonl").lines() {
            let vector: Value = serde_json::from_str(line).unwrap();
            check(vector["template"].clone(), None, vector["hash"].as_str().unwrap());
        }
    }

    #[test]
    fn a_collision_count_changes_the_hash() {
        let nginx = json!({"metadata": {"labels": {"app": "nginx"}}, "spec": {"containers": [{"name": "nginx", "image": "nginx"}]}});
        check(nginx.clone(), None, "7f8fbb96d");
        check(nginx.clone(), Some(0), "646474d8d4");
        check(nginx, Some(1), "79dbfc4f57");
    }
}
