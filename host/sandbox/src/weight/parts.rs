//! What a component defines beside its modules. A nested component is laid out anew wherever it is instantiated, and may
//! instantiate others: what is written once can come to be without end.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentType,
    ComponentTypeDeclaration, ComponentTypeRef, CoreType, Instance, InstanceTypeDeclaration, Payload,
};

use super::{Heavy, Refusal, add};

/// What a function costs that is lifted or lowered, in definitions: its type, which may be written in a few lines and have a
/// million parts, is gone through each time.
const CANONICAL: u64 = 200;

/// A component that is open.
#[derive(Default)]
struct Open {
    /// What instantiating each component that it knows makes; `None` for one that it is handed by whoever instantiates it.
    components: Vec<Option<u64>>,
    /// What instantiating it makes.
    definitions: u64,
}

/// The components that are open, the innermost last.
pub(super) struct Parts(Vec<Open>);

impl Default for Parts {
    fn default() -> Self {
        Self(vec![Open::default()])
    }
}

impl Parts {
    pub(super) fn take(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::ComponentSection { .. } => self.0.push(Open::default()),
            Payload::End(_) => self.end(),
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(&alias?)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.define(1)?;
                    if let ComponentTypeRef::Component(_) = import?.ty {
                        self.know(None);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.define(1)?;
                    // An export is known under a number of its own from then on.
                    if export.kind == ComponentExternalKind::Component {
                        self.know(self.component(0, export.index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    match instance? {
                        ComponentInstance::Instantiate { component_index, args } => {
                            let handed_in = "it instantiates a component that it does not define";
                            let made = self.component(0, component_index);
                            let made = made.ok_or_else(|| Refusal::Malformed(handed_in.into()))?;
                            self.define(made.saturating_add(1 + args.len() as u64))?;
                        }
                        ComponentInstance::FromExports(exports) => self.define(1 + exports.len() as u64)?,
                    }
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.define(match instance? {
                        Instance::Instantiate { args, .. } => 1 + args.len() as u64,
                        Instance::FromExports(exports) => 1 + exports.len() as u64,
                    })?;
                }
            }
            Payload::ComponentTypeSection(section) => {
                for ty in section {
                    let size = size_of_type(&ty?, 0)?;
                    self.define(size)?;
                }
            }
            Payload::CoreTypeSection(section) => {
                for ty in section {
                    let size = size_of_core_type(&ty?);
                    self.define(size)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => self.define(CANONICAL * u64::from(section.count()))?,
            Payload::ComponentStartSection { .. } => self.define(1)?,
            _ => {}
        }
        Ok(())
    }

    fn define(&mut self, definitions: u64) -> Result<(), Refusal> {
        match self.0.last_mut() {
            Some(open) => add(&mut open.definitions, definitions, Heavy::Definitions),
            None => Ok(()),
        }
    }

    fn know(&mut self, component: Option<u64>) {
        if let Some(open) = self.0.last_mut() {
            open.components.push(component);
        }
    }

    /// The component of a number, seen from the innermost or `out` components further out.
    fn component(&self, out: u32, at: u32) -> Option<u64> {
        let open = self.0.get(self.0.len().checked_sub(1)?.checked_sub(out as usize)?)?;
        open.components.get(at as usize).copied()?
    }

    fn end(&mut self) {
        if let Some(closed) = self.0.pop() {
            self.know(Some(closed.definitions));
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), Refusal> {
        self.define(1)?;
        match alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                self.know(self.component(*count, *index));
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => self.know(None),
            _ => {}
        }
        Ok(())
    }
}

fn deeper(depth: u64) -> Result<u64, Refusal> {
    let mut depth = depth;
    add(&mut depth, 1, Heavy::Nesting)?;
    Ok(depth)
}

/// Everything that a type consists of.
fn size_of_type(ty: &ComponentType<'_>, depth: u64) -> Result<u64, Refusal> {
    let mut size = 1_u64;
    match ty {
        ComponentType::Component(declarations) => {
            for declaration in declarations {
                size += match declaration {
                    ComponentTypeDeclaration::Type(ty) => size_of_type(ty, deeper(depth)?)?,
                    ComponentTypeDeclaration::CoreType(ty) => size_of_core_type(ty),
                    _ => 1,
                };
            }
        }
        ComponentType::Instance(declarations) => {
            for declaration in declarations {
                size += match declaration {
                    InstanceTypeDeclaration::Type(ty) => size_of_type(ty, deeper(depth)?)?,
                    InstanceTypeDeclaration::CoreType(ty) => size_of_core_type(ty),
                    _ => 1,
                };
            }
        }
        ComponentType::Func(function) => size += function.params.len() as u64 + 1,
        ComponentType::Defined(defined) => size += size_of_defined(defined),
        ComponentType::Resource { .. } => {}
    }
    Ok(size)
}

fn size_of_defined(ty: &wasmparser::ComponentDefinedType<'_>) -> u64 {
    use wasmparser::ComponentDefinedType as Defined;
    match ty {
        Defined::Record(fields) => fields.len() as u64,
        Defined::Variant(cases) => cases.len() as u64,
        Defined::Tuple(types) => types.len() as u64,
        Defined::Flags(names) | Defined::Enum(names) => names.len() as u64,
        _ => 1,
    }
}

fn size_of_core_type(ty: &CoreType<'_>) -> u64 {
    match ty {
        CoreType::Rec(group) => group.types().len() as u64,
        CoreType::Module(declarations) => 1 + declarations.len() as u64,
    }
}
