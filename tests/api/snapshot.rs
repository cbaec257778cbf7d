//! The public API as text, an item after the other, without bodies and private parts.

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, Stmt, TraitItem, Visibility};

use crate::public::{Api, Public, hidden, is_public};

/// The text of the snapshot.
pub(crate) fn text(api: &Api<'_>) -> String {
    let mut text = String::new();
    for (module, attributes) in &api.modules {
        let conditions = conditions(attributes);
        text.push_str(&format!("{conditions}pub mod {module};\n"));
    }
    for line in &api.others {
        text.push_str(line);
        text.push('\n');
    }
    for public in &api.items {
        text.push('\n');
        text.push_str(&format!("// {}\n", public.path));
        for line in lines(public) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn lines(public: &Public<'_>) -> Vec<String> {
    let mut lines = vec![one_line(outline(public.item.clone()))];
    let mut blocks: Vec<String> = Vec::new();
    let mut methods: Vec<String> = Vec::new();
    for block in &public.impls {
        let header = header(block);
        if block.trait_.is_some() {
            blocks.push(header);
            continue;
        }
        for inner in &block.items {
            if let Some(line) = method(inner) {
                methods.push(format!("{header} {{ {line} }}"));
            }
        }
    }
    blocks.sort();
    lines.extend(methods);
    lines.extend(blocks);
    lines
}

/// The item without what its users can not see.
fn outline(item: Item) -> Item {
    match item {
        Item::Struct(mut item) => {
            keep(&mut item.attrs);
            item.fields = public_fields(item.fields);
            Item::Struct(item)
        }
        Item::Enum(mut item) => {
            keep(&mut item.attrs);
            for variant in &mut item.variants {
                keep(&mut variant.attrs);
                for field in &mut variant.fields {
                    field.attrs.clear();
                }
            }
            Item::Enum(item)
        }
        Item::Trait(mut item) => {
            keep(&mut item.attrs);
            item.items.retain_mut(|inner| match inner {
                TraitItem::Fn(inner) => {
                    let seen = !hidden(&inner.attrs);
                    keep(&mut inner.attrs);
                    if let Some(block) = &mut inner.default {
                        block.stmts.clear();
                    }
                    seen
                }
                TraitItem::Type(inner) => {
                    keep(&mut inner.attrs);
                    true
                }
                _ => true,
            });
            Item::Trait(item)
        }
        Item::Fn(mut item) => {
            keep(&mut item.attrs);
            item.block.stmts.clear();
            item.sig = as_called(item.sig);
            Item::Fn(item)
        }
        Item::Const(mut item) => {
            keep(&mut item.attrs);
            Item::Const(item)
        }
        Item::Type(mut item) => {
            keep(&mut item.attrs);
            Item::Type(item)
        }
        other => other,
    }
}

/// Without `mut`, which is the function's own affair.
fn as_called(mut signature: syn::Signature) -> syn::Signature {
    for input in &mut signature.inputs {
        match input {
            syn::FnArg::Receiver(receiver) if receiver.reference.is_none() => {
                receiver.mutability = None;
            }
            syn::FnArg::Typed(typed) => {
                if let syn::Pat::Ident(name) = &mut *typed.pat {
                    name.mutability = None;
                }
            }
            syn::FnArg::Receiver(_) => {}
        }
    }
    signature
}

fn public_fields(mut fields: Fields) -> Fields {
    if let Fields::Named(named) = &mut fields {
        named.named = named
            .named
            .iter()
            .filter(|field| is_public(&field.vis))
            .cloned()
            .map(|mut field| {
                field.attrs.clear();
                field
            })
            .collect();
    }
    if let Fields::Unnamed(unnamed) = &mut fields {
        for field in &mut unnamed.unnamed {
            field.attrs.clear();
            if !is_public(&field.vis) {
                field.vis = Visibility::Inherited;
                field.ty = syn::parse_quote!(_);
            }
        }
    }
    fields
}

fn header(block: &ItemImpl) -> String {
    let mut block = block.clone();
    keep(&mut block.attrs);
    block.items.clear();
    one_line(Item::Impl(block))
        .trim_end_matches(" {}")
        .to_owned()
}

fn method(inner: &ImplItem) -> Option<String> {
    match inner {
        ImplItem::Fn(inner) if is_public(&inner.vis) && !hidden(&inner.attrs) => {
            let mut item = syn::ItemFn {
                attrs: inner.attrs.clone(),
                vis: Visibility::Inherited,
                sig: as_called(inner.sig.clone()),
                block: Box::new(syn::Block {
                    brace_token: Default::default(),
                    stmts: Vec::<Stmt>::new(),
                }),
            };
            keep(&mut item.attrs);
            Some(one_line(Item::Fn(item)))
        }
        ImplItem::Const(inner) if is_public(&inner.vis) && !hidden(&inner.attrs) => {
            let mut inner = inner.clone();
            keep(&mut inner.attrs);
            Some(collapse(&inner.to_token_stream().to_string()))
        }
        _ => None,
    }
}

/// Keeps of the attributes those that users meet.
fn keep(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| {
        [
            "cfg",
            "derive",
            "must_use",
            "non_exhaustive",
            "deprecated",
            "default",
        ]
        .iter()
        .any(|name| attribute.path().is_ident(name))
    });
    for attribute in attributes {
        // Its reason is a sentence for readers.
        if attribute.path().is_ident("must_use") {
            attribute.meta = syn::parse_quote!(must_use);
        }
    }
}

fn conditions(attributes: &[Attribute]) -> String {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .map(|attribute| {
            attribute
                .meta
                .to_token_stream()
                .to_string()
                .replace(" (", "(")
        })
        .map(|condition| format!("#[{condition}] "))
        .collect()
}

fn one_line(item: Item) -> String {
    let file = syn::File {
        shebang: None,
        attrs: Vec::new(),
        items: vec![item],
    };
    let line = collapse(&prettyplease::unparse(&file));
    match line.strip_suffix(" {}") {
        Some(head) if head.contains("fn ") && !head.starts_with("impl") => format!("{head};"),
        _ => line,
    }
}

/// Puts what was broken into lines into one.
fn collapse(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words
        .join(" ")
        .replace("( ", "(")
        .replace(", )", ")")
        .replace(" )", ")")
        .replace("< ", "<")
        .replace(", >", ">")
        .replace(", {", " {")
}
