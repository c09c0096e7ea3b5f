//! The gateways of `cargo demo --gallery`.

use std::path::Path;

use anyhow::Result;
use apim_sandbox::{Sandbox, documented};

use crate::screen;
use crate::shell::Shell;

/// Deploys a gateway for each verdict, and shows them.
pub(crate) async fn open(sandbox: &Sandbox, plugin: &Path) -> Result<Shell> {
    documented::files(sandbox)?;
    let kubeconfig = documented::kubeconfig(sandbox)?;
    let shell = Shell::new(sandbox, plugin, documented::principal())?.with_kubeconfig(&kubeconfig);
    screen::line("\nDeploying a gateway for each verdict, as the documentation names them ...");
    documented::deploy(sandbox, async |arguments| shell.quietly(arguments).await).await?;
    shell.run("kubectl apim status -n shop").await?;
    Ok(shell)
}
