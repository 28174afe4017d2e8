//! The table of kinds: the one place that lists every built-in resource of Kubernetes v1.36.
//! Everything that must know all kinds (the `Object` enum, discovery, the registry, printers, short names, scope) is
//! made from it. A kind is held at one version, its newest; older versions of the same kind are converted at the edge.
//! Not in the table: kinds that are only ever answers (reviews, `Status`, lists) and `ComponentStatus`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// Once in the cluster.
    Cluster,
}

/// Properties a kind may have besides those every kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trait {
    /// It has the subresource `scale`.
    Scale,
    /// Its `metadata.generation` is kept.
    Generation,
    /// It is in the category `all` of kubectl.
    All,
}

/// What the table says of a kind.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Version at which it is held.
    pub version: &'static str,
    /// The kind's name, as in manifests.
    pub kind: &'static str,
    /// Lower-case plural, as in URLs.
    pub plural: &'static str,
    /// Lower-case singular.
    pub singular: &'static str,
    /// kubectl's short names, comma separated.
    pub short_names: &'static str,
    /// Where it lives.
    pub scope: Scope,
    /// Whether it has the subresource `status`.
    pub has_status: bool,
    /// Further properties.
    pub traits: &'static [Trait],
}

impl Resource {
    /// `v1` or `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, or `pods` in the core group: the name error messages use.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// Calls the macro `$then` with the whole table. Columns: kind = type, group, version, plural, singular, short names,
/// scope, `Status` or `Plain`, further traits.
#[macro_export]
macro_rules! for_each_kind { ($then:ident) => { $then! {
    ConfigMap = api::core::v1::ConfigMap, "", "v1", "configmaps", "configmap", "cm", Namespaced, Plain, [];
    Endpoints = api::core::v1::Endpoints, "", "v1", "endpoints", "endpoints", "ep", Namespaced, Plain, [];
    Event = api::core::v1::Event, "", "v1", "events", "event", "ev", Namespaced, Plain, [];
    LimitRange = api::core::v1::LimitRange, "", "v1", "limitranges", "limitrange", "limits", Namespaced, Plain, [];
    Namespace = api::core::v1::Namespace, "", "v1", "namespaces", "namespace", "ns", Cluster, Status, [];
    Node = api::core::v1::Node, "", "v1", "nodes", "node", "no", Cluster, Status, [];
    PersistentVolume = api::core::v1::PersistentVolume, "", "v1", "persistentvolumes", "persistentvolume", "pv", Cluster, Status, [];
    PersistentVolumeClaim = api::core::v1::PersistentVolumeClaim, "", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "pvc", Namespaced, Status, [];
    Pod = api::core::v1::Pod, "", "v1", "pods", "pod", "po", Namespaced, Status, [Generation All];
    PodTemplate = api::core::v1::PodTemplate, "", "v1", "podtemplates", "podtemplate", "", Namespaced, Plain, [Generation];
    ReplicationController = api::core::v1::ReplicationController, "", "v1", "replicationcontrollers", "replicationcontroller", "rc", Namespaced, Status, [Scale Generation All];
    ResourceQuota = api::core::v1::ResourceQuota, "", "v1", "resourcequotas", "resourcequota", "quota", Namespaced, Status, [];
    Secret = api::core::v1::Secret, "", "v1", "secrets", "secret", "", Namespaced, Plain, [];
    Service = api::core::v1::Service, "", "v1", "services", "service", "svc", Namespaced, Status, [All];
    ServiceAccount = api::core::v1::ServiceAccount, "", "v1", "serviceaccounts", "serviceaccount", "sa", Namespaced, Plain, [];
    MutatingAdmissionPolicy = api::admissionregistration::v1::MutatingAdmissionPolicy, "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicies", "mutatingadmissionpolicy", "", Cluster, Plain, [Generation];
    MutatingAdmissionPolicyBinding = api::admissionregistration::v1::MutatingAdmissionPolicyBinding, "admissionregistration.k8s.io", "v1", "mutatingadmissionpolicybindings", "mutatingadmissionpolicybinding", "", Cluster, Plain, [Generation];
    MutatingWebhookConfiguration = api::admissionregistration::v1::MutatingWebhookConfiguration, "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration", "", Cluster, Plain, [Generation];
    ValidatingAdmissionPolicy = api::admissionregistration::v1::ValidatingAdmissionPolicy, "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "validatingadmissionpolicy", "", Cluster, Status, [Generation];
    ValidatingAdmissionPolicyBinding = api::admissionregistration::v1::ValidatingAdmissionPolicyBinding, "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", "validatingadmissionpolicybinding", "", Cluster, Plain, [Generation];
    ValidatingWebhookConfiguration = api::admissionregistration::v1::ValidatingWebhookConfiguration, "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "validatingwebhookconfiguration", "", Cluster, Plain, [Generation];
    CustomResourceDefinition = apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition, "apiextensions.k8s.io", "v1", "customresourcedefinitions", "customresourcedefinition", "crd,crds", Cluster, Status, [Generation];
    APIService = kube_aggregator::pkg::apis::apiregistration::v1::APIService, "apiregistration.k8s.io", "v1", "apiservices", "apiservice", "", Cluster, Status, [];
    ControllerRevision = api::apps::v1::ControllerRevision, "apps", "v1", "controllerrevisions", "controllerrevision", "", Namespaced, Plain, [];
    DaemonSet = api::apps::v1::DaemonSet, "apps", "v1", "daemonsets", "daemonset", "ds", Namespaced, Status, [Generation All];
    Deployment = api::apps::v1::Deployment, "apps", "v1", "deployments", "deployment", "deploy", Namespaced, Status, [Scale Generation All];
    ReplicaSet = api::apps::v1::ReplicaSet, "apps", "v1", "replicasets", "replicaset", "rs", Namespaced, Status, [Scale Generation All];
    StatefulSet = api::apps::v1::StatefulSet, "apps", "v1", "statefulsets", "statefulset", "sts", Namespaced, Status, [Scale Generation All];
    HorizontalPodAutoscaler = api::autoscaling::v2::HorizontalPodAutoscaler, "autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscaler", "hpa", Namespaced, Status, [All];
    CronJob = api::batch::v1::CronJob, "batch", "v1", "cronjobs", "cronjob", "cj", Namespaced, Status, [Generation All];
    Job = api::batch::v1::Job, "batch", "v1", "jobs", "job", "", Namespaced, Status, [Generation All];
    CertificateSigningRequest = api::certificates::v1::CertificateSigningRequest, "certificates.k8s.io", "v1", "certificatesigningrequests", "certificatesigningrequest", "csr", Cluster, Status, [];
    ClusterTrustBundle = api::certificates::v1beta1::ClusterTrustBundle, "certificates.k8s.io", "v1beta1", "clustertrustbundles", "clustertrustbundle", "", Cluster, Plain, [];
    PodCertificateRequest = api::certificates::v1beta1::PodCertificateRequest, "certificates.k8s.io", "v1beta1", "podcertificaterequests", "podcertificaterequest", "", Namespaced, Status, [];
    Lease = api::coordination::v1::Lease, "coordination.k8s.io", "v1", "leases", "lease", "", Namespaced, Plain, [];
    LeaseCandidate = api::coordination::v1beta1::LeaseCandidate, "coordination.k8s.io", "v1beta1", "leasecandidates", "leasecandidate", "", Namespaced, Plain, [];
    EndpointSlice = api::discovery::v1::EndpointSlice, "discovery.k8s.io", "v1", "endpointslices", "endpointslice", "", Namespaced, Plain, [Generation];
    FlowSchema = api::flowcontrol::v1::FlowSchema, "flowcontrol.apiserver.k8s.io", "v1", "flowschemas", "flowschema", "", Cluster, Status, [Generation];
    PriorityLevelConfiguration = api::flowcontrol::v1::PriorityLevelConfiguration, "flowcontrol.apiserver.k8s.io", "v1", "prioritylevelconfigurations", "prioritylevelconfiguration", "", Cluster, Status, [Generation];
    StorageVersion = api::apiserverinternal::v1alpha1::StorageVersion, "internal.apiserver.k8s.io", "v1alpha1", "storageversions", "storageversion", "", Cluster, Status, [];
    IPAddress = api::networking::v1::IPAddress, "networking.k8s.io", "v1", "ipaddresses", "ipaddress", "ip", Cluster, Plain, [];
    Ingress = api::networking::v1::Ingress, "networking.k8s.io", "v1", "ingresses", "ingress", "ing", Namespaced, Status, [Generation];
    IngressClass = api::networking::v1::IngressClass, "networking.k8s.io", "v1", "ingressclasses", "ingressclass", "", Cluster, Plain, [Generation];
    NetworkPolicy = api::networking::v1::NetworkPolicy, "networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "netpol", Namespaced, Plain, [Generation];
    ServiceCIDR = api::networking::v1::ServiceCIDR, "networking.k8s.io", "v1", "servicecidrs", "servicecidr", "", Cluster, Status, [];
    RuntimeClass = api::node::v1::RuntimeClass, "node.k8s.io", "v1", "runtimeclasses", "runtimeclass", "", Cluster, Plain, [];
    PodDisruptionBudget = api::policy::v1::PodDisruptionBudget, "policy", "v1", "poddisruptionbudgets", "poddisruptionbudget", "pdb", Namespaced, Status, [Generation];
    ClusterRole = api::rbac::v1::ClusterRole, "rbac.authorization.k8s.io", "v1", "clusterroles", "clusterrole", "", Cluster, Plain, [];
    ClusterRoleBinding = api::rbac::v1::ClusterRoleBinding, "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "clusterrolebinding", "", Cluster, Plain, [];
    Role = api::rbac::v1::Role, "rbac.authorization.k8s.io", "v1", "roles", "role", "", Namespaced, Plain, [];
    RoleBinding = api::rbac::v1::RoleBinding, "rbac.authorization.k8s.io", "v1", "rolebindings", "rolebinding", "", Namespaced, Plain, [];
    DeviceClass = api::resource::v1::DeviceClass, "resource.k8s.io", "v1", "deviceclasses", "deviceclass", "", Cluster, Plain, [Generation];
    DeviceTaintRule = api::resource::v1beta2::DeviceTaintRule, "resource.k8s.io", "v1beta2", "devicetaintrules", "devicetaintrule", "", Cluster, Status, [Generation];
    ResourceClaim = api::resource::v1::ResourceClaim, "resource.k8s.io", "v1", "resourceclaims", "resourceclaim", "", Namespaced, Status, [];
    ResourceClaimTemplate = api::resource::v1::ResourceClaimTemplate, "resource.k8s.io", "v1", "resourceclaimtemplates", "resourceclaimtemplate", "", Namespaced, Plain, [];
    ResourcePoolStatusRequest = api::resource::v1alpha3::ResourcePoolStatusRequest, "resource.k8s.io", "v1alpha3", "resourcepoolstatusrequests", "resourcepoolstatusrequest", "", Cluster, Status, [];
    ResourceSlice = api::resource::v1::ResourceSlice, "resource.k8s.io", "v1", "resourceslices", "resourceslice", "", Cluster, Plain, [Generation];
    PodGroup = api::scheduling::v1alpha2::PodGroup, "scheduling.k8s.io", "v1alpha2", "podgroups", "podgroup", "", Namespaced, Status, [];
    PriorityClass = api::scheduling::v1::PriorityClass, "scheduling.k8s.io", "v1", "priorityclasses", "priorityclass", "pc", Cluster, Plain, [Generation];
    Workload = api::scheduling::v1alpha2::Workload, "scheduling.k8s.io", "v1alpha2", "workloads", "workload", "", Namespaced, Plain, [];
    CSIDriver = api::storage::v1::CSIDriver, "storage.k8s.io", "v1", "csidrivers", "csidriver", "", Cluster, Plain, [];
    CSINode = api::storage::v1::CSINode, "storage.k8s.io", "v1", "csinodes", "csinode", "", Cluster, Plain, [];
    CSIStorageCapacity = api::storage::v1::CSIStorageCapacity, "storage.k8s.io", "v1", "csistoragecapacities", "csistoragecapacity", "", Namespaced, Plain, [];
    StorageClass = api::storage::v1::StorageClass, "storage.k8s.io", "v1", "storageclasses", "storageclass", "sc", Cluster, Plain, [];
    VolumeAttachment = api::storage::v1::VolumeAttachment, "storage.k8s.io", "v1", "volumeattachments", "volumeattachment", "", Cluster, Status, [];
    VolumeAttributesClass = api::storage::v1::VolumeAttributesClass, "storage.k8s.io", "v1", "volumeattributesclasses", "volumeattributesclass", "vac", Cluster, Plain, [];
    StorageVersionMigration = api::storagemigration::v1beta1::StorageVersionMigration, "storagemigration.k8s.io", "v1beta1", "storageversionmigrations", "storageversionmigration", "", Cluster, Status, [];
} }; }

macro_rules! define_kinds {
    ($($kind:ident = $ty:path, $group:literal, $version:literal, $plural:literal, $singular:literal, $short:literal, $scope:ident, $status:ident, [$($t:ident)*];)*) => {
        /// Every kind of object the cluster can hold.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($kind,)* Custom(CustomKind) }

        #[derive(Clone, Copy)]
        enum BuiltIn { $($kind,)* }

        static RESOURCES: &[Resource] = &[$(Resource {
            group: $group, version: $version, kind: stringify!($kind), plural: $plural, singular: $singular, short_names: $short,
            scope: Scope::$scope, has_status: is_status!($status), traits: &[$(Trait::$t),*],
        },)*];

        impl Kind {
            /// The table's row for this kind, or the definition's for a custom one.
            pub fn resource(self) -> &'static Resource {
                match self { Kind::Custom(custom) => custom.0, $(Kind::$kind => &RESOURCES[BuiltIn::$kind as usize],)* }
            }

            /// Every built-in kind, in the table's order.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];
        }
    };
}
macro_rules! is_status {
    (Status) => {
        true
    };
    (Plain) => {
        false
    };
}

