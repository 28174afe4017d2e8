//! The types of CEL that expressions of policies are checked against, made of the schemas of objects.
//! Source: `SchemaDeclType` in apiserver pkg/cel/common/schemas.go; `BuildRequestType` and `BuildNamespaceType` in
//! pkg/admission/plugin/cel/compile.go.
//! As there, fields whose schema has no type cannot be seen: quantities have none. Not modelled: values nobody described are of
//! any type here, so nothing is said of fields in them; types that hold themselves end where they begin again.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::schema::{Scalar, Shape, TypeRef};
use sim_cel::{ObjectType, Sized, Type, Variables, escape};

/// The type of objects of a kind.
pub fn of_object(of: TypeRef<'_>, kind: &str) -> Type {
    let mut object = declared(of, kind, &mut vec![]).unwrap_or(Type::Dyn);
    if let Type::Object(found) = &object {
        // Every object says what it is, and has a name.
        let mut fields = found.fields.clone();
        for name in ["kind", "apiVersion"] {
            fields.entry(name.into()).or_insert_with(|| Sized::new(Type::String));
        }
        object = Type::Object(Arc::new(ObjectType { name: kind.into(), fields }));
    }
    object
}

/// The variables that are the same for all policies.
pub fn common() -> Variables {
    let authorizer = || Sized::new(Type::Opaque("kubernetes.authorization.Authorizer"));
    [
        ("request".to_owned(), Sized::new(request())),
        ("namespaceObject".to_owned(), Sized::new(namespace())),
        ("authorizer".to_owned(), authorizer()),
        ("authorizer.requestResource".to_owned(), authorizer()),
    ]
    .into()
}

fn declared<'a>(of: TypeRef<'a>, name: &str, above: &mut Vec<&'a str>) -> Option<Type> {
    match of.shape() {
        Shape::Scalar(scalar) => of_scalar(scalar),
        Shape::Any => Some(Type::Dyn),
        Shape::List(item, _) => Some(Type::List(Box::new(declared(item, &format!("{name}.@idx"), above)?))),
        Shape::Map(value, _) => Some(Type::Map(Box::new(Type::String), Box::new(declared(value, &format!("{name}.@elem"), above)?))),
        Shape::Struct(definition, _) => {
            let own = definition.name.as_str();
            if definition.open && definition.fields.is_empty() || !own.is_empty() && above.contains(&own) {
                return Some(Type::Dyn);
            }
            above.push(own);
            let mut fields = BTreeMap::new();
            for (field, of) in &definition.fields {
                let inner = declared(TypeRef::new(&of.field_type), &format!("{name}.{field}"), above);
                if let (Some(inner), Some(escaped)) = (inner, escape(field)) {
                    fields.insert(escaped, Sized::new(inner));
                }
            }
            above.pop();
            Some(Type::Object(Arc::new(ObjectType { name: name.to_owned(), fields })))
        }
    }
}

fn of_scalar(scalar: Scalar) -> Option<Type> {
    match scalar {
        Scalar::String => Some(Type::String),
        Scalar::Boolean => Some(Type::Bool),
        Scalar::Int32 | Scalar::Int64 => Some(Type::Int),
        Scalar::Double => Some(Type::Double),
        Scalar::Bytes => Some(Type::Bytes),
        Scalar::Time | Scalar::MicroTime => Some(Type::Timestamp),
        Scalar::IntOrString => Some(Type::Dyn),
        Scalar::Quantity => None,
    }
}

fn object(name: &str, fields: Vec<(&str, Type)>) -> Type {
    let fields = fields.into_iter().map(|(name, of)| (name.to_owned(), Sized::new(of))).collect();
    Type::Object(Arc::new(ObjectType { name: name.into(), fields }))
}

fn texts() -> Type {
    Type::List(Box::new(Type::String))
}

fn words() -> Type {
    Type::Map(Box::new(Type::String), Box::new(Type::String))
}

fn request() -> Type {
    let text = Type::String;
    let kind = object("kubernetes.GroupVersionKind", ["group", "version", "kind"].map(|n| (n, text.clone())).to_vec());
    let resource = object("kubernetes.GroupVersionResource", ["group", "version", "resource"].map(|n| (n, text.clone())).to_vec());
    let extra = Type::Map(Box::new(text.clone()), Box::new(texts()));
    let user = vec![("username", text.clone()), ("uid", text.clone()), ("groups", texts()), ("extra", extra)];
    let user = object("kubernetes.UserInfo", user);
    let mut fields = vec![
        ("kind", kind.clone()),
        ("resource", resource.clone()),
        ("requestKind", kind),
        ("requestResource", resource),
        ("userInfo", user),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ];
    fields.extend(["subResource", "requestSubResource", "name", "namespace", "operation"].map(|n| (n, text.clone())));
    object("kubernetes.AdmissionRequest", fields)
}

fn namespace() -> Type {
    let text = Type::String;
    let mut metadata = vec![
        ("labels", words()),
        ("annotations", words()),
        ("creationTimestamp", Type::Timestamp),
        ("deletionTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("generation", Type::Int),
        ("finalizers", texts()),
    ];
    metadata.extend(["name", "generateName", "namespace", "UID", "resourceVersion"].map(|n| (n, text.clone())));
    let mut condition = vec![("lastTransitionTime", Type::Timestamp)];
    condition.extend(["status", "type", "message", "reason"].map(|n| (n, text.clone())));
    let conditions = Type::List(Box::new(object("kubernetes.NamespaceCondition", condition)));
    let fields = vec![
        ("metadata", object("kubernetes.NamespaceMetadata", metadata)),
        ("spec", object("kubernetes.NamespaceSpec", vec![("finalizers", texts())])),
        ("status", object("kubernetes.NamespaceStatus", vec![("conditions", conditions), ("phase", text)])),
    ];
    object("kubernetes.Namespace", fields)
}
