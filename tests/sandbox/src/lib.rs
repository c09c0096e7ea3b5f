//! The sandbox of kubectl-apim.
