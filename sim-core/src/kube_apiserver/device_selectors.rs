//! Expressions that select devices, in classes and claims: they must compile and say yes or no.
//! Sources: `validateCELSelector` in pkg/apis/resource/validation, k8s.io/dynamic-resource-allocation/cel/compile.go.
//! Not modelled: lists as attributes, a feature that is off.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::api::resource::v1::{DeviceClaim, DeviceSelector};
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::path::Path;
use sim_apimachinery::{Cause, Object};
use sim_cel::{ObjectType, Program, Sized, Type, Variables};

/// Longer ones are refused unread.
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const COST_MAX: u64 = 1_000_000;

/// What is wrong with the selectors of an object. Those that an older state has are not compiled again.
pub fn errors(object: &Object, old: Option<&Object>) -> Vec<Cause> {
    let mut errors = Errors::new();
    match (object, old) {
        (Object::DeviceClass(class), Some(Object::DeviceClass(old))) if class.spec.selectors == old.spec.selectors => {}
        (Object::DeviceClass(class), _) => {
            selectors(class.spec.selectors.as_deref(), &Path::root("spec").child("selectors"), &mut errors);
        }
        (Object::ResourceClaim(claim), None) => {
            claim.spec.devices.iter().for_each(|devices| requests(devices, &Path::root("spec").child("devices"), &mut errors));
        }
        (Object::ResourceClaimTemplate(template), None) => {
            let at = Path::root("spec");
            let at = at.child("spec");
            template.spec.spec.devices.iter().for_each(|devices| requests(devices, &at.child("devices"), &mut errors));
        }
        _ => {}
    }
    errors.into_causes()
}

fn requests(devices: &DeviceClaim, at: &Path<'_>, errors: &mut Errors) {
    let list = at.child("requests");
    for (index, request) in devices.requests.iter().flatten().enumerate() {
        let at = list.index(index);
        if let Some(exactly) = &request.exactly {
            selectors(exactly.selectors.as_deref(), &at.child("exactly").child("selectors"), errors);
        }
        let list = at.child("firstAvailable");
        for (index, sub) in request.first_available.iter().flatten().enumerate() {
            selectors(sub.selectors.as_deref(), &list.index(index).child("selectors"), errors);
        }
    }
}

fn selectors(selectors: Option<&[DeviceSelector]>, list: &Path<'_>, errors: &mut Errors) {
    for (index, selector) in selectors.unwrap_or_default().iter().enumerate() {
        if let Some(cel) = selector.cel.as_ref().filter(|cel| cel.expression.len() <= EXPRESSION_BYTES_MAX) {
            expression(&cel.expression, &list.index(index).child("cel").child("expression"), errors);
        }
    }
}

fn expression(source: &str, at: &Path<'_>, errors: &mut Errors) {
    match Program::compile(source, &VARIABLES) {
        Err(why) => errors.invalid(at, source, &format!("compilation failed: {why}")),
        Ok(program) if !matches!(program.result_type(), Type::Bool | Type::Dyn) => {
            errors.invalid(at, source, &format!("must evaluate to bool or the unknown type, not {}", program.result_type()));
        }
        Ok(program) if program.estimate().max > COST_MAX => errors.forbidden(at, "too complex, exceeds cost limit"),
        Ok(_) => {}
    }
}

/// The one variable, `device`, with how large its parts may be.
static VARIABLES: LazyLock<Variables> = LazyLock::new(|| {
    let text = |max| Sized { max: Some(max), ..Sized::new(Type::String) };
    let by = |key: Sized, value: Sized| {
        let of = Type::Map(Box::new(key.of.clone()), Box::new(value.of.clone()));
        Sized { of, max: Some(32), inside: vec![key, value] }
    };
    let attribute = Sized { max: Some(64), ..Sized::new(Type::Dyn) };
    let amount = Sized::new(Type::Opaque("kubernetes.Quantity"));
    let fields = BTreeMap::from([
        ("driver".to_owned(), text(63)),
        ("attributes".to_owned(), by(text(63), by(text(32), attribute))),
        ("capacity".to_owned(), by(text(63), by(text(32), amount))),
        ("allowMultipleAllocations".to_owned(), Sized::new(Type::Bool)),
    ]);
    let device = Type::Object(Arc::new(ObjectType { name: "kubernetes.DRADevice".into(), fields }));
    Variables::from([("device".to_owned(), Sized::new(device))])
});

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sim_apimachinery::Kind;

    fn told(expression: &str) -> Vec<String> {
        let value = json!({"metadata": {"name": "c"}, "spec": {"selectors": [{"cel": {"expression": expression}}]}});
        let class = Object::from_json(Kind::DeviceClass, value).expect("it is written here");
        errors(&class, None).into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
    }

    #[test]
    fn a_selector_says_yes_or_no_of_a_device() {
        for fine in [
            "device.driver == 'gpu.example.com'",
            "device.attributes['gpu.example.com'].model == 'a'",
            "device.capacity['gpu.example.com'].memory.isGreaterThan(quantity('1Gi'))",
            "device.attributes['gpu.example.com'].present",
        ] {
            assert_eq!(told(fine), Vec::<String>::new(), "{fine}");
        }
        let wrong = "spec.selectors[0].cel.expression: Invalid value: \"1\": must evaluate to bool or the unknown type, not int";
        assert_eq!(told("1"), [wrong]);
        let unread = told("not cel at all (");
        assert!(unread[0].contains("compilation failed: ERROR: <input>:1:5: Syntax error: mismatched input 'cel'"), "{unread:?}");
    }
}
