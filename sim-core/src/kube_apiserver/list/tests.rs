use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{DeleteOptions, ObjectKey, Request, Verb};

use super::*;
use crate::kube_apiserver::ApiServerConfig;
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

fn ask(server: &mut ApiServer, verb: Verb) {
    let answer = server.handle(SimTime(0), Request::new(&"test".into(), verb), BEGINNING, &mut Trace::new(SimTime(0)));
    assert!(answer.is_ok(), "{answer:?}");
}

/// A server with the config maps `cm-0` to `cm-6`, labelled `odd=0` and `odd=1` in turn.
fn server() -> ApiServer {
    let mut server = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
    let named = |name: &str| ObjectMeta { name: Some(name.into()), ..Default::default() };
    ask(&mut server, Verb::Create { object: Namespace { metadata: named("n"), ..Default::default() }.into() });
    for number in 0..7 {
        let labels = BTreeMap::from([("odd".to_owned(), (number % 2).to_string())]);
        let metadata = ObjectMeta { namespace: Some("n".into()), labels: Some(labels), ..named(&format!("cm-{number}")) };
        ask(&mut server, Verb::Create { object: ConfigMap { metadata, ..Default::default() }.into() });
    }
    server
}

fn options(limit: i64, token: &str) -> ListOptions {
    ListOptions { limit, continue_token: token.into(), ..ListOptions::default() }
}

fn list_page(server: &ApiServer, options: &ListOptions) -> Outcome<Page> {
    let mut trace = Trace::new(SimTime(0));
    server.list_page(Kind::ConfigMap, "n", options, &mut Call::of_component(SimTime(0), &"test".into(), &mut trace))
}

fn page(server: &ApiServer, options: &ListOptions) -> (Vec<String>, Page) {
    let page = list_page(server, options).expect("the options are good");
    (page.items.iter().map(|o| o.name().to_owned()).collect(), page)
}

#[test]
fn pages_show_the_revision_at_which_the_list_began() {
    let mut server = server();
    let (names, first) = page(&server, &options(3, ""));
    assert_eq!((names.join(" ").as_str(), first.remaining), ("cm-0 cm-1 cm-2", Some(4)));
    let key = ObjectKey::new(Kind::ConfigMap, "n", "cm-4");
    ask(&mut server, Verb::Delete { key, options: DeleteOptions::default() });
    let (names, second) = page(&server, &options(3, &first.continue_token));
    assert_eq!((names.join(" ").as_str(), second.remaining, second.revision), ("cm-3 cm-4 cm-5", Some(1), first.revision));
    let (names, third) = page(&server, &options(3, &second.continue_token));
    assert_eq!((names.join(" ").as_str(), third.remaining, third.continue_token.as_str()), ("cm-6", None, ""));
}

#[test]
fn with_a_selector_nobody_can_say_how_many_follow() {
    let server = server();
    let odd = |token: &str| ListOptions { labels: "odd=1".into(), ..options(2, token) };
    let (names, first) = page(&server, &odd(""));
    assert_eq!((names.join(" ").as_str(), first.remaining), ("cm-1 cm-3", None));
    let (names, second) = page(&server, &odd(&first.continue_token));
    assert_eq!((names.join(" ").as_str(), second.continue_token.as_str()), ("cm-5", ""));
}

#[test]
fn revision_zero_knows_no_limit() {
    let any = ListOptions { resource_version: "0".into(), ..options(2, "") };
    assert_eq!(page(&server(), &any).0.len(), 7);
}

#[test]
fn an_exact_revision_is_read_from_history() {
    let server = server();
    let third = server.etcd.get(&ObjectKey::new(Kind::ConfigMap, "n", "cm-2")).map_or(0, Object::resource_version);
    let exact = ListOptions { resource_version: third.to_string(), resource_version_match: "Exact".into(), ..options(0, "") };
    let (names, page) = page(&server, &exact);
    assert_eq!((names.join(" ").as_str(), page.revision), ("cm-0 cm-1 cm-2", third));
}

#[test]
fn a_forgotten_revision_is_gone_and_a_token_can_go_on() {
    let mut server = server();
    let (_, first) = page(&server, &options(3, ""));
    let key = ObjectKey::new(Kind::ConfigMap, "n", "cm-0");
    ask(&mut server, Verb::Delete { key, options: DeleteOptions::default() });
    server.compact(server.etcd.revision());
    let status = list_page(&server, &options(3, &first.continue_token)).expect_err("it is gone");
    assert_eq!((status.reason, status.message.as_str()), (Reason::Expired, TOKEN_TOO_OLD));
    let (names, _) = page(&server, &options(0, &status.continue_token));
    assert_eq!(names.join(" "), "cm-3 cm-4 cm-5 cm-6");
}

#[test]
fn a_revision_to_come_is_too_large() {
    let future = ListOptions { resource_version: "1000".into(), resource_version_match: "Exact".into(), ..options(0, "") };
    let status = list_page(&server(), &future).expect_err("it is to come");
    assert_eq!((status.reason, status.message.as_str()), (Reason::Timeout, "Timeout: Too large resource version: 1000, current: 9"));
}
