//! Probes, lifecycle hooks, and what they do: run a command, ask by HTTP, TCP or gRPC, sleep.
//! Source: `validateProbe`, `validateHandler` and `validateLifecycle` in pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{Container, HTTPGetAction, LifecycleHandler, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

/// What is wrong with the hooks and probes of a container that may have them.
pub fn hooks_and_probes(container: &Container, grace_period_seconds: Option<i64>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(lifecycle) = &container.lifecycle {
        let at = at.child("lifecycle");
        for (name, handler) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
            if let Some(handler) = handler {
                hook(handler, grace_period_seconds, &at.child(name), errors);
            }
        }
    }
    if let Some(liveness) = &container.liveness_probe {
        probe(liveness, &at.child("livenessProbe"), errors);
        succeeds_once(liveness, &at.child("livenessProbe"), errors);
    }
    if let Some(readiness) = &container.readiness_probe {
        let at = at.child("readinessProbe");
        probe(readiness, &at, errors);
        if let Some(seconds) = readiness.termination_grace_period_seconds {
            errors.invalid(&at.child("terminationGracePeriodSeconds"), seconds, "must not be set for readinessProbes");
        }
    }
    if let Some(startup) = &container.startup_probe {
        probe(startup, &at.child("startupProbe"), errors);
        succeeds_once(startup, &at.child("startupProbe"), errors);
    }
}

fn succeeds_once(probe: &Probe, at: &Path<'_>, errors: &mut Errors) {
    let threshold = probe.success_threshold.unwrap_or(0);
    if threshold != 1 {
        errors.invalid(&at.child("successThreshold"), threshold, "must be 1");
    }
}

fn probe(probe: &Probe, at: &Path<'_>, errors: &mut Errors) {
    let mut only = OnlyOne { at, errors, found: false };
    only.check(probe.exec.as_ref(), "exec", |e, at, errors| command(e.command.as_deref(), at, errors));
    only.check(probe.http_get.as_ref(), "httpGet", http_get);
    only.check(probe.tcp_socket.as_ref(), "tcpSocket", |t, at, errors| port(&t.port, &at.child("port"), errors));
    only.check(probe.grpc.as_ref(), "grpc", |g, at, errors| {
        errors.invalid_each(&at.child("port"), g.port, names::port_number(g.port));
    });
    only.finish();
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.not_negative(&at.child(field), value.unwrap_or(0).into());
    }
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|s| *s <= 0) {
        errors.invalid(&at.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0");
    }
}

fn hook(handler: &LifecycleHandler, grace_period_seconds: Option<i64>, at: &Path<'_>, errors: &mut Errors) {
    let mut only = OnlyOne { at, errors, found: false };
    only.check(handler.exec.as_ref(), "exec", |e, at, errors| command(e.command.as_deref(), at, errors));
    only.check(handler.http_get.as_ref(), "httpGet", http_get);
    only.check(handler.tcp_socket.as_ref(), "tcpSocket", |t, at, errors| port(&t.port, &at.child("port"), errors));
    only.check(handler.sleep.as_ref(), "sleep", |sleep, at, errors| {
        let Some(most) = grace_period_seconds.filter(|most| sleep.seconds < 0 || sleep.seconds > *most) else { return };
        let text = format!("must be non-negative and less than terminationGracePeriodSeconds ({most})");
        errors.invalid(at, sleep.seconds, &text);
    });
    only.finish();
}

/// The first handler is checked, each further one refused, and there must be one.
struct OnlyOne<'a, 'e> {
    at: &'a Path<'a>,
    errors: &'e mut Errors,
    found: bool,
}

impl OnlyOne<'_, '_> {
    fn check<T>(&mut self, handler: Option<&T>, name: &str, check: impl FnOnce(&T, &Path<'_>, &mut Errors)) {
        let Some(handler) = handler else { return };
        let at = self.at.child(name);
        if self.found {
            return self.errors.forbidden(&at, "may not specify more than 1 handler type");
        }
        self.found = true;
        check(handler, &at, self.errors);
    }

    fn finish(self) {
        if !self.found {
            self.errors.required(self.at, "must specify a handler type");
        }
    }
}

fn command(command: Option<&[String]>, at: &Path<'_>, errors: &mut Errors) {
    if command.is_none_or(<[String]>::is_empty) {
        errors.required(&at.child("command"), "");
    }
}

fn http_get(get: &HTTPGetAction, at: &Path<'_>, errors: &mut Errors) {
    if get.path.as_deref().unwrap_or_default().is_empty() {
        errors.required(&at.child("path"), "");
    }
    port(&get.port, &at.child("port"), errors);
    let scheme = get.scheme.as_deref().unwrap_or_default();
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.not_supported(&at.child("scheme"), scheme, &["HTTP", "HTTPS"]);
    }
    for header in get.http_headers.iter().flatten() {
        errors.invalid_each(&at.child("httpHeaders"), &header.name, names::http_header_name(&header.name));
    }
}

/// What is wrong with a port that is a number or a name.
pub fn port(port: &IntOrString, at: &Path<'_>, errors: &mut Errors) {
    match port {
        IntOrString::Int(number) => errors.invalid_each(at, *number, names::port_number(*number)),
        IntOrString::String(name) => errors.invalid_each(at, name, names::port_name(name)),
    }
}
