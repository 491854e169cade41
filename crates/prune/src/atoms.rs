//! Atoms: the channels of every value, in classes that can only be removed together.

use std::rc::Rc;

/// One channel of one or several values. A number in [`Atoms`].
pub(crate) type Atom = usize;

/// Why something cannot be removed, as the end of a sentence that starts with its name.
pub(crate) type Reason = Rc<str>;

/// One dimension of a value.
#[derive(Clone, Debug)]
pub(crate) enum Dim {
    /// Its elements are positions, or belong to the caller: none can be removed.
    Fixed(Reason),
    /// One atom per element.
    Atoms(Vec<Atom>),
}

/// Union-find over atoms; a class may be frozen.
#[derive(Default)]
pub(crate) struct Atoms {
    parent: Vec<Atom>,
    /// Per root; the first reason given stays.
    frozen: Vec<Option<Reason>>,
}

impl Atoms {
    /// New atoms, each in a class of its own.
    pub(crate) fn fresh(&mut self, count: usize) -> Vec<Atom> {
        let start = self.parent.len();
        self.parent.extend(start..start + count);
        self.frozen.resize(start + count, None);
        (start..start + count).collect()
    }

    /// New atoms that cannot be removed.
    pub(crate) fn fresh_frozen(&mut self, count: usize, reason: &Reason) -> Vec<Atom> {
        let atoms = self.fresh(count);
        self.frozen[atoms.first().copied().unwrap_or(self.parent.len())..].fill(Some(reason.clone()));
        atoms
    }

    /// The class of an atom: its oldest member.
    pub(crate) fn root(&mut self, mut atom: Atom) -> Atom {
        while self.parent[atom] != atom {
            self.parent[atom] = self.parent[self.parent[atom]];
            atom = self.parent[atom];
        }
        atom
    }

    /// Puts two atoms into one class.
    pub(crate) fn unite(&mut self, a: Atom, b: Atom) {
        let (a, b) = (self.root(a), self.root(b));
        let (old, new) = (a.min(b), a.max(b));
        if old == new {
            return;
        }
        // The oldest member stays the root, so that classes come out in the order of the graph.
        self.parent[new] = old;
        if let (None, reason @ Some(_)) = (self.frozen[old].clone(), self.frozen[new].take()) {
            self.frozen[old] = reason;
        }
    }

    /// Unites two lists of equal length, element by element.
    pub(crate) fn unite_all(&mut self, a: &[Atom], b: &[Atom]) {
        debug_assert_eq!(a.len(), b.len(), "coupled dimensions have one size");
        for (a, b) in a.iter().zip(b) {
            self.unite(*a, *b);
        }
    }

    /// Makes the classes of these atoms unremovable.
    pub(crate) fn freeze(&mut self, atoms: &[Atom], reason: &Reason) {
        for atom in atoms {
            let root = self.root(*atom);
            self.frozen[root].get_or_insert_with(|| reason.clone());
        }
    }

    /// Why the class of this atom cannot be removed; `None` when it can.
    pub(crate) fn frozen(&mut self, atom: Atom) -> Option<Reason> {
        let root = self.root(atom);
        self.frozen[root].clone()
    }

    /// Ends the tracing: every atom's class, by number.
    pub(crate) fn classes(mut self) -> Classes {
        let root = (0..self.parent.len()).map(|atom| self.root(atom)).collect();
        Classes { root, frozen: self.frozen }
    }
}

/// What [`Atoms`] became: fixed, and cheap to ask.
pub(crate) struct Classes {
    root: Vec<Atom>,
    frozen: Vec<Option<Reason>>,
}

impl Classes {
    /// The class of an atom.
    pub(crate) fn of(&self, atom: Atom) -> Atom {
        self.root[atom]
    }

    /// Why a class cannot be removed; `None` when it can.
    pub(crate) fn frozen(&self, class: Atom) -> Option<&Reason> {
        self.frozen[class].as_ref()
    }

    /// Number of atoms; every class is below it.
    pub(crate) fn len(&self) -> usize {
        self.root.len()
    }
}
