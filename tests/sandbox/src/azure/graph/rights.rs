//! What a caller may do in Microsoft Graph.

use super::super::directory::{GraphRights, Tenant};
use super::failure::Failure;
use super::{Result, Session};

impl Session<'_> {
    pub(super) fn require_reading(&self) -> Result<()> {
        allow(self.caller.is_user || self.caller.graph != GraphRights::None)
    }

    /// `Application.ReadWrite.OwnedBy` lists all objects, and for one of them is limited to its own.
    pub(super) fn require_seeing(&self, owners: &[String]) -> Result<()> {
        if self.caller.graph == GraphRights::OwnedBy {
            self.require_managing(owners)?;
        }
        Ok(())
    }

    pub(super) fn require_creating(&self, tenant: &Tenant) -> Result<()> {
        allow(match self.caller.graph {
            GraphRights::OwnedBy | GraphRights::ReadWriteAll => true,
            GraphRights::None | GraphRights::ReadAll => {
                self.caller.is_administrator || (self.caller.is_user && tenant.users_may_register_apps)
            }
        })
    }

    pub(super) fn require_managing(&self, owners: &[String]) -> Result<()> {
        let owns = owners
            .iter()
            .any(|it| it.eq_ignore_ascii_case(&self.caller.object_id));
        allow(match self.caller.graph {
            GraphRights::ReadWriteAll => true,
            GraphRights::OwnedBy => owns,
            GraphRights::None | GraphRights::ReadAll => {
                self.caller.is_administrator || (self.caller.is_user && owns)
            }
        })
    }

    /// Who owns what the caller creates: the caller, unless a right over all objects lets them create it.
    ///
    /// For those with such a right this is not documented.
    pub(super) fn first_owners(&self) -> Vec<String> {
        let has_all = self.caller.graph == GraphRights::ReadWriteAll || self.caller.is_administrator;
        if has_all {
            Vec::new()
        } else {
            vec![self.caller.object_id.clone()]
        }
    }
}

fn allow(is_allowed: bool) -> Result<()> {
    if is_allowed {
        Ok(())
    } else {
        Err(Failure::denied())
    }
}
