//! The profiles a simulation knows, in order: the first that names an image's repository is its profile.
//! The built-in ones are the files in `workload/profiles`; a scenario may put its own before them.

use crate::profile::{Profile, ProfileError};

/// The built-in profiles by file name, in order of precedence. The last is the guess for everything else.
const BUILTIN: [(&str, &str); 7] = [
    ("fastapi-k8s", include_str!("../../workload/profiles/fastapi-k8s.yaml")),
    ("fastapi-k8s-recorded", include_str!("../../workload/profiles/fastapi-k8s-recorded.yaml")),
    ("redis", include_str!("../../workload/profiles/redis.yaml")),
    ("busybox", include_str!("../../workload/profiles/busybox.yaml")),
    ("nginx", include_str!("../../workload/profiles/nginx.yaml")),
    ("admission-webhook", include_str!("../../workload/profiles/admission-webhook.yaml")),
    ("default", include_str!("../../workload/profiles/default.yaml")),
];

/// An ordered list of profiles that always has an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileSet {
    profiles: Vec<Profile>,
    fallback: Profile,
}

impl ProfileSet {
    /// The profiles that come with the simulator.
    pub fn builtin() -> Self {
        let read = |(name, yaml): &(&str, &str)| Profile::parse(yaml).unwrap_or_else(|error| panic!("built-in profile {name}: {error}"));
        let profiles: Vec<Profile> = BUILTIN.iter().map(read).collect();
        let fallback = profiles.iter().find(|profile| profile.is_fallback()).cloned().expect("default.yaml is for any image");
        Self { profiles, fallback }
    }

    /// Reads one profile; the same as [`Profile::parse`].
    pub fn parse(yaml: &str) -> Result<Profile, ProfileError> {
        Profile::parse(yaml)
    }

    /// Puts a profile before all others.
    pub fn add_first(&mut self, profile: Profile) {
        self.profiles.insert(0, profile);
    }

    /// Moves the profile of this name before all others; false if there is none. `fastapi-k8s-recorded` is the small server
    /// of the recordings, which has the same image name as the FastAPI application.
    pub fn prefer(&mut self, name: &str) -> bool {
        match self.get(name).cloned() {
            Some(profile) => {
                self.add_first(profile);
                true
            }
            None => false,
        }
    }

    /// The profile of this `metadata.name`.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name() == name)
    }

    /// The profile for an image: the first whose `spec.images` has its repository name, else the one for any image
    /// ([`Profile::is_fallback`]): it listens on every port after a second and answers 200 to everything.
    pub fn find(&self, image: &str) -> &Profile {
        let repository = repository_name(image);
        let matches = |profile: &&Profile| profile.spec().images.iter().any(|name| name == repository);
        self.profiles.iter().find(matches).unwrap_or(&self.fallback)
    }

    /// All profiles in order of precedence.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.iter()
    }
}

impl Default for ProfileSet {
    fn default() -> Self {
        Self::builtin()
    }
}

/// The last path component of an image reference without tag and digest: `docker.io/library/redis:7` is `redis`.
pub fn repository_name(image: &str) -> &str {
    let without_digest = image.split('@').next().unwrap_or_default();
    let last = without_digest.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &str, profile: &str) {
        assert_eq!(ProfileSet::builtin().find(image).name(), profile, "{image}");
    }

    #[test]
    fn the_repository_name_finds_the_profile() {
        check("redis", "redis");
        check("docker.io/library/redis:7", "redis");
        check("localhost:5000/team/redis@sha256:0123", "redis");
        check("fastapi-k8s:latest", "fastapi-k8s");
        check("example.com/redis-exporter:1", "default");
        check("", "default");
    }

    #[test]
    fn a_preferred_or_added_profile_comes_first() {
        let mut set = ProfileSet::builtin();
        assert!(set.prefer("fastapi-k8s-recorded") && !set.prefer("nothing"));
        assert_eq!(set.find("fastapi-k8s:latest").name(), "fastapi-k8s-recorded");
    }
}
