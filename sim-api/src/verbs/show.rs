//! Objects and lists as answers: whole, as a table, or their metadata only.

use serde_json::{Value, json};
use sim_apimachinery::{Object, schema};
use sim_core::cluster::Cluster;

use crate::frontend::{Exchange, Outcome};
use crate::http::Response;
use crate::negotiation::Form;
use crate::respond::{bad_request, value};
use crate::served::Served;

/// An object as it is shown at a served version.
pub fn encoded(served: &Served<'_>, object: &Object) -> Value {
    let mut shown = object.to_json();
    if let Some(of) = schema::lookup(served.kind.resource().group, served.kind.resource().version, served.kind.resource().kind) {
        shown = schema::as_encoded(of, shown);
    }
    shown["apiVersion"] = served.api_version().into();
    shown["kind"] = served.kind.resource().kind.into();
    shown
}

/// The answer that shows an object.
pub fn object(exchange: &Exchange<'_>, status: u16, object: &Object) -> Outcome<Response> {
    let shown = encoded(&exchange.served, object);
    let shown = match exchange.accepted.form {
        Form::Object => shown,
        Form::Metadata(version) => metadata_only(&shown, version),
        Form::Table(_) | Form::MetadataList(_) => shown,
    };
    Ok(value(status, &shown, exchange.accepted.encoding))
}

/// The answer that shows a list.
pub fn list(exchange: &Exchange<'_>, items: &[Object], metadata: Value) -> Outcome<Response> {
    let kind = exchange.served.kind.resource().kind;
    let shown: Vec<Value> = items.iter().map(|o| encoded(&exchange.served, o)).collect();
    let body = match exchange.accepted.form {
        Form::Metadata(_) => {
            return Err(bad_request(format!("you requested PartialObjectMetadata, but the requested object is a list (*{kind}List)")));
        }
        Form::MetadataList(version) => {
            let items: Vec<Value> = shown.iter().map(|o| metadata_only(o, version)).collect();
            json!({"kind": "PartialObjectMetadataList", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata, "items": items})
        }
        Form::Object | Form::Table(_) => {
            let items: Vec<Value> = shown.into_iter().map(without_type).collect();
            json!({"kind": format!("{kind}List"), "apiVersion": exchange.served.api_version(), "metadata": metadata, "items": items})
        }
    };
    Ok(value(200, &body, exchange.accepted.encoding))
}

fn metadata_only(shown: &Value, version: &str) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": shown["metadata"]})
}

fn without_type(mut shown: Value) -> Value {
    if let Some(map) = shown.as_object_mut() {
        map.remove("kind");
        map.remove("apiVersion");
    }
    shown
}

/// How a stream shows objects; a table tells its columns only once.
#[derive(Debug)]
pub struct Shown {
    form: Form,
    columns_told: bool,
}

impl Shown {
    /// A stream in this form.
    pub fn new(form: Form, _include_object: &str) -> Shown {
        Shown { form, columns_told: false }
    }

    /// The form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The object of an event.
    pub fn event(&mut self, _cluster: &mut Cluster, served: &Served<'_>, object: &Object) -> Value {
        self.form_of(encoded(served, object))
    }

    /// The object of a bookmark.
    pub fn bookmark(&mut self, object: Value) -> Value {
        self.form_of(object)
    }

    fn form_of(&mut self, shown: Value) -> Value {
        self.columns_told = true;
        match self.form {
            Form::Metadata(version) | Form::MetadataList(version) => metadata_only(&shown, version),
            Form::Object | Form::Table(_) => shown,
        }
    }
}

/// The object of a kind that says nothing but this metadata.
pub fn empty_object(served: &Served<'_>, metadata: Value) -> Value {
    let resource = served.kind.resource();
    let nothing = json!({"kind": resource.kind, "apiVersion": served.api_version(), "metadata": metadata});
    schema::lookup(resource.group, resource.version, resource.kind).map_or(nothing.clone(), |of| schema::as_encoded(of, nothing))
}
