/// The file of this program.
pub const PROGRAM: &str = "kubectl-apim";

/// The script that this program replaces. Under this name the program takes the
/// script's own options.
pub const SCRIPT: &str = "apim-shg-rotate";

/// The name of everything that is installed, unless another is given: the
/// script's, so that its objects are found again.
pub const DEFAULT_NAME: &str = SCRIPT;
