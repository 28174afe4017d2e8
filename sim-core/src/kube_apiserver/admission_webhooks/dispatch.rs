//! Asking webhooks while a request is admitted: those that may change the object one after the other, each on what the
//! others have made of it, and once more those that want it if a later one changed it; then those that may only refuse.
//! Source: apiserver pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go, mutating/reinvocationcontext.go.

use std::collections::BTreeSet;

use serde_json::Value;
use sim_apimachinery::decoding::split_api_version;
use sim_apimachinery::{Kind, Object, Reason, Status, conversion};

use super::attempt::{Asked, unanswered};
use super::{AdmissionRequest, Hook, Phase, Verdict, conditions_hold, new_call, verdict};
use crate::kube_apiserver::admission_policies::{Attributes, user_of};
use crate::kube_apiserver::{ApiServer, Call, Outcome};

/// The rounds of mutation of one request.
#[derive(Debug, Default)]
pub(in crate::kube_apiserver) struct Rounds {
    is_second: bool,
    /// Webhooks of the policy `IfNeeded` that have seen the object as it was.
    invoked: BTreeSet<String>,
    /// Those among them that must see it again.
    again: BTreeSet<String>,
    changed: bool,
    last: Option<Object>,
}

impl Rounds {
    /// Whether there is a second round, which then begins.
    pub fn begin_second(&mut self) -> bool {
        self.is_second = true;
        self.changed
    }

    fn ask_again(&mut self) {
        self.again.append(&mut self.invoked);
    }
}

impl ApiServer {
    /// Lets webhooks change an object that is to be stored.
    pub(in crate::kube_apiserver) fn mutate_by_webhooks(
        &self,
        object: &mut Object,
        old: Option<&Object>,
        subresource: &str,
        rounds: &mut Rounds,
        call: &mut Call<'_>,
    ) -> Outcome<()> {
        if rounds.is_second && rounds.last.as_ref() != Some(&*object) {
            rounds.ask_again();
        }
        for hook in self.hooks(Phase::Mutating) {
            if rounds.is_second && !rounds.again.contains(&hook.id) {
                continue;
            }
            let before = object.clone();
            let attributes = match old {
                Some(old) => Attributes::update(&before, old, subresource),
                None => Attributes::create(&before),
            };
            let Some(said) = self.consult(&hook, Phase::Mutating, &attributes, rounds.is_second, call)? else { continue };
            if let Some(next) = said.patched()? {
                *object = self.as_sent(next, &said.seen, before.kind(), call)?;
                rounds.changed = true;
                rounds.ask_again();
            }
            if hook.reinvokes {
                rounds.invoked.insert(hook.id.clone());
            }
        }
        rounds.last = Some(object.clone());
        Ok(())
    }

