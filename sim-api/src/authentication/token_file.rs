//! The static token file (`--token-auth-file`): lines of `token,user,uid,"group1,group2"`, as CSV; the groups may be left
//! out. Source: apiserver authentication/token/tokenfile. Not modelled: quoted fields that go over several lines.

use sim_apimachinery::UserInfo;

/// Reads the file. Errors: the number of the first line that is wrong, and why.
pub fn parse(text: &str) -> Result<Vec<(String, UserInfo)>, String> {
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let fields = fields(line).map_err(|why| format!("line {}: {why}", number + 1))?;
        let [token, name, uid, rest @ ..] = fields.as_slice() else {
            let found = fields.len();
            return Err(format!("line {}: must have at least 3 columns (token, user name, user uid), found {found}", number + 1));
        };
        if token.is_empty() {
            continue;
        }
        let groups = rest.first().map(|groups| groups.split(',').map(str::to_owned).collect()).unwrap_or_default();
        tokens.push((token.clone(), UserInfo { name: name.clone(), uid: uid.clone(), groups, ..Default::default() }));
    }
    Ok(tokens)
}

fn fields(line: &str) -> Result<Vec<String>, String> {
    let (mut fields, mut rest) = (Vec::new(), line);
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("extraneous or missing \" in quoted-field".into()),
        }
    }
}

/// A field after its opening quote, and what follows its closing one; two quotes are one.
fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let at = rest.find('"').ok_or("a quoted field does not end")?;
        field.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_users_with_their_groups() {
        let tokens = parse("t1,alice,alice-uid,\"dev,ops\"\n\nt2,carol,carol-uid\n,nobody,x\n").expect("it is valid");
        let groups: Vec<&[String]> = tokens.iter().map(|(_, user)| user.groups.as_slice()).collect();
        assert_eq!(groups, [&["dev".to_owned(), "ops".to_owned()][..], &[]]);
        assert_eq!((tokens[1].0.as_str(), tokens[1].1.name.as_str(), tokens[1].1.uid.as_str()), ("t2", "carol", "carol-uid"));
    }

    #[test]
    fn a_line_that_is_too_short_is_told_of() {
        assert_eq!(parse("a,b,c\nx,y"), Err("line 2: must have at least 3 columns (token, user name, user uid), found 2".into()));
        assert!(parse("a,b,c,\"d").is_err());
    }
}
