//! A Kubernetes cluster in one process on a virtual clock: no IO, no async, no thread, no wall clock.
//! One room per component, named as Kubernetes names it. Rooms meet only in `cluster`, the hallway.

pub mod checks;
pub mod client_go;
pub mod cluster;
pub mod component;
pub mod credentials;
pub mod dns;
pub mod etcd;
pub mod kube_apiserver;
pub mod kube_controller_manager;
pub mod kube_proxy;
pub mod kube_scheduler;
pub mod kubelet;
pub mod metrics_server;
pub mod random;
pub mod scenario;
pub mod shipped;
pub mod time;
pub mod trace;
pub mod view;
