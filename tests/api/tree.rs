//! The modules of the crate as written, and what a name in one of them stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Item, Token, UseTree};

/// A module by its path from the root, `""` being the root itself: `group::scope`.
pub(crate) type ModulePath = String;

/// Where an item is written: its module and its name there.
pub(crate) type Place = (ModulePath, String);

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Item(Place),
    Module(ModulePath),
    /// Of another crate, or made by a macro.
    Elsewhere,
}

/// One leaf of a `use`.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// `None`: all there is.
    pub(crate) name: Option<String>,
}

pub(crate) struct Tree {
    pub(crate) modules: BTreeMap<ModulePath, Vec<Item>>,
}

impl Tree {
    pub(crate) fn of_this_crate() -> Self {
        let mut tree = Self {
            modules: BTreeMap::new(),
        };
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        tree.read(&src.join("lib.rs"), &src, "");
        tree
    }

    /// Reads `file`, whose own modules lie in `folder`.
    fn read(&mut self, file: &Path, folder: &Path, module: &str) {
        let source =
            fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed =
            syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(parsed.items, folder, module);
    }

    fn add(&mut self, items: Vec<Item>, folder: &Path, module: &str) {
        let mut kept = Vec::new();
        for item in items {
            if never_built(attributes(&item)) {
                continue;
            }
            match &item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let path = join(module, &name);
                    let below = folder.join(&name);
                    match &inner.content {
                        Some((_, items)) => self.add(items.clone(), &below, &path),
                        None => {
                            let alone = folder.join(format!("{name}.rs"));
                            let file = match other_file(&inner.attrs) {
                                Some(other) => folder.join(other),
                                None if alone.exists() => alone,
                                None => below.join("mod.rs"),
                            };
                            self.read(&file, &below, &path);
                        }
                    }
                    kept.push(item);
                }
                Item::Macro(call) if call.mac.path.segments.last().is_some_and(is_projection) => {
                    let inside: syn::File = syn::parse2(call.mac.tokens.clone())
                        .unwrap_or_else(|error| panic!("pin_project! in {module}: {error}"));
                    kept.extend(inside.items);
                }
                _ => kept.push(item),
            }
        }
        self.modules
            .entry(module.to_owned())
            .or_default()
            .extend(kept);
    }

    /// What `path` means in `module`.
    pub(crate) fn resolve(&self, module: &str, path: &[String]) -> Meaning {
        self.resolve_unseen(module, path, &mut BTreeSet::new())
    }

    fn resolve_unseen(
        &self,
        module: &str,
        path: &[String],
        seen: &mut BTreeSet<(ModulePath, Vec<String>)>,
    ) -> Meaning {
        if !seen.insert((module.to_owned(), path.to_vec())) {
            return Meaning::Elsewhere;
        }
        let Some((first, rest)) = path.split_first() else {
            return Meaning::Module(module.to_owned());
        };
        match first.as_str() {
            "crate" => self.resolve_unseen("", rest, seen),
            "self" => self.resolve_unseen(module, rest, seen),
            "super" => self.resolve_unseen(&parent(module), rest, seen),
            name => {
                // A module and a function may have one name.
                let meanings = self.named(module, name, seen);
                let inner = meanings.iter().find_map(|meaning| match meaning {
                    Meaning::Module(inner) => Some(inner.clone()),
                    _ => None,
                });
                let item = meanings
                    .into_iter()
                    .find(|meaning| matches!(meaning, Meaning::Item(_)));
                match (item, inner) {
                    (Some(item), _) if rest.is_empty() => item,
                    (_, Some(inner)) => self.resolve_unseen(&inner, rest, seen),
                    _ => Meaning::Elsewhere,
                }
            }
        }
    }

    /// What a single name means in `module`: its own items, and what it brings in.
    fn named(
        &self,
        module: &str,
        name: &str,
        seen: &mut BTreeSet<(ModulePath, Vec<String>)>,
    ) -> Vec<Meaning> {
        let items = self.modules.get(module).map_or(&[][..], Vec::as_slice);
        let mut meanings = Vec::new();
        for item in items {
            if name_of(item).is_some_and(|own| own == name) {
                meanings.push(match item {
                    Item::Mod(_) => Meaning::Module(join(module, name)),
                    _ => Meaning::Item((module.to_owned(), name.to_owned())),
                });
            }
            let Item::Use(brought) = item else { continue };
            for import in imports(&brought.tree) {
                match &import.name {
                    Some(brought) if brought == name => {
                        meanings.push(self.resolve_unseen(module, &import.path, seen));
                    }
                    Some(_) => {}
                    None => {
                        if let Meaning::Module(from) =
                            self.resolve_unseen(module, &import.path, seen)
                        {
                            let name = [name.to_owned()];
                            meanings.push(self.resolve_unseen(&from, &name, seen));
                        }
                    }
                }
            }
        }
        meanings
    }
}

pub(crate) fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

fn parent(module: &str) -> ModulePath {
    module
        .rsplit_once("::")
        .map_or_else(String::new, |(parent, _)| parent.to_owned())
}

fn is_projection(segment: &syn::PathSegment) -> bool {
    segment.ident == "pin_project"
}

/// What `#[path = ".."]` says.
fn other_file(attributes: &[syn::Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("path") => text(&pair.value),
            _ => None,
        })
}

/// The text of a literal.
pub(crate) fn text(value: &syn::Expr) -> Option<String> {
    match value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

/// Whether these belong to tests or to the model checker.
fn never_built(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if !attribute.path().is_ident("cfg") {
            return false;
        }
        let condition = attribute
            .meta
            .to_token_stream()
            .to_string()
            .replace(' ', "");
        let condition = condition.replace("not(untethered_loom)", "");
        condition == "cfg(test)"
            || condition.contains("all(test,")
            || condition.contains("doctest")
            || condition.contains("untethered_loom")
    })
}

/// The leaves of a `use`.
pub(crate) fn imports(tree: &UseTree) -> Vec<Import> {
    fn walk(tree: &UseTree, before: &[String], found: &mut Vec<Import>) {
        let with = |ident: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(ident.to_string());
            path
        };
        match tree {
            UseTree::Path(path) => walk(&path.tree, &with(&path.ident), found),
            UseTree::Name(name) if name.ident == "self" => found.push(Import {
                path: before.to_vec(),
                name: before.last().cloned(),
            }),
            UseTree::Name(name) => found.push(Import {
                path: with(&name.ident),
                name: Some(name.ident.to_string()),
            }),
            UseTree::Rename(rename) => found.push(Import {
                path: with(&rename.ident),
                name: Some(rename.rename.to_string()),
            }),
            UseTree::Glob(_) => found.push(Import {
                path: before.to_vec(),
                name: None,
            }),
            UseTree::Group(group) => {
                let items: &Punctuated<UseTree, Token![,]> = &group.items;
                for tree in items {
                    walk(tree, before, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    walk(tree, &[], &mut found);
    found
}

pub(crate) fn attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name an item defines, if it defines one.
pub(crate) fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Mod(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