    /// Asks the webhooks that may refuse, all of them at once. The first refusal counts.
    pub(in crate::kube_apiserver) fn ask_webhooks(&self, attributes: &Attributes<'_>, call: &mut Call<'_>) -> Outcome<()> {
        let mut refusal = None;
        for hook in self.hooks(Phase::Validating) {
            let open = call.webhooks.open.len();
            match self.consult(&hook, Phase::Validating, attributes, false, call) {
                Ok(_) => {}
                Err(_) if call.webhooks.open.len() > open => {}
                Err(status) => _ = refusal.get_or_insert(status),
            }
        }
        if !call.webhooks.open.is_empty() {
            return Err(unanswered());
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Asks the webhooks about a deletion.
    pub(in crate::kube_apiserver) fn ask_webhooks_of_deletion(&self, current: &Object, call: &mut Call<'_>) -> Outcome<()> {
        let attributes = Attributes::delete(current);
        for hook in self.hooks(Phase::Mutating) {
            self.consult(&hook, Phase::Mutating, &attributes, false, call)?;
        }
        self.ask_webhooks(&attributes, call)
    }

    /// What a webhook says of a request; nothing if the request is none of its business. The user is warned of what it says.
    pub(super) fn consult(
        &self,
        hook: &Hook<'_>,
        phase: Phase,
        attributes: &Attributes<'_>,
        again: bool,
        call: &mut Call<'_>,
    ) -> Outcome<Option<Said>> {
        if is_exempt(attributes.kind) {
            return Ok(None);
        }
        let sent = call.api_version.clone().filter(|version| conversion::is_converted(attributes.kind, version));
        let attributes = &Attributes { sent_at: sent.as_deref().map(split_api_version), ..*attributes };
        let Some(seen) = self.seen_at(hook, attributes) else { return Ok(None) };
        let attributes = &Attributes { seen_at: Some(split_api_version(&seen)), ..*attributes };
        let object = self.as_seen(attributes.object, &seen, call)?.or_else(|| attributes.posted.cloned());
        let old = self.as_seen(attributes.old, &seen, call)?;
        let key = format!("{} {phase:?}{}", hook.id, if again { " again" } else { "" });
        let version = attributes.old.and_then(|o| o.metadata().resource_version.clone()).unwrap_or_default();
        let known = call.webhooks.find(&key, &version).cloned();
        let question = format!("{key} {} {} {} {}", attributes.kind, attributes.namespace, attributes.name, call.now.0);
        let uid = known.as_ref().map_or_else(|| question_uid(&question), |answer| answer.asked.uid.clone());
        let user = user_of(call);
        let request = AdmissionRequest {
            object: object.as_ref(),
            old: old.as_ref(),
            subresource: attributes.subresource,
            user: &user,
            dry_run: call.dry_run,
            uid: &uid,
        };
        if !conditions_hold(hook, attributes, &request)? {
            return Ok(None);
        }
        if call.dry_run && !matches!(hook.side_effects, "None" | "NoneOnDryRun") {
            let text = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Box::new(Status::new(Reason::BadRequest, text)));
        }
        let Some(mut made) = new_call(hook, phase, attributes, &request) else { return Ok(None) };
        let Some(answer) = known else {
            made.asked = Asked { key, uid, version };
            call.webhooks.open.push(made);
            return Err(unanswered());
        };
        let Verdict { patch, warnings } = verdict(&made, answer.body)?;
        call.warnings.extend(warnings);
        Ok(Some(Said { seen, object: object.unwrap_or_default(), patch }))
    }
}

/// What a webhook says of a request that may go on.
pub(super) struct Said {
    /// The `apiVersion` at which it saw the object.
    seen: String,
    /// The object as it saw it.
    object: Value,
    patch: Option<Value>,
}

impl Said {
    /// The object as it changed it; nothing if it changed nothing.
    pub(super) fn patched(&self) -> Outcome<Option<Value>> {
        let Some(patch) = &self.patch else { return Ok(None) };
        let internal = |why: String| Box::new(Status::new(Reason::InternalError, format!("Internal error occurred: {why}")));
        let operations = patch.as_array().map(Vec::as_slice).unwrap_or_default();
        let after = sim_apimachinery::patch::json_patch::apply(&self.object, operations).map_err(|e| internal(e.to_string()))?;
        Ok((after != self.object).then_some(after))
    }
}

/// Configurations of admission are not admitted by what they configure.
fn is_exempt(kind: Kind) -> bool {
    use Kind as K;
    matches!(
        kind,
        K::ValidatingWebhookConfiguration
            | K::MutatingWebhookConfiguration
            | K::ValidatingAdmissionPolicy
            | K::ValidatingAdmissionPolicyBinding
            | K::MutatingAdmissionPolicy
            | K::MutatingAdmissionPolicyBinding
    )
}

/// A uid for a question, unlike those of all others, and the same whenever the question is asked.
pub(in crate::kube_apiserver) fn question_uid(text: &str) -> String {
    let hash = |seed: u64| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let (a, b) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9e37_79b9_7f4a_7c15));
    format!("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff, 0x8000 | (b >> 50), b & 0xffff_ffff_ffff)
}
