//! Storage classes and CSI drivers. Source: pkg/apis/storage/v1/defaults.go, with the feature gates at their defaults.

use k8s_openapi::api::storage::v1::{CSIDriver, CSIStorageCapacity, StorageClass};

/// Defaults of a storage class.
pub fn default_storage_class(class: &mut StorageClass) {
    class.reclaim_policy.get_or_insert_with(|| "Delete".into());
    class.volume_binding_mode.get_or_insert_with(|| "Immediate".into());
}

/// Defaults of a CSI driver.
pub fn default_driver(driver: &mut CSIDriver) {
    let spec = &mut driver.spec;
    spec.attach_required.get_or_insert(true);
    for flag in [&mut spec.pod_info_on_mount, &mut spec.storage_capacity, &mut spec.requires_republish, &mut spec.se_linux_mount] {
        flag.get_or_insert(false);
    }
    spec.fs_group_policy.get_or_insert_with(|| "ReadWriteOnceWithFSType".into());
    if spec.volume_lifecycle_modes.as_ref().is_none_or(Vec::is_empty) {
        spec.volume_lifecycle_modes = Some(vec!["Persistent".into()]);
    }
}

/// Quantities of a storage capacity in their canonical form.
pub fn canonicalise_capacity(capacity: &mut CSIStorageCapacity) {
    for quantity in [&mut capacity.capacity, &mut capacity.maximum_volume_size].into_iter().flatten() {
        super::canonicalise_quantity(quantity);
    }
}
