//! How fast whole scenarios are played, without the start of a process. Run: `cargo bench -p ksim-tests`.

#[path = "../play.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod play;

use criterion::{Criterion, criterion_group, criterion_main};

fn scenarios(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scenario");
    group.sample_size(10);
    for name in ["crash", "hpa-scale-up", "large/thousand-replicas"] {
        let loaded = play::load(&play::root().join(format!("scenarios/{name}.yaml")));
        group.bench_function(name, |bench| bench.iter(|| play::play(&loaded, 1).0.verdicts.len()));
    }
    group.finish();
}

criterion_group!(speed, scenarios);
criterion_main!(speed);
