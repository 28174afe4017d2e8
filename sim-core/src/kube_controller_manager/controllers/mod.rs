//! The controllers, one file or folder each, and the closed enum of them.

pub mod certificates;
pub mod clusterrole_aggregation;
pub mod cronjob;
pub mod daemonset;
pub mod deployment;
pub mod disruption;
pub mod endpoints;
pub mod endpointslice;
pub mod endpointslice_mirroring;
pub mod ephemeral_volume;
pub mod garbage_collector;
pub mod horizontal_pod_autoscaler;
pub mod hostpath_provisioner;
pub mod job;
pub mod namespace;
pub mod node_lifecycle;
pub mod persistentvolume_binder;
pub mod persistentvolume_expander;
mod pod_control;
pub mod podgc;
pub mod replicaset;
pub mod replicationcontroller;
pub mod resource_quota;
pub mod root_ca_publisher;
pub mod service_lb;
mod service_pods;
pub mod serviceaccount;
pub mod serviceaccount_token;
pub mod statefulset;
pub mod taint_eviction;
#[cfg(test)]
mod testing;
pub mod ttl;
pub mod ttl_after_finished;
pub mod validatingadmissionpolicy_status;
pub mod volume_protection;

use super::ManagerConfig;

/// Makes the enum of all controllers, the list of them, and the macro that calls the one inside.
macro_rules! controllers {
    ($($variant:ident($ty:path) = $make:expr;)*) => {
        /// Any controller.
        #[allow(missing_docs)]
        #[derive(Clone, Debug)]
        pub enum AnyController { $($variant($ty),)* }

        impl AnyController {
            /// Every controller that runs under this configuration.
            pub fn all(config: &ManagerConfig) -> Vec<AnyController> {
                let make: Vec<fn(&ManagerConfig) -> Option<AnyController>> = vec![$(|config| { let make: fn(&ManagerConfig) -> Option<$ty> = $make; make(config).map(AnyController::$variant) },)*];
                make.into_iter().filter_map(|m| m(config)).collect()
            }
        }

        macro_rules! dispatch {
            ($controller:expr, $inner:ident => $call:expr) => { match $controller { $(AnyController::$variant($inner) => $call,)* } };
        }
        pub(super) use dispatch;
    };
}

controllers! {
    Deployment(deployment::DeploymentController) = |_| Some(Default::default());
    ServiceAccount(serviceaccount::ServiceAccountController) = |_| Some(Default::default());
    RootCa(root_ca_publisher::RootCaPublisher) = |config| Some(root_ca_publisher::RootCaPublisher::new(&config.authority));
    NodeLifecycle(node_lifecycle::NodeLifecycleController) = |_| Some(Default::default());
    TaintEviction(taint_eviction::TaintEvictionController) = |_| Some(Default::default());
    Endpoints(endpoints::EndpointsController) = |_| Some(Default::default());
    EndpointSlice(endpointslice::EndpointSliceController) = |_| Some(Default::default());
    GarbageCollector(garbage_collector::GarbageCollector) = |_| Some(Default::default());
    Namespace(namespace::NamespaceController) = |_| Some(Default::default());
    Disruption(disruption::DisruptionController) = |_| Some(Default::default());
    PersistentVolumeBinder(persistentvolume_binder::PersistentVolumeBinder) = |_| Some(Default::default());
    HostpathProvisioner(hostpath_provisioner::HostpathProvisioner) = |_| Some(Default::default());
    VolumeProtection(volume_protection::VolumeProtection) = |_| Some(Default::default());
    PodGc(podgc::PodGarbageCollector) = |_| Some(Default::default());
    ServiceLb(service_lb::ServiceLbController) = |config| config.load_balancer.then(Default::default);
    HorizontalPodAutoscaler(horizontal_pod_autoscaler::HorizontalPodAutoscalerController) = |_| Some(Default::default());
    StatefulSet(statefulset::StatefulSetController) = |_| Some(Default::default());
    DaemonSet(daemonset::DaemonSetController) = |_| Some(Default::default());
    Job(job::JobController) = |_| Some(Default::default());
    CronJob(cronjob::CronJobController) = |_| Some(Default::default());
    TtlAfterFinished(ttl_after_finished::TtlAfterFinishedController) = |_| Some(Default::default());
    ReplicationController(replicationcontroller::ReplicationManager) = |_| Some(Default::default());
    ResourceQuota(resource_quota::ResourceQuotaController) = |_| Some(Default::default());
    ClusterRoleAggregation(clusterrole_aggregation::ClusterRoleAggregation) = |_| Some(Default::default());
    CertificateApproving(certificates::approving::ApprovingController) = |_| Some(Default::default());
    CertificateSigning(certificates::signing::SigningController) = |config| Some(certificates::signing::SigningController::new(&config.authority));
    CertificateCleaner(certificates::cleaner::CleanerController) = |_| Some(Default::default());
    ServiceAccountToken(serviceaccount_token::ServiceAccountTokenController) = |config| Some(serviceaccount_token::ServiceAccountTokenController::new(&config.authority));
    EndpointSliceMirroring(endpointslice_mirroring::EndpointSliceMirroring) = |_| Some(Default::default());
    EphemeralVolume(ephemeral_volume::EphemeralVolumeController) = |_| Some(Default::default());
    PersistentVolumeExpander(persistentvolume_expander::ExpandController) = |_| Some(Default::default());
    ValidatingAdmissionPolicyStatus(validatingadmissionpolicy_status::ValidatingAdmissionPolicyStatus) = |_| Some(Default::default());
    Ttl(ttl::TtlController) = |_| Some(Default::default());
    ReplicaSet(replicaset::ReplicaSetController) = |_| Some(Default::default());
}
