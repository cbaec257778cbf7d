//! What every item of the public API owes its users.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::Item;

use crate::public::{Api, Function, Public, docs};
use crate::tree;

/// Words of a text, to look names up in.
pub(crate) fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect()
}

pub(crate) fn is_type(public: &Public<'_>) -> bool {
    matches!(public.item, Item::Struct(_) | Item::Enum(_))
}

/// The last part of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once("::").map_or(path, |(_, name)| name)
}

/// What has no example of its own, is in no signature of what has one, and whose documentation
/// does not say where else to look: ``[`Handle::ended`](..)``.
pub(crate) fn without_example(api: &Api<'_>) -> Vec<String> {
    let has_block = |text: &str| text.contains("```");
    let mut shown = BTreeSet::new();
    let mut signatures = String::new();
    for public in &api.items {
        let functions = public.functions();
        let own = has_block(&docs(tree::attributes(public.item)));
        let shows = |function: &Function<'_>| has_block(&docs(function.attributes));
        for function in functions.iter().filter(|function| own || shows(function)) {
            shown.insert(name(&function.path).to_owned());
            signatures.push_str(&function.signature.to_token_stream().to_string());
        }
        if own || functions.iter().any(shows) {
            shown.insert(name(&public.path).to_owned());
            signatures.push_str(&public.item.to_token_stream().to_string());
        }
    }
    let named = words(&signatures);
    let unseen = |public: &&Public<'_>| {
        let own = name(&public.path);
        let text = docs(tree::attributes(public.item));
        let links = text.split("[`").skip(1);
        let mut linked = links.filter_map(|rest| Some(name(rest.split_once("`]")?.0)));
        !shown.contains(own) && !named.contains(own) && !linked.any(|link| shown.contains(link))
    };
    let unseen = api.items.iter().filter(unseen);
    unseen.map(|public| public.path.clone()).collect()
}

/// Futures and streams, and functions that wait, of which nobody says what a drop does.
pub(crate) fn without_cancel_safety(api: &Api<'_>) -> Vec<String> {
    let says = |text: &str| text.contains("# Cancel safety");
    let functions: Vec<_> = api.items.iter().flat_map(Public::functions).collect();
    let mut said = String::new();
    for function in &functions {
        if says(&docs(function.attributes)) {
            said.push_str(&function.signature.output.to_token_stream().to_string());
        }
    }
    let said = words(&said);
    let mut found = Vec::new();
    for public in &api.items {
        let waits = public.implements("Future") || public.implements("Stream");
        let text = docs(tree::attributes(public.item));
        if waits && !says(&text) && !said.contains(name(&public.path)) {
            found.push(public.path.clone());
        }
    }
    for function in &functions {
        if waits(function) && !says(&docs(function.attributes)) {
            found.push(function.path.clone());
        }
    }
    found
}

/// Whether it is an `async fn`, or gives a future without a name.
pub(crate) fn waits(function: &Function<'_>) -> bool {
    let output = function.signature.output.to_token_stream().to_string();
    function.signature.asyncness.is_some() || output.contains("impl Future")
}

/// Functions that can fail and do not say how, nor which other one does.
pub(crate) fn without_errors(api: &Api<'_>) -> Vec<String> {
    let functions = api.items.iter().flat_map(Public::functions);
    let silent = functions.filter(|function| {
        let text = docs(function.attributes);
        let output = function.signature.output.to_token_stream().to_string();
        let output = output.trim_start_matches("-> ");
        let fails = output.starts_with("Result <") || output.starts_with("io :: Result <");
        fails && !text.contains("# Errors") && !text.contains("As [")
    });
    silent.map(|function| function.path).collect()
}

/// `#[must_use]` that does not say why.
pub(crate) fn must_use_without_reason(api: &Api<'_>) -> Vec<String> {
    let bare = |attributes: &[syn::Attribute]| {
        attributes.iter().any(|attribute| {
            attribute.path().is_ident("must_use") && matches!(attribute.meta, syn::Meta::Path(_))
        })
    };
    let mut found = Vec::new();
    for public in &api.items {
        if bare(tree::attributes(public.item)) && !matches!(public.item, Item::Fn(_)) {
            found.push(public.path.clone());
        }
        for function in public.functions() {
            if bare(function.attributes) {
                found.push(function.path);
            }
        }
    }
    found
}

/// What does its work whether or not it is awaited.
const RUNS_ALONE: [&str; 2] = ["group::Handle", "group::ScopeHandle"];

/// Futures and streams one may forget to await without a word from the compiler.
pub(crate) fn without_must_use(api: &Api<'_>) -> Vec<String> {
    api.items
        .iter()
        .filter(|public| public.implements("Future") || public.implements("Stream"))
        .filter(|public| !RUNS_ALONE.contains(&&*public.path))
        .filter(|public| {
            !tree::attributes(public.item)
                .iter()
                .any(|attribute| attribute.path().is_ident("must_use"))
        })
        .map(|public| public.path.clone())
        .collect()
}

/// Types whose traits no row of these files states: `Queue<Cell>: true true true;`, under the name
/// that they bring in.
pub(crate) fn without_auto_traits(api: &Api<'_>, files: &[String]) -> Vec<String> {
    let brought: BTreeSet<String> = files.iter().flat_map(|file| brought_in(file)).collect();
    let text = files.concat();
    let (words, types) = (
        words(&text),
        api.items.iter().filter(|public| is_type(public)),
    );
    types
        .map(|public| &public.path)
        .filter(|path| !text.contains(*path))
        .filter(|path| !(brought.contains(*path) && words.contains(name(path))))
        .cloned()
        .collect()
}

/// What a file and its functions bring in of the crate: `sync::Limit`.
fn brought_in(source: &str) -> Vec<String> {
    let file = syn::parse_file(source).expect("a test that compiles");
    let mut uses = Vec::new();
    for item in file.items {
        match item {
            Item::Use(brought) => uses.push(brought),
            Item::Fn(function) => uses.extend(function.block.stmts.into_iter().filter_map(
                |statement| match statement {
                    syn::Stmt::Item(Item::Use(brought)) => Some(brought),
                    _ => None,
                },
            )),
            _ => {}
        }
    }
    uses.iter()
        .flat_map(|brought| tree::imports(&brought.tree))
        .filter(|import| {
            import
                .path
                .first()
                .is_some_and(|first| first == "untethered")
        })
        .map(|import| import.path[1..].join("::"))
        .collect()
}
