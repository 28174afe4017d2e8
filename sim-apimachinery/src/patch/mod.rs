pub mod json_patch { pub fn apply(_:&serde_json::Value,_:&serde_json::Value)->Result<serde_json::Value,String>{Err(String::new())} }
pub mod merge { pub fn apply(a:&serde_json::Value,_:&serde_json::Value)->serde_json::Value{a.clone()} }
pub mod strategic { pub fn apply(_:crate::schema::TypeRef,_:&serde_json::Value,_:&serde_json::Value)->Result<serde_json::Value,String>{Err(String::new())} }
