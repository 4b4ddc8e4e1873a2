//! How functions are declared and called.

use std::collections::BTreeMap;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::Source;

/// The most arguments beside `self`; from there on a struct names them. Clippy counts the receiver, and so does not see five without one.
const MOST_ARGUMENTS: usize = 4;

/// Functions with more arguments than a reader of the call can tell apart. What another crate's trait demands is its own affair.
pub fn too_many_arguments(source: &Source) -> Vec<String> {
    let mut declarations = Declarations::default();
    declarations.visit_file(&source.syntax());
    let many = declarations.functions.iter().filter(|function| function.parameters.len() > MOST_ARGUMENTS);
    many.map(|function| format!("{}: `{}` takes too many arguments", source.at(function.line), function.called))
        .collect()
}

/// Functions with a tuple for a parameter that is taken apart where it is declared: several arguments that are counted as one. No trait demands it, whoever's
/// it is: it says the type, not the pattern. What a closure is handed comes as it comes.
pub fn several_arguments_as_one(source: &Source) -> Vec<String> {
    let mut tuples = Tuples::default();
    tuples.visit_file(&source.syntax());
    let found = tuples.found.iter();
    found.map(|(line, name)| format!("{}: `{name}` takes several arguments as one", source.at(*line))).collect()
}

/// The functions with a tuple among the patterns of their parameters.
#[derive(Default)]
struct Tuples {
    found: Vec<(usize, String)>,
}

impl<'ast> Visit<'ast> for Tuples {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        let is_tuple = |input: &syn::FnArg| matches!(input, syn::FnArg::Typed(typed) if is_tuple(&typed.pat));
        if signature.inputs.iter().any(is_tuple) {
            self.found.push((signature.ident.span().start().line, signature.ident.to_string()));
        }
        visit::visit_signature(self, signature);
    }
}

fn is_tuple(pattern: &syn::Pat) -> bool {
    match pattern {
        syn::Pat::Tuple(_) => true,
        syn::Pat::Reference(reference) => is_tuple(&reference.pat),
        syn::Pat::Paren(inner) => is_tuple(&inner.pat),
        _ => false,
    }
}

/// Our own functions that take a bool, by what a call looks like, with the places of the bools.
pub struct BoolParameters(BTreeMap<String, Vec<usize>>);

impl BoolParameters {
    /// Those declared in these sources.
    pub fn of<'a>(sources: impl Iterator<Item = &'a Source>) -> Self {
        let mut declarations = Declarations::default();
        sources.for_each(|source| declarations.visit_file(&source.syntax()));
        let places = |function: &Function| {
            let bools = function.parameters.iter().enumerate().filter(|(_, parameter)| **parameter == Parameter::Bool);
            bools.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let functions = declarations.functions.iter().map(|function| (function.called.clone(), places(function)));
        Self(functions.filter(|(_, places)| !places.is_empty()).collect())
    }

    /// Calls of them with `true` or `false` written out: nobody reads there what it means.
    pub fn literals_passed(&self, source: &Source) -> Vec<String> {
        let mut calls = Calls { parameters: self, receiver: None, found: Vec::new() };
        calls.visit_file(&source.syntax());
        let found = calls.found.iter();
        found.map(|(line, called)| format!("{}: `{called}` is passed a literal bool", source.at(*line))).collect()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Bool,
    Other,
}

struct Function {
    /// `name` of a function, `.name` of a method, `Type::name` of what has no receiver.
    called: String,
    line: usize,
    /// Without the receiver.
    parameters: Vec<Parameter>,
}

#[derive(Default)]
struct Declarations {
    functions: Vec<Function>,
}

impl Declarations {
    fn add(&mut self, receiver: Option<&str>, signature: &syn::Signature) {
        let name = &signature.ident;
        let called = match receiver {
            _ if signature.receiver().is_some() => format!(".{name}"),
            Some(receiver) => format!("{receiver}::{name}"),
            None => name.to_string(),
        };
        let typed = signature.inputs.iter().filter_map(|input| match input {
            syn::FnArg::Typed(typed) => Some(parameter(&typed.ty)),
            syn::FnArg::Receiver(_) => None,
        });
        self.functions.push(Function { called, line: name.span().start().line, parameters: typed.collect() });
    }
}

fn parameter(ty: &syn::Type) -> Parameter {
    match ty {
        syn::Type::Path(path) if path.path.is_ident("bool") => Parameter::Bool,
        _ => Parameter::Other,
    }
}

impl<'ast> Visit<'ast> for Declarations {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(None, &function.sig);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_trait(&mut self, declared: &'ast syn::ItemTrait) {
        let name = declared.ident.to_string();
        for item in &declared.items {
            if let syn::TraitItem::Fn(function) = item {
                self.add(Some(&name), &function.sig);
            }
        }
        visit::visit_item_trait(self, declared);
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let functions = block.items.iter().filter_map(|item| match item {
            syn::ImplItem::Fn(function) if block.trait_.is_none() => Some(&function.sig),
            _ => None,
        });
        for signature in functions {
            self.add(type_name(&block.self_ty).as_deref(), signature);
        }
        visit::visit_item_impl(self, block);
    }
}

struct Calls<'a> {
    parameters: &'a BoolParameters,
    /// What `Self` is.
    receiver: Option<String>,
    found: Vec<(usize, String)>,
}

