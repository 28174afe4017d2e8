#[derive(Clone,Copy)] pub struct TypeRef; pub fn lookup(_:&str,_:&str,_:&str)->Option<TypeRef>{None}
