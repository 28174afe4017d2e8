//! Owners as `metadata.managedFields` lists them.
//! Source: k8s.io/apimachinery/pkg/util/managedfields/internal/managedfields.go.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, Time};

use super::set::Set;
use super::{Manager, Managers, Operation, Owned};

/// The entries of an object: appliers first, then by time (in seconds), manager, version and subresource.
pub fn encode(managers: &Managers) -> Vec<ManagedFieldsEntry> {
    let mut entries: Vec<(&Manager, &Owned)> = managers.iter().collect();
    let second = |owned: &Owned| owned.time.map_or(0, Timestamp::as_second);
    entries.sort_by_key(|(m, o)| (m.operation, second(o), &m.name, &o.api_version, &m.subresource));
    entries.into_iter().map(|(manager, owned)| entry(manager, owned)).collect()
}

fn entry(manager: &Manager, owned: &Owned) -> ManagedFieldsEntry {
    let operation = match manager.operation {
        Operation::Apply => "Apply",
        Operation::Update => "Update",
    };
    let whole_second = |t: Timestamp| Timestamp::new(t.as_second(), 0).unwrap_or(t);
    ManagedFieldsEntry {
        api_version: Some(owned.api_version.clone()),
        fields_type: Some("FieldsV1".into()),
        fields_v1: Some(FieldsV1(owned.set.to_fields_v1())),
        manager: Some(manager.name.clone()),
        operation: Some(operation.into()),
        subresource: (!manager.subresource.is_empty()).then(|| manager.subresource.clone()),
        time: owned.time.map(|t| Time(whole_second(t))),
    }
}

/// Reads entries. The error says which is wrong, in the server's words.
pub fn decode(entries: &[ManagedFieldsEntry]) -> Result<Managers, String> {
    entries.iter().enumerate().map(|(index, entry)| read(index, entry)).collect()
}

fn read(index: usize, entry: &ManagedFieldsEntry) -> Result<(Manager, Owned), String> {
    let operation = match entry.operation.as_deref() {
        Some("Apply") => Operation::Apply,
        Some("Update") => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".into()),
    };
    let api_version = entry.api_version.clone().filter(|v| !v.is_empty()).ok_or("apiVersion must not be empty")?;
    match entry.fields_type.as_deref().unwrap_or_default() {
        "FieldsV1" => {}
        "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
        other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
    }
    let set = entry.fields_v1.as_ref().map(|f| Set::from_fields_v1(&f.0)).unwrap_or_default();
    let subresource = entry.subresource.as_deref().unwrap_or_default();
    let manager = Manager::new(entry.manager.as_deref().unwrap_or_default(), operation, &api_version, subresource);
    Ok((manager, Owned { set, api_version, time: entry.time.as_ref().map(|t| t.0) }))
}