impl Calls<'_> {
    fn look_at<'ast>(&mut self, called: String, arguments: impl Iterator<Item = &'ast syn::Expr>) {
        let places = self.parameters.0.get(&called).map(Vec::as_slice).unwrap_or_default();
        for (place, argument) in arguments.enumerate() {
            if places.contains(&place) && is_bool_literal(argument) {
                self.found.push((argument.span().start().line, called.clone()));
            }
        }
    }

    fn called(&self, path: &syn::Path) -> Option<String> {
        let mut segments = path.segments.iter().rev().map(|segment| segment.ident.to_string());
        let name = segments.next()?;
        match segments.next() {
            Some(own) if own == "Self" => Some(format!("{}::{name}", self.receiver.as_deref()?)),
            Some(ty) if ty.starts_with(char::is_uppercase) => Some(format!("{ty}::{name}")),
            _ => Some(name),
        }
    }
}

impl<'ast> Visit<'ast> for Calls<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        self.receiver = type_name(&block.self_ty);
        visit::visit_item_impl(self, block);
        self.receiver = None;
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func
            && let Some(called) = self.called(&path.path)
        {
            self.look_at(called, call.args.iter());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.look_at(format!(".{}", call.method), call.args.iter());
        visit::visit_expr_method_call(self, call);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test")
    })
}

fn type_name(ty: &syn::Type) -> Option<String> {
    match ty {
        syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

fn is_bool_literal(argument: &syn::Expr) -> bool {
    matches!(argument, syn::Expr::Lit(literal) if matches!(literal.lit, syn::Lit::Bool(_)))
}

#[test]
fn five_arguments_are_found_whoever_takes_them() {
    const FIVE: &str = "a: u8, b: u8, c: u8, d: u8, e: u8";
    for text in [
        format!("fn f({FIVE}) {{}}"),
        format!("impl A {{ fn f(&self, {FIVE}) {{}} }}"),
        format!("trait A {{ fn f({FIVE}); }}"),
        format!("fn g() {{ fn f({FIVE}) {{}} }}"),
    ] {
        assert_eq!(too_many_arguments(&Source::parse("a.rs", &text)).len(), 1, "{text}");
    }
    for text in [
        "impl A { fn f(&self, a: u8, b: u8, c: u8, d: u8) {} }".to_owned(),
        format!("impl Theirs for A {{ fn f(&self, {FIVE}) {{}} }}"),
        format!("#[cfg(test)] mod tests {{ fn f({FIVE}) {{}} }}"),
    ] {
        assert_eq!(too_many_arguments(&Source::parse("a.rs", &text)), [""; 0], "{text}");
    }
}

#[test]
fn a_tuple_that_is_taken_apart_among_the_parameters_is_found() {
    const TUPLE: &str = "(a, b): (u8, u8)";
    for text in [
        format!("fn f({TUPLE}, c: u8) {{}}"),
        "fn f(&(a, mut b): &(u8, u8)) {}".to_owned(),
        "async fn f((a, b): Pair) {}".to_owned(),
        format!("impl A {{ fn f(&self, {TUPLE}) {{}} }}"),
        format!("impl Theirs for A {{ fn f(&self, {TUPLE}) {{}} }}"),
        format!("trait A {{ fn f({TUPLE}) {{}} }}"),
        format!("fn g() {{ fn f({TUPLE}) {{}} }}"),
    ] {
        assert_eq!(several_arguments_as_one(&Source::parse("a.rs", &text)).len(), 1, "{text}");
    }
    for text in [
        "fn f(pair: (u8, u8)) { let (a, b) = pair; }",
        "fn f(Pair { a, b }: Pair, State(c): State<u8>) {}",
        "fn f(pairs: &[(u8, u8)]) -> u8 { pairs.iter().map(|(a, b)| a + b).sum() }",
        "fn f() { let f = |(a, b): (u8, u8)| a + b; }",
        "#[cfg(test)] mod tests { fn f((a, b): (u8, u8)) {} }",
    ] {
        assert_eq!(several_arguments_as_one(&Source::parse("a.rs", text)), [""; 0], "{text}");
    }
}

#[test]
fn a_literal_bool_is_found_in_every_kind_of_call() {
    let own = "fn f(a: u8, b: bool) {} impl A { fn m(&self, a: bool) {} fn make(a: bool) -> Self { A } }";
    let found = |call: &str| {
        let sources = [Source::parse("a.rs", own), Source::parse("b.rs", call)];
        BoolParameters::of(sources.iter()).literals_passed(&sources[1]).len()
    };
    for call in ["f(1, true)", "crate::a::f(1, false)", "a.m(true)", "A::make(false)", "g(f(1, true))"] {
        assert_eq!(found(&format!("fn g() {{ {call}; }}")), 1, "{call}");
    }
    assert_eq!(found("impl A { fn g() { Self::make(true); } }"), 1);
    for call in ["f(1, is_fine)", "theirs(true)", "a.theirs(true)", "B::make(false)", "Some(true)"] {
        assert_eq!(found(&format!("fn g() {{ {call}; }}")), 0, "{call}");
    }
}