/// A kind that a CustomResourceDefinition made: its row, shared by all who name the same one.
/// Rows are kept for the life of the process, so that a kind stays a small value. Two kinds are the same if group and plural
/// are, so that a definition may change its versions, short names or subresources while objects are stored.
#[derive(Clone, Copy, Debug)]
pub struct CustomKind(&'static Resource);

impl CustomKind {
    fn identity(&self) -> (&'static str, &'static str) {
        (self.0.group, self.0.plural)
    }
}

impl PartialEq for CustomKind {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.identity() == other.identity()
    }
}

impl Eq for CustomKind {}

impl PartialOrd for CustomKind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CustomKind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.identity().cmp(&other.identity())
    }
}

/// The rows of custom kinds that were ever named.
static CUSTOM: Mutex<BTreeSet<&'static Resource>> = Mutex::new(BTreeSet::new());

/// The words of a custom kind's row.
#[derive(Clone, Debug, Default)]
pub struct CustomNames<'a> {
    /// API group.
    pub group: &'a str,
    /// The version at which it is stored.
    pub version: &'a str,
    /// The kind's name.
    pub kind: &'a str,
    /// Plural, as in URLs.
    pub plural: &'a str,
    /// Singular.
    pub singular: &'a str,
    /// Short names, comma separated.
    pub short_names: &'a str,
}

