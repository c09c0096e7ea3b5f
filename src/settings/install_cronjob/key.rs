use crate::error::{Error, Result};
use crate::manifest::cronjob::KeyOf;
use crate::settings::typed::check_name;

/// Parses `NAME[:KEY]`, a key of a Secret or ConfigMap.
pub(super) fn key_of(flag: &str, text: &str, usual: &str) -> Result<KeyOf> {
    let (name, key) = text.split_once(':').unwrap_or((text, usual));
    check_name(name).map_err(|why| Error::usage(format!("--{flag}: {why}")))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if key.is_empty() || !key.bytes().all(plain) || key.starts_with("..") {
        return Err(Error::usage(format!(
            "--{flag}: `{key}` is not a valid key of a Secret or ConfigMap"
        )));
    }
    Ok(KeyOf {
        name: name.to_owned(),
        key: key.to_owned(),
    })
}
