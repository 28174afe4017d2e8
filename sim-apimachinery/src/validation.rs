pub fn validate_create(_:&crate::Object)->Vec<crate::Cause>{vec![]} pub fn validate_update(_:&crate::Object,_:&crate::Object)->Vec<crate::Cause>{vec![]}