impl CustomKind {
    /// The kind with these names.
    pub fn new(names: &CustomNames<'_>, scope: Scope, has_status: bool, has_scale: bool) -> CustomKind {
        let traits: &[Trait] = if has_scale { &[Trait::Generation, Trait::Scale] } else { &[Trait::Generation] };
        let mut known = CUSTOM.lock().unwrap_or_else(PoisonError::into_inner);
        let words = |r: &Resource| [r.group, r.version, r.kind, r.plural, r.singular, r.short_names];
        let asked = [names.group, names.version, names.kind, names.plural, names.singular, names.short_names];
        let same = |r: &&&'static Resource| words(r) == asked && (r.scope, r.has_status, r.traits) == (scope, has_status, traits);
        if let Some(row) = known.iter().find(same) {
            return CustomKind(row);
        }
        let [group, version, kind, plural, singular, short_names] = asked.map(|text| &*Box::leak(text.to_owned().into_boxed_str()));
        let wanted = Resource { group, version, kind, plural, singular, short_names, scope, has_status, traits };
        let row: &'static Resource = Box::leak(Box::new(wanted));
        known.insert(row);
        CustomKind(row)
    }
}

impl CustomKind {
    /// The kind that a definition makes, at its storage version; `None` if no version is stored.
    pub fn of_definition(
        crd: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    ) -> Option<CustomKind> {
        let spec = &crd.spec;
        let version = spec.versions.iter().find(|v| v.storage)?;
        let short_names = spec.names.short_names.clone().unwrap_or_default().join(",");
        let names = CustomNames {
            group: &spec.group,
            version: &version.name,
            kind: &spec.names.kind,
            plural: &spec.names.plural,
            singular: spec.names.singular.as_deref().unwrap_or_default(),
            short_names: &short_names,
        };
        let scope = if spec.scope == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
        let subresources = version.subresources.as_ref();
        let has_status = subresources.is_some_and(|s| s.status.is_some());
        Some(CustomKind::new(&names, scope, has_status, subresources.is_some_and(|s| s.scale.is_some())))
    }
}

for_each_kind!(define_kinds);

impl Kind {
    /// Whether objects of this kind live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self.resource().scope == Scope::Namespaced
    }

    /// Whether the kind has this property.
    pub fn has(self, property: Trait) -> bool {
        self.resource().traits.contains(&property)
    }

    /// The kind with this group and name, whatever the version.
    pub fn find(group: &str, kind: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|k| k.resource().group == group && k.resource().kind == kind)
    }

    /// The kind that `kubectl` means by a word: kind, plural, singular or short name, in any case, with or without `.group`.
    pub fn from_word(word: &str) -> Option<Kind> {
        let lower = word.to_ascii_lowercase();
        let (name, group) = lower.split_once('.').map_or((lower.as_str(), None), |(n, g)| (n, Some(g)));
        Kind::ALL.iter().copied().find(|k| {
            let r = k.resource();
            let named = r.plural == name || r.singular == name || r.short_names.split(',').any(|s| !s.is_empty() && s == name);
            named && group.is_none_or(|g| r.group == g || g.ends_with(&format!(".{}", r.group)))
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.resource().kind)
    }
}
