//! Gives pods five minutes of grace on nodes that are not ready or unreachable (DefaultTolerationSeconds).
//! Source: plugin/pkg/admission/defaulttolerationseconds.

use std::sync::Arc;

use sim_apimachinery::{Object, defaults};

use super::{ApiServer, Asked, Call, Outcome, Plugin};

pub(super) const PLUGIN: Plugin = Plugin { name: "DefaultTolerationSeconds", change: Some(change), check: None };

fn change(_server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    if let Object::Pod(pod) = object
        && asked.is_main()
    {
        defaults::admit_default_tolerations(Arc::make_mut(pod));
    }
    Ok(())
}
