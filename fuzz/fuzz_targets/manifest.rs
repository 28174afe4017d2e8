//! Any text is read as YAML or refused; what is read is decoded as an object of each kind it names, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_apimachinery::{Kind, Object, yaml};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(read) = yaml::read(text, &yaml::Limits::default()) else { return };
    for document in read.documents {
        let written = yaml::write(&document.value);
        let again = yaml::read(&written, &yaml::Limits::default()).map(|r| r.documents.into_iter().map(|d| d.value).next());
        assert!(again.is_ok_and(|v| v.unwrap_or_default() == document.value), "what is written reads back");
        let word = document.value.get("kind").and_then(|k| k.as_str()).unwrap_or_default();
        if let Some(kind) = Kind::from_word(word)
            && let Ok(mut object) = Object::from_json(kind, document.value)
        {
            sim_apimachinery::defaults::default_object(&mut object);
            let _shown = object.to_json();
        }
    }
});
