use super::RealEffects;
use crate::apply::Proof;
use crate::apply::prover::{LogCounts, ProvedWorkload, Prover};
use crate::model::WorkloadRef;

impl RealEffects<'_> {
    /// Reads the workloads until their rollouts, pods and logs show whether the
    /// credential of the rotation `id` works, or until the proof's end.
    pub(super) async fn proof(&self, workloads: &[WorkloadRef], id: &str) -> Proof {
        let workloads: Vec<ProvedWorkload> = workloads.iter().map(|it| self.proved(it, id)).collect();
        let prover = Prover {
            cluster: self.cluster,
            output: self.output,
            workloads: &workloads,
            id,
            written: self.secret.written().unwrap_or_else(|| self.cluster.now()),
            mode: self.prove,
            noun: "token",
            log_counts: LogCounts::Always,
            of_template: false,
            ends: self.proof_ends,
        };
        prover.prove().await
    }

    fn proved(&self, workload: &WorkloadRef, id: &str) -> ProvedWorkload {
        let state = self.workloads.get(workload);
        ProvedWorkload {
            workload: workload.clone(),
            was_ready: state.is_some_and(|state| state.was_ready),
            gateways: state.and_then(|state| state.gateways.clone()),
            was_proved: state.is_some_and(|state| {
                let runs_gateway = state.gateways.as_ref().is_none_or(|names| !names.is_empty());
                runs_gateway && state.was_ready && state.marks.proved.contains(id)
            }),
        }
    }
}
