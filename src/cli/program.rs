//! The names of the program.

/// The file that the shells complete.
pub(super) const PROGRAM: &str = "kubectl-apim";

/// The variable with which a shell's script requests completion. Its value is
/// the name of the shell; the words of the line are the arguments after `--`.
pub const COMPLETION_VARIABLE: &str = "KUBECTL_APIM_COMPLETE";

/// The variable with which bash and zsh say which word of the line is completed.
pub const INDEX_VARIABLE: &str = "_CLAP_COMPLETE_INDEX";

/// The name of the program's file, without folder and extension.
pub fn file_name(program: &str) -> &str {
    let file = program.rsplit(['/', '\\']).next().unwrap_or(program);
    file.strip_suffix(".exe").unwrap_or(file)
}

/// What the help calls the program: `kubectl apim` as a plugin, else the
/// file's own name.
pub(super) fn display_name(program: &str) -> String {
    let file = file_name(program);
    match file.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl {}", plugin.replace('-', " ").replace('_', "-")),
        None if file.is_empty() => "kubectl apim".to_owned(),
        None => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_file() {
        for (program, name) in [
            ("/usr/local/bin/kubectl-apim", "kubectl apim"),
            ("kubectl-apim.exe", "kubectl apim"),
            ("kubectl-apim_gw", "kubectl apim-gw"),
            ("/opt/apim", "apim"),
            ("", "kubectl apim"),
        ] {
            assert_eq!(display_name(program), name, "{program}");
        }
    }
}
