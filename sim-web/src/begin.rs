//! What a server begins with: the administrator's token, and the session, new or gone on with.

use std::sync::Arc;

use sim_api::{Frontend, Settings};
use sim_apimachinery::UserInfo;
use sim_core::cluster::Cluster;
use sim_core::credentials::Authority;
use sim_core::scenario::Player;
use sim_core::time::{SECOND, SimTime};

use crate::clock::real_now;
use crate::journal::{FORMAT, Header, Journal};
use crate::server::Options;
use crate::session::{Recipe, Session};
use crate::story::ScenarioFile;
use crate::tokens;

/// The administrator's token: a new one, or the one that is kept in the folder.
pub fn admin_token(folder: Option<&std::path::Path>) -> Result<String, String> {
    let Some(folder) = folder else { return tokens::random_token() };
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let path = folder.join("token");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => {
            let token = tokens::random_token()?;
            crate::journal::write_private(&path, token.as_bytes())?;
            Ok(token)
        }
    }
}

/// The session a server begins with: a new one, or the one that is kept in its folder.
pub fn session(options: &Options, users: &[(String, UserInfo)], authority: &Arc<Authority>) -> Result<Session, String> {
    let fresh = Header {
        format: FORMAT.into(),
        cluster: options.cluster.clone(),
        seed: options.seed,
        // A cluster has been up for half a minute when it is handed over.
        start: Cluster::beginning((real_now() / SECOND).saturating_sub(30), options.seed).0,
        without: options.without.clone(),
        scenario: options.scenario.clone(),
    };
    let (journal, header, entries) = match &options.state {
        Some(folder) => {
            let (journal, header, entries) = Journal::open(folder, fresh)?;
            (Some(journal), header, entries)
        }
        None => (None, fresh, vec![]),
    };
    if options.scenario.is_some() && header.scenario != options.scenario {
        return Err("the session in this folder was begun with another scenario, or with none".into());
    }
    let loaded = header.scenario.as_ref().map(ScenarioFile::load).transpose()?.map(Arc::new);
    let (profile, workloads) = match &loaded {
        // The session's own scenario says what its cluster is.
        Some(loaded) if options.scenario.is_none() => {
            let choice = &loaded.scenario.cluster;
            (sim_core::scenario::profile(choice)?, sim_core::scenario::workloads(choice)?)
        }
        _ if header.cluster != options.cluster || header.without != options.without => {
            return Err(format!("the session in this folder has the cluster {:?} without {:?}", header.cluster, header.without));
        }
        _ => (options.profile.clone(), options.workloads.clone()),
    };
    let recipe = Recipe {
        profile: Arc::new(profile),
        workloads: Arc::new(workloads),
        seed: header.seed,
        settings: sim_core::cluster::Settings {
            start: None,
            without: header.without.clone(),
            calls_out: true,
            remembers_deliveries: true,
            authority: Some(authority.clone()),
        },
    };
    let cluster = recipe.cluster(Some(SimTime(header.start)))?;
    let frontend = Frontend::new(Settings { tokens: users.to_vec() });
    let player = match loaded {
        Some(loaded) => Player::new(cluster, loaded),
        None => Player::idle(cluster),
    };
    let mut session = Session::new(recipe, player, frontend, options.speed, journal);
    session.replay(entries);
    Ok(session)
}
