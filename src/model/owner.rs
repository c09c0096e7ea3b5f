/// What keeps an object equal to a source of its own, and so undoes other changes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The tool, or its object, as in `Flux Kustomization apps`.
    pub name: String,
    /// What to do instead of writing the object.
    pub instead: String,
}
