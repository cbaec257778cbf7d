//! What of the crate its users can name, and how it is written.

use std::collections::BTreeMap;

use syn::{ImplItem, Item, ItemImpl, Type, Visibility};

use crate::tree::{self, Meaning, ModulePath, Place, Tree, join};

/// An item under the path its users write.
pub(crate) struct Public<'a> {
    /// `group::Group`.
    pub(crate) path: String,
    pub(crate) item: &'a Item,
    /// The blocks that are about this item.
    pub(crate) impls: Vec<&'a ItemImpl>,
}

impl Public<'_> {
    /// Whether it is a type with such an implementation: `Future`.
    pub(crate) fn implements(&self, name: &str) -> bool {
        let traits = self.impls.iter().filter_map(|block| block.trait_.as_ref());
        traits
            .filter_map(|(_, path, _)| path.segments.last())
            .any(|last| last.ident == name)
    }

    /// Its public functions, each with its documentation.
    pub(crate) fn functions(&self) -> Vec<Function<'_>> {
        let mut functions = self.all_functions();
        functions.retain(|function| !hidden(function.attributes));
        functions
    }

    fn all_functions(&self) -> Vec<Function<'_>> {
        let mut functions = Vec::new();
        if let Item::Fn(item) = self.item {
            functions.push(Function {
                path: self.path.clone(),
                signature: &item.sig,
                attributes: &item.attrs,
            });
        }
        if let Item::Trait(item) = self.item {
            for inner in &item.items {
                if let syn::TraitItem::Fn(inner) = inner {
                    functions.push(Function {
                        path: join(&self.path, &inner.sig.ident.to_string()),
                        signature: &inner.sig,
                        attributes: &inner.attrs,
                    });
                }
            }
        }
        for block in self.impls.iter().filter(|block| block.trait_.is_none()) {
            for inner in &block.items {
                if let ImplItem::Fn(inner) = inner {
                    if is_public(&inner.vis) {
                        functions.push(Function {
                            path: join(&self.path, &inner.sig.ident.to_string()),
                            signature: &inner.sig,
                            attributes: &inner.attrs,
                        });
                    }
                }
            }
        }
        functions
    }
}

/// A function or method under the path its users write.
pub(crate) struct Function<'a> {
    pub(crate) path: String,
    pub(crate) signature: &'a syn::Signature,
    pub(crate) attributes: &'a [syn::Attribute],
}

/// All that can be named from outside.
pub(crate) struct Api<'a> {
    pub(crate) items: Vec<Public<'a>>,
    /// The public modules.
    pub(crate) modules: Vec<(ModulePath, &'a [syn::Attribute])>,
    /// Second names of what has a longer path, and names of what a macro made: each as a line.
    pub(crate) others: Vec<String>,
}

impl<'a> Api<'a> {
    pub(crate) fn of(tree: &'a Tree) -> Self {
        let mut exports = Exports::default();
        exports.walk(tree, "", "");

        let mut others = exports.foreign;
        let mut items = Vec::new();
        let mut names = BTreeMap::new();
        for (place, mut paths) in exports.items {
            // The deepest is where it is documented.
            paths.sort_by_key(|path| (path.matches("::").count(), path.clone()));
            let Some(path) = paths.pop() else { continue };
            for second in paths {
                others.push(format!("pub use {path} as {second};"));
            }
            names.insert(place, path);
        }
        let mut impls = impls(tree, &names);
        for ((module, name), path) in &names {
            let item = tree.modules[module]
                .iter()
                .find(|item| tree::name_of(item).as_ref() == Some(name) && visible(item))
                .expect("it was found there");
            items.push(Public {
                path: path.clone(),
                item,
                impls: impls
                    .remove(&(module.clone(), name.clone()))
                    .unwrap_or_default(),
            });
        }
        items.sort_by(|a, b| a.path.cmp(&b.path));
        others.sort();
        others.dedup();
        Self {
            items,
            modules: exports.modules,
            others,
        }
    }
}

#[derive(Default)]
struct Exports<'a> {
    /// By where it is written: the paths it can be named by.
    items: BTreeMap<Place, Vec<String>>,
    modules: Vec<(ModulePath, &'a [syn::Attribute])>,
    foreign: Vec<String>,
}

impl<'a> Exports<'a> {
    /// Looks through `module`, which users know as `public`.
    fn walk(&mut self, tree: &'a Tree, module: &str, public: &str) {
        for item in &tree.modules[module] {
            if !visible(item) || hidden(tree::attributes(item)) {
                continue;
            }
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let path = join(public, &name);
                    self.modules.push((path.clone(), &inner.attrs));
                    self.walk(tree, &join(module, &name), &path);
                }
                Item::Use(brought) => {
                    for import in tree::imports(&brought.tree) {
                        self.bring(tree, module, public, &import);
                    }
                }
                _ => {
                    if let Some(name) = tree::name_of(item) {
                        let path = join(public, &name);
                        let place = (module.to_owned(), name);
                        self.items.entry(place).or_default().push(path);
                    }
                }
            }
        }
    }

    fn bring(&mut self, tree: &'a Tree, module: &str, public: &str, import: &tree::Import) {
        match (tree.resolve(module, &import.path), &import.name) {
            (Meaning::Item(place), Some(name)) => {
                let path = join(public, name);
                self.items.entry(place).or_default().push(path);
            }
            (Meaning::Module(inner), None) => self.walk(tree, &inner, public),
            (Meaning::Module(inner), Some(name)) => self.walk(tree, &inner, &join(public, name)),
            (_, name) => {
                let name = name.as_deref().unwrap_or("*");
                let from = import.path.join("::");
                self.foreign
                    .push(format!("pub use {from} as {};", join(public, name)));
            }
        }
    }
}

/// The blocks by the item they are about: the type, or the trait where the type is not ours.
fn impls<'a>(
    tree: &'a Tree,
    names: &BTreeMap<Place, String>,
) -> BTreeMap<Place, Vec<&'a ItemImpl>> {
    let mut found = BTreeMap::<Place, Vec<&ItemImpl>>::new();
    for (module, items) in &tree.modules {
        for item in items {
            let Item::Impl(block) = item else { continue };
            let meaning = |path: &[String]| tree.resolve(module, path);
            let own = subject(&block.self_ty).map_or(Meaning::Elsewhere, |path| meaning(&path));
            let of_trait = block.trait_.as_ref().map(|(_, path, _)| {
                let path: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
                meaning(&path)
            });
            let about = match (own, of_trait) {
                // A trait that users can not name says nothing to them.
                (_, Some(Meaning::Item(place))) if !names.contains_key(&place) => continue,
                (Meaning::Item(place), _) => place,
                (_, Some(Meaning::Item(place))) => place,
                _ => continue,
            };
            found.entry(about).or_default().push(block);
        }
    }
    found
}

/// The path of the type a block is about.
fn subject(ty: &Type) -> Option<Vec<String>> {
    match ty {
        Type::Path(path) => Some(
            path.path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect(),
        ),
        Type::Reference(reference) => subject(&reference.elem),
        _ => None,
    }
}

pub(crate) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn visible(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    is_public(visibility)
}

pub(crate) fn hidden(attributes: &[syn::Attribute]) -> bool {
    use quote::ToTokens;
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute
                .meta
                .to_token_stream()
                .to_string()
                .contains("hidden")
    })
}

/// The text of the doc comments among `attributes`.
pub(crate) fn docs(attributes: &[syn::Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => tree::text(&pair.value),
            _ => None,
        });
    lines.map(|line| line + "\n").collect()
}
