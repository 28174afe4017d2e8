//! Objects as the rows of a table: which columns, and what a row carries.

use jiff::Timestamp;
use serde_json::Value;
use sim_apimachinery::{Kind, Object, Reason, Status};
use sim_core::cluster::Cluster;

use crate::frontend::Outcome;
use crate::printers::{self, IncludeObject, Printer, Row, TableOptions};
use crate::respond::bad_request;
use crate::served::Served;

/// How a table looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Version of meta.k8s.io.
    pub version: &'static str,
    /// What rows carry.
    pub include: IncludeObject,
    /// Whether columns are told.
    pub headers: bool,
}

/// Reads `includeObject`.
pub fn include(text: &str) -> Outcome<IncludeObject> {
    IncludeObject::parse(text).map_err(bad_request)
}

/// A form that what is shown cannot have.
pub fn not_acceptable(message: String) -> Box<Status> {
    Box::new(Status::new(Reason::NotAcceptable, message))
}

impl Look {
    /// The table of objects, each with its shown form.
    pub fn table(self, cluster: &Cluster, served: &Served<'_>, objects: &[(&Object, &Value)], metadata: &Value) -> Value {
        let stored: Vec<Value> = objects.iter().map(|(object, _)| object.to_json()).collect();
        let rows: Vec<Row<'_>> = stored.iter().zip(objects).map(|(stored, (_, shown))| Row { stored, shown }).collect();
        let options = self.options(cluster.now().to_time().0);
        match served.kind {
            Kind::Custom(_) => printers::table(Printer::Custom(&columns(cluster, served)), &rows, metadata, &options),
            kind => printers::table(Printer::of(kind), &rows, metadata, &options),
        }
    }

    /// The table of a bookmark. Its row has no cells worth reading, so neither the time nor declared columns matter.
    pub fn bookmark(self, kind: Kind, object: &Value) -> Value {
        let rows = [Row { stored: object, shown: object }];
        printers::table(Printer::of(kind), &rows, &object["metadata"], &self.options(Timestamp::UNIX_EPOCH))
    }

    fn options(self, now: Timestamp) -> TableOptions<'static> {
        TableOptions { now, include: self.include, headers: self.headers, version: self.version }
    }
}

/// The columns that a definition declares for the version that was asked for.
fn columns(cluster: &Cluster, served: &Served<'_>) -> Vec<Value> {
    let resource = served.kind.resource();
    let name = format!("{}.{}", resource.plural, resource.group);
    let definition = cluster.etcd().list(Kind::CustomResourceDefinition, "").find(|definition| definition.name() == name);
    let definition = definition.map(Object::to_json).unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array();
    let version = versions.into_iter().flatten().find(|version| version["name"] == served.version);
    version.and_then(|version| version["additionalPrinterColumns"].as_array().cloned()).unwrap_or_default()
}

/// The name of the Go type that holds such an object, or a list of them.
pub fn go_type(served: &Served<'_>, suffix: &str) -> String {
    let resource = served.kind.resource();
    let package = match (served.kind, resource.group.split('.').next().unwrap_or_default()) {
        (Kind::Custom(_), _) => return format!("*unstructured.Unstructured{suffix}"),
        (_, "") => "core",
        (_, "internal") => "apiserverinternal",
        (_, first) => first,
    };
    format!("*{package}.{}{suffix}", resource.kind)
}
