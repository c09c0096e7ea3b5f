//! All tests of the binary.
