//! Objects and lists as answers: whole, as a table, or their metadata only.

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, encoding, schema};
use sim_core::cluster::Cluster;

use crate::frontend::{Exchange, Outcome};
use crate::http::Response;
use crate::negotiation::{Encoding, Form};
use crate::printers::{IncludeObject, partial_object_metadata, partial_object_metadata_list};
use crate::respond::value;
use crate::served::Served;

use super::table::{self, Look, not_acceptable};

/// An object as it is shown at a served version, with the owners of its fields.
pub fn encoded(cluster: &mut Cluster, served: &Served<'_>, object: &Object) -> Value {
    let object = cluster.apiserver_mut().with_managed_fields(object);
    encoding::encode(&object, &served.api_version())
}

/// The answer that shows an object.
pub fn object(exchange: &mut Exchange<'_>, status: u16, object: &Object) -> Outcome<Response> {
    let shown = encoded(exchange.cluster, &exchange.served, object);
    let shown = match exchange.accepted.form {
        Form::Object => shown,
        Form::Metadata(version) => partial_object_metadata(&shown, version),
        Form::MetadataList(_) => {
            let go_type = table::go_type(&exchange.served, "");
            return Err(not_acceptable(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({go_type})"
            )));
        }
        Form::Table(version) => {
            let include = table::include(exchange.query.get("includeObject"))?;
            let look = Look { version, include, headers: true };
            look.table(exchange.cluster, &exchange.served, &[(object, &shown)], &shown["metadata"])
        }
    };
    Ok(value(status, &shown, exchange.accepted.encoding))
}

/// The answer that shows a list.
pub fn list(exchange: &mut Exchange<'_>, items: &[Object], metadata: Value) -> Outcome<Response> {
    let kind = exchange.served.kind.resource().kind;
    if exchange.accepted.form == Form::Object && exchange.accepted.encoding == Encoding::Json {
        return Ok(plain_list(exchange, items, &of_list(exchange, metadata)));
    }
    let shown: Vec<Value> = items.iter().map(|o| encoded(exchange.cluster, &exchange.served, o)).collect();
    let body = match exchange.accepted.form {
        Form::Metadata(_) => {
            let go_type = table::go_type(&exchange.served, "List");
            return Err(not_acceptable(format!("you requested PartialObjectMetadata, but the requested object is a list ({go_type})")));
        }
        Form::MetadataList(version) => partial_object_metadata_list(&shown.iter().collect::<Vec<_>>(), &metadata, version),
        Form::Table(version) => {
            let include = table::include(exchange.query.get("includeObject"))?;
            let rows: Vec<(&Object, &Value)> = items.iter().zip(&shown).collect();
            Look { version, include, headers: true }.table(exchange.cluster, &exchange.served, &rows, &metadata)
        }
        Form::Object => {
            let is_custom = matches!(exchange.served.kind, Kind::Custom(_));
            let items: Vec<Value> = shown.into_iter().map(|item| if is_custom { item } else { without_type(item) }).collect();
            let metadata = of_list(exchange, metadata);
            json!({"kind": format!("{kind}List"), "apiVersion": exchange.served.api_version(), "metadata": metadata, "items": items})
        }
    };
    Ok(value(200, &body, exchange.accepted.encoding))
}

/// The metadata of a list; that of a custom resource is no struct that leaves out what is empty.
fn of_list(exchange: &Exchange<'_>, mut metadata: Value) -> Value {
    if matches!(exchange.served.kind, Kind::Custom(_)) && metadata.get("continue").is_none() {
        metadata["continue"] = "".into();
    }
    metadata
}

/// A list as JSON, made of the texts of its items.
fn plain_list(exchange: &mut Exchange<'_>, items: &[Object], metadata: &Value) -> Response {
    let head = json!({"kind": format!("{}List", exchange.served.kind.resource().kind), "apiVersion": exchange.served.api_version()});
    let mut body = head.to_string();
    // The object goes on after its first two fields.
    body.pop();
    body += &format!(",\"metadata\":{metadata},\"items\":[");
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            body.push(',');
        }
        body += &exchange.texts.item(exchange.cluster, &exchange.served, item);
    }
    body += "]}";
    Response { status: 200, headers: vec![("Content-Type".into(), "application/json".into())], body: body.into_bytes() }
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
    include: IncludeObject,
    columns_told: bool,
}

impl Shown {
    /// A stream in this form.
    pub fn new(form: Form, include_object: &str) -> Outcome<Shown> {
        let include = if matches!(form, Form::Table(_)) { table::include(include_object)? } else { IncludeObject::Metadata };
        Ok(Shown { form, include, columns_told: false })
    }

    /// The form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The object of an event.
    pub fn event(&mut self, cluster: &mut Cluster, served: &Served<'_>, object: &Object) -> Value {
        let shown = encoded(cluster, served, object);
        match self.look() {
            Some(look) => look.table(cluster, served, &[(object, &shown)], &shown["metadata"]),
            None => self.form_of(shown),
        }
    }

    /// The object of a bookmark.
    pub fn bookmark(&mut self, kind: Kind, object: Value) -> Value {
        match self.look() {
            Some(look) => look.bookmark(kind, &object),
            None => self.form_of(object),
        }
    }

    /// How the next table of the stream looks, if tables are wanted.
    fn look(&mut self) -> Option<Look> {
        let Form::Table(version) = self.form else { return None };
        let headers = !std::mem::replace(&mut self.columns_told, true);
        Some(Look { version, include: self.include, headers })
    }

    fn form_of(&self, shown: Value) -> Value {
        match self.form {
            Form::Metadata(version) | Form::MetadataList(version) => partial_object_metadata(&shown, version),
            Form::Object | Form::Table(_) => shown,
        }
    }
}

/// The object of a kind that says nothing but this metadata.
pub fn empty_object(served: &Served<'_>, metadata: Value) -> Value {
    let resource = served.kind.resource();
    let nothing = json!({"kind": resource.kind, "apiVersion": served.api_version(), "metadata": metadata});
    schema::lookup(served.group, served.version, resource.kind).map_or(nothing.clone(), |of| schema::as_encoded(of, nothing))
}
