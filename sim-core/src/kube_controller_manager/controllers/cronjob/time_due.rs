//! Which time of a schedule has come and was not served. Source: `mostRecentScheduleTime` in pkg/controller/cronjob/utils.go.

use k8s_openapi::api::batch::v1::CronJob;
use sim_apimachinery::cron::Schedule;

/// More missed times than this are worth a warning.
pub const MISSED_MAX: i64 = 100;

/// The most recent time up to `now` (seconds), and how many times have passed since the last that was served.
pub fn most_recent(cron_job: &CronJob, now: i64, schedule: &Schedule) -> Option<(i64, i64)> {
    let created = cron_job.metadata.creation_timestamp.as_ref().map_or(0, |t| t.0.as_second());
    let served = cron_job.status.as_ref().and_then(|s| s.last_schedule_time.as_ref()).map(|t| t.0.as_second());
    let earliest = served.unwrap_or(created);
    let earliest = match cron_job.spec.starting_deadline_seconds {
        Some(deadline) => earliest.max(now - deadline),
        None => earliest,
    };
    let first = schedule.next(earliest).filter(|t| *t <= now)?;
    let Some(second) = schedule.next(first).filter(|t| *t <= now) else { return Some((first, 1)) };
    let missed = (now - first) / (second - first).max(1) + 1;
    // Times need not be evenly spread: the search begins a little before where the most recent should be.
    let mut time = first;
    let mut from = first + (missed - 2).max(0) * (second - first) - 1;
    if schedule.next(from).is_none_or(|t| t > now) {
        from = first;
    }
    while let Some(next) = schedule.next(from).filter(|t| *t <= now) {
        (time, from) = (next, next);
    }
    Some((time, missed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_apimachinery::cron;

    fn check(schedule: &str, served: i64, now: i64, expected: Option<(i64, i64)>) {
        let mut cron_job = CronJob::default();
        cron_job.status.get_or_insert_default().last_schedule_time =
            jiff::Timestamp::from_second(served).ok().map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time);
        assert_eq!(most_recent(&cron_job, now, &cron::parse(schedule).unwrap()), expected, "{schedule}");
    }

    #[test]
    fn the_most_recent_time_counts() {
        check("* * * * *", 0, 59, None);
        check("* * * * *", 0, 60, Some((60, 1)));
        check("* * * * *", 0, 190, Some((180, 3)));
        check("0 * * * *", 0, 3600 * 200 + 5, Some((3600 * 200, 200)));
    }
}
