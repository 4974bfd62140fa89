//! Two versions of the contract, compared by structure: what comments and formatting do not change.

use std::collections::BTreeMap;
use std::path::Path;

use semver::Version;
use wit_parser::{
    Function, FunctionKind, Interface, InterfaceId, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner, World,
    WorldItem, WorldKey,
};

/// The packages, each after those that it uses.
pub(crate) const PACKAGES: [&str; 5] = ["types", "platform", "transform", "metric", "policy"];

/// What one version of the contract holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contract {
    /// Version of each package.
    pub(crate) versions: BTreeMap<String, Version>,
    /// Everything with a name, and what it is. Names are without versions: `freehold:types/types.batch`.
    items: BTreeMap<String, String>,
}

impl Contract {
    /// Reads the packages in `folder`.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut resolve = Resolve::new();
        let mut contract = Self { versions: BTreeMap::new(), items: BTreeMap::new() };
        for name in PACKAGES {
            let (package, _) = resolve.push_path(folder.join(name)).unwrap_or_else(|error| panic!("{error:#}"));
            let package = &resolve.packages[package];
            let full = format!("{}:{}", package.name.namespace, package.name.name);
            assert_eq!(full, format!("freehold:{name}"), "the package in {}/{name}", folder.display());
            let version = package.name.version.clone().unwrap_or_else(|| panic!("{full} has no version"));
            contract.versions.insert(name.to_owned(), version);
        }
        let names = Names(&resolve);
        for (id, interface) in &resolve.interfaces {
            names.add_interface(&names.interface(id), interface, &mut contract.items);
        }
        for (_, world) in &resolve.worlds {
            names.add_world(world, &mut contract.items);
        }
        contract
    }

    /// What `next` does otherwise than add something that plugins of this version need not have; nothing if it is compatible.
    pub(crate) fn breaks_in(&self, next: &Self) -> Vec<String> {
        let mut breaks = Vec::new();
        for (name, was) in &self.items {
            match next.items.get(name) {
                None => breaks.push(format!("{name} is gone")),
                Some(is) if is != was => breaks.push(format!("{name} was `{was}` and is `{is}`")),
                Some(_) => {}
            }
        }
        // What plugins export was compiled into them: the host cannot call what it asks for only now.
        let exported: Vec<&str> = self.items.keys().filter_map(|name| Some(name.split_once(" exports ")?.1)).collect();
        for (name, is) in next.items.iter().filter(|(name, _)| !self.items.contains_key(*name)) {
            let of_plugins = exported.iter().any(|interface| {
                name.strip_prefix(interface).is_some_and(|rest| rest.starts_with('.')) && is.starts_with("func")
            });
            let of_a_world = name.split_once(" exports ").is_some_and(|(world, _)| self.items.contains_key(world));
            if of_plugins || of_a_world {
                breaks.push(format!("{name} is new, and plugins that were built before do not export it"));
            }
        }
        for (package, was) in &self.versions {
            let is = &next.versions[package];
            if is.major != was.major || is < was {
                breaks.push(format!("package {package} {was} became {is}"));
            }
        }
        breaks
    }
}

/// Names of things, without versions.
struct Names<'a>(&'a Resolve);

impl Names<'_> {
    fn interface(&self, id: InterfaceId) -> String {
        let interface = &self.0.interfaces[id];
        let package = &self.0.packages[interface.package.unwrap()].name;
        format!("{}:{}/{}", package.namespace, package.name, interface.name.as_ref().unwrap())
    }

    fn add_interface(&self, path: &str, interface: &Interface, items: &mut BTreeMap<String, String>) {
        items.insert(path.to_owned(), "interface".into());
        for (name, id) in &interface.types {
            items.insert(format!("{path}.{name}"), self.definition(&self.0.types[*id]));
        }
        for (name, function) in &interface.functions {
            items.insert(format!("{path}.{name}"), self.function(function));
        }
    }

    fn add_world(&self, world: &World, items: &mut BTreeMap<String, String>) {
        let package = &self.0.packages[world.package.unwrap()].name;
        let path = format!("{}:{}/{}", package.namespace, package.name, world.name);
        items.insert(path.clone(), "world".into());
        for (verb, members) in [("imports", &world.imports), ("exports", &world.exports)] {
            for (key, item) in members {
                let name = match key {
                    WorldKey::Name(name) => name.clone(),
                    WorldKey::Interface(id) => self.interface(*id),
                };
                let what = match item {
                    WorldItem::Interface { id, .. } => self.interface(*id),
                    WorldItem::Function(function) => self.function(function),
                    WorldItem::Type { id, .. } => self.definition(&self.0.types[*id]),
                };
                items.insert(format!("{path} {verb} {name}"), what);
            }
        }
    }

    fn function(&self, function: &Function) -> String {
        let asynchronous = match function.kind {
            FunctionKind::Freestanding => "",
            FunctionKind::AsyncFreestanding => " async",
            _ => panic!("{}: teach this test to compare what belongs to a resource", function.name),
        };
        let params: Vec<_> =
            function.params.iter().map(|param| format!("{}: {}", param.name, self.ty(&param.ty))).collect();
        let result = function.result.as_ref().map(|result| format!(" -> {}", self.ty(result)));
        format!("func{asynchronous}({}){}", params.join(", "), result.unwrap_or_default())
    }

    /// A type where it is used: by its name, if it has one.
    fn ty(&self, ty: &Type) -> String {
        let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
        self.named(*id).unwrap_or_else(|| self.definition(&self.0.types[*id]))
    }

    fn named(&self, id: TypeId) -> Option<String> {
        let TypeDef { name, owner, .. } = &self.0.types[id];
        let owner = match owner {
            TypeOwner::Interface(id) => self.interface(*id),
            TypeOwner::World(id) => self.0.worlds[*id].name.clone(),
            TypeOwner::None => return None,
        };
        Some(format!("{owner}.{}", name.as_ref()?))
    }

    /// A type where it is defined.
    fn definition(&self, definition: &TypeDef) -> String {
        let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".into(), |ty| self.ty(ty));
        let listed = |parts: Vec<String>| parts.join(", ");
        match &definition.kind {
            TypeDefKind::Record(record) => {
                let field = |field: &wit_parser::Field| format!("{}: {}", field.name, self.ty(&field.ty));
                format!("record {{ {} }}", listed(record.fields.iter().map(field).collect()))
            }
            TypeDefKind::Variant(variant) => {
                let case = |case: &wit_parser::Case| format!("{}({})", case.name, optional(&case.ty));
                format!("variant {{ {} }}", listed(variant.cases.iter().map(case).collect()))
            }
            TypeDefKind::Enum(cases) => {
                format!("enum {{ {} }}", listed(cases.cases.iter().map(|case| case.name.clone()).collect()))
            }
            TypeDefKind::Flags(flags) => {
                format!("flags {{ {} }}", listed(flags.flags.iter().map(|flag| flag.name.clone()).collect()))
            }
            TypeDefKind::Tuple(tuple) => {
                format!("tuple<{}>", listed(tuple.types.iter().map(|ty| self.ty(ty)).collect()))
            }
            TypeDefKind::Option(ty) => format!("option<{}>", self.ty(ty)),
            TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
            TypeDefKind::List(ty) => format!("list<{}>", self.ty(ty)),
            TypeDefKind::Type(ty) => format!("= {}", self.ty(ty)),
            other => panic!("teach this test to compare a {}", other.as_str()),
        }
    }
}
