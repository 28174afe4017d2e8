//! Projected volumes: sources that share a folder. Source: `validateProjectionSources` in pkg/apis/core/validation.
//! Not checked: sources of features that are off by default and are dropped before (trust bundles, pod certificates).

use k8s_openapi::api::core::v1::{KeyToPath, ProjectedVolumeSource, ServiceAccountTokenProjection, VolumeProjection};

use super::Options;
use super::volume_paths::{local_not_reserved, mode};
use super::volumes::{Files, downward_file, key_to_path};
use crate::validation::errors::Errors;
use crate::validation::path::Path;

const CONFLICT: &str = "conflicting duplicate paths";
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// What is wrong with a projected volume.
pub fn projected(source: &ProjectedVolumeSource, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    mode(source.default_mode, &at.child("defaultMode"), errors);
    let mut files = Files::new();
    for (index, part) in source.sources.iter().flatten().enumerate() {
        let list = at.child("sources");
        let part_at = list.index(index);
        let count = one_source(part, at, &part_at, &mut files, options, errors);
        if count > 1 {
            errors.forbidden(&part_at, "may not specify more than 1 volume type per source");
        }
    }
}

/// Checks one source and says how many kinds it names. Conflicts are told at the volume.
fn one_source(
    part: &VolumeProjection,
    volume_at: &Path<'_>,
    at: &Path<'_>,
    files: &mut Files,
    options: &Options,
    errors: &mut Errors,
) -> usize {
    let mut count = 0;
    if let Some(secret) = &part.secret {
        count += 1;
        keyed((&secret.name, secret.items.as_deref()), volume_at, &at.child("secret"), files, errors);
    }
    if let Some(map) = &part.config_map {
        count += 1;
        keyed((&map.name, map.items.as_deref()), volume_at, &at.child("configMap"), files, errors);
    }
    if let Some(api) = &part.downward_api {
        count += 1;
        for file in api.items.iter().flatten() {
            downward_file(file, &at.child("downwardAPI"), errors);
            if !file.path.is_empty() && !files.insert(file.path.clone()) {
                errors.invalid(volume_at, &file.path, CONFLICT);
            }
        }
    }
    if let Some(token) = &part.service_account_token {
        count += 1;
        service_account_token(token, volume_at, &at.child("serviceAccountToken"), options, errors);
    }
    count
}

fn keyed((name, items): (&str, Option<&[KeyToPath]>), volume_at: &Path<'_>, at: &Path<'_>, files: &mut Files, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(&at.child("name"), "");
    }
    for (index, item) in items.unwrap_or_default().iter().enumerate() {
        key_to_path(item, &at.child("items").index(index), errors);
        if !item.path.is_empty() && !files.insert(item.path.clone()) {
            errors.invalid(volume_at, name, CONFLICT);
        }
    }
}

fn service_account_token(
    token: &ServiceAccountTokenProjection,
    volume_at: &Path<'_>,
    at: &Path<'_>,
    options: &Options,
    errors: &mut Errors,
) {
    let seconds = token.expiration_seconds.unwrap_or(0);
    let seconds_at = at.child("expirationSeconds");
    if seconds < TOKEN_SECONDS_MIN {
        errors.invalid(&seconds_at, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds > TOKEN_SECONDS_MAX {
        errors.invalid(&seconds_at, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    let path_at = volume_at.child("path");
    if token.path.is_empty() {
        errors.required(&path_at, "");
    } else if !options.non_local_token_path {
        local_not_reserved(&token.path, &path_at, errors);
    }
}
