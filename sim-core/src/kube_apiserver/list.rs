//! Lists as clients ask for them: selectors, pages, and reads at an older revision.
//! Source: apiserver pkg/storage (ValidateListOptions, etcd3 GetList). An old revision is the present with the later
//! changes taken back, so its cost is that of what changed since.
//! Invariant: the pages of one list show one revision, in the order of the keys (`namespace/name`, byte by byte).

use std::collections::BTreeMap;

use sim_apimachinery::list_options::{Continue, ListOptions, Selection, parse_resource_version};
use sim_apimachinery::{Cause, Kind, Object, Page, Reason, Status};

use super::{ApiServer, Call, Outcome};

/// At which revision to read, and from which key on.
struct Place {
    /// `None` is the latest.
    revision: Option<u64>,
    start: Option<String>,
    /// The revision that must have been reached.
    not_older: u64,
}

const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";
const TOKEN_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

impl ApiServer {
    /// A page of the objects of a kind; an empty namespace means all.
    /// Errors: those of `ListOptions::selection`, 400 for a bad token or revision, 410 for a revision that was forgotten, 504
    /// for one that is still to come.
    pub(super) fn list_page(&self, kind: Kind, namespace: &str, options: &ListOptions, call: &mut Call<'_>) -> Outcome<Page> {
        let selection = self.selection(kind, options, false)?;
        let place = place(options)?;
        self.check_reached(place.not_older)?;
        let objects = match place.revision {
            None => self.keyed(kind, namespace),
            Some(revision) => self.at_revision(kind, namespace, revision, &place)?,
        };
        let read = self.read_all_at(objects.values(), kind, call)?;
        let objects: BTreeMap<String, Object> = objects.into_keys().zip(read).collect();
        let revision = place.revision.unwrap_or_else(|| self.etcd.revision());
        // A list at "any revision" is answered from the cache, which knows no limit.
        let limit = if options.resource_version == "0" { 0 } else { usize::try_from(options.limit).unwrap_or(0) };
        let slash = if kind == Kind::Event { "" } else { "/" };
        Ok(cut(objects, &selection, place.start.as_deref(), limit, revision, slash))
    }

    /// Which objects a list or a watch asks for, its options being checked.
    pub fn selection(&self, kind: Kind, options: &ListOptions, watch: bool) -> Outcome<Selection> {
        options.selection(kind, watch, &self.selectable_fields(kind))
    }

    /// Checks the `resourceVersion` of a get: it must be a number that the store has reached.
    pub fn check_get_version(&self, text: &str) -> Outcome<()> {
        let wanted = parse_resource_version(text).map_err(|e| Box::new(Status::new(Reason::Unknown, e)))?;
        self.check_reached(wanted)
    }

    fn check_reached(&self, wanted: u64) -> Outcome<()> {
        let current = self.etcd.revision();
        if wanted <= current {
            return Ok(());
        }
        let cause = Cause { reason: "ResourceVersionTooLarge".into(), message: "Too large resource version".into(), field: String::new() };
        let text = format!("Timeout: Too large resource version: {wanted}, current: {current}");
        Err(Box::new(Status { causes: vec![cause], retry_after_seconds: 1, ..Status::new(Reason::Timeout, text) }))
    }

    /// The fields a custom resource can be selected by, without the leading dot.
    fn selectable_fields(&self, kind: Kind) -> Vec<String> {
        self.resource_of(kind).map(|resource| resource.version().selectable_fields.clone()).unwrap_or_default()
    }

    fn keyed(&self, kind: Kind, namespace: &str) -> BTreeMap<String, Object> {
        self.etcd.list(kind, namespace).map(|o| (key(o, namespace), o.clone())).collect()
    }

    /// The objects as they were stored at a revision.
    fn at_revision(&self, kind: Kind, namespace: &str, revision: u64, place: &Place) -> Outcome<BTreeMap<String, Object>> {
        self.check_reached(revision)?;
        let Some(later) = self.etcd.changes_after(revision) else { return Err(Box::new(expired(place))) };
        let mut objects = self.keyed(kind, namespace);
        for change in later.iter().rev() {
            let object = &change.object;
            if object.kind() != kind || !namespace.is_empty() && object.namespace() != namespace {
                continue;
            }
            match &change.previous {
                Some(previous) => objects.insert(key(object, namespace), previous.clone()),
                None => objects.remove(&key(object, namespace)),
            };
        }
        Ok(objects)
    }
}

/// Where the store keeps an object, from the `/` after the listed part on.
fn key(object: &Object, namespace: &str) -> String {
    let within = if namespace.is_empty() { object.namespace() } else { "" };
    if within.is_empty() { format!("/{}", object.name()) } else { format!("/{within}/{}", object.name()) }
}

fn place(options: &ListOptions) -> Outcome<Place> {
    let bad = |text: String| Box::new(Status::new(Reason::BadRequest, text));
    let version = options.resource_version.as_str();
    if !options.continue_token.is_empty() {
        let token = Continue::decode(&options.continue_token).map_err(|e| bad(format!("invalid continue token: {e}")))?;
        if !matches!(version, "" | "0") {
            return Err(bad("specifying resource version is not allowed when using continue".into()));
        }
        return Ok(Place { revision: u64::try_from(token.revision).ok(), start: Some(token.start), not_older: 0 });
    }
    let wanted = parse_resource_version(version).map_err(|e| bad(format!("invalid resource version: {e}")))?;
    let exact = match options.resource_version_match.as_str() {
        "Exact" => true,
        "" => options.limit > 0 && wanted > 0,
        _ => false,
    };
    Ok(Place { revision: exact.then_some(wanted), start: None, not_older: wanted })
}

fn expired(place: &Place) -> Status {
    let Some(start) = &place.start else { return Status::new(Reason::Expired, TOO_OLD) };
    let token = Continue { revision: -1, start: start.clone() };
    Status { continue_token: token.encode(), ..Status::new(Reason::Expired, TOKEN_TOO_OLD) }
}

/// The page that begins at `start`; 0 is no limit.
fn cut(objects: BTreeMap<String, Object>, selection: &Selection, start: Option<&str>, limit: usize, revision: u64, slash: &str) -> Page {
    let mut page = Page { revision, ..Page::default() };
    let mut last: Option<&str> = None;
    let from = start.unwrap_or_default().to_owned();
    let mut rest = objects.range(from..);
    for (key, object) in rest.by_ref() {
        last = Some(key);
        if selection.matches(object) {
            page.items.push(object.clone());
            if page.items.len() == limit {
                break;
            }
        }
    }
    let left = rest.count() as u64;
    if let Some(last) = last.filter(|_| left > 0) {
        let start = format!("{slash}{}\u{0}", last.trim_start_matches('/'));
        page.continue_token = Continue { revision: i64::try_from(revision).unwrap_or(i64::MAX), start }.encode();
        page.remaining = selection.is_empty().then_some(left);
    }
    page
}

#[cfg(test)]
mod tests;
