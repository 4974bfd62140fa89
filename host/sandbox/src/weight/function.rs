//! Core modules: what each function costs.

use wasmparser::{
    BlockType, BrTable, CompositeInnerType, ContType, FrameKind, FuncType, FunctionBody, ModuleArity, Operator,
    Payload, RefType, SubType, TypeRef,
};

use super::{CARRIED, Heavy, Refusal, Total, add};

/// What of a module says how many values its instructions take and give, and the labels of the function that is read.
#[derive(Default)]
pub(super) struct Module {
    types: Vec<SubType>,
    /// The type of each function, the imported ones first.
    functions: Vec<u32>,
    imported: usize,
    bodies: usize,
    tags: Vec<u32>,
    labels: Vec<Label>,
}

/// A block that is open.
#[derive(Clone, Copy)]
struct Label {
    kind: FrameKind,
    block: BlockType,
    /// Values that lie below those of the block.
    below: u64,
}

/// What was counted of one function.
#[derive(Default)]
struct Function {
    values: u64,
    alive: u64,
    alive_squared: u64,
    locals: u64,
    /// Values on the stack of operands.
    height: u64,
    /// Loops that are open.
    loops: u64,
}

impl Function {
    /// A block begins: whatever is alive may have to be handed to it. Each loop around it keeps what it counts and looks at.
    fn begin_block(&mut self) -> Result<(), Refusal> {
        let alive = self.locals.saturating_add(self.height).saturating_add(self.loops + 1);
        self.alive_squared = self.alive_squared.saturating_add(alive.saturating_mul(alive));
        add(&mut self.alive, alive, Heavy::Alive { function: true })
    }
}

impl Module {
    pub(super) fn take(&mut self, payload: &Payload<'_>, total: &mut Total) -> Result<(), Refusal> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    for ty in group?.into_types() {
                        let (takes, gives) = self.sub_type_arity(&ty).unwrap_or((0, 0));
                        add(&mut total.types, 1 + u64::from(takes) + u64::from(gives), Heavy::Types)?;
                        self.types.push(ty);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    add(&mut total.entries, 1, Heavy::Entries)?;
                    match import?.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.functions.push(ty);
                            self.imported += 1;
                        }
                        TypeRef::Tag(tag) => self.tags.push(tag.func_type_idx),
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section.clone() {
                    add(&mut total.functions, 1, Heavy::Functions)?;
                    self.functions.push(ty?);
                }
            }
            Payload::TagSection(section) => {
                for tag in section.clone() {
                    add(&mut total.entries, 1, Heavy::Entries)?;
                    self.tags.push(tag?.func_type_idx);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let function = self.function(body)?;
                self.bodies += 1;
                add(&mut total.values, function.values, Heavy::Values { function: false })?;
                add(&mut total.alive, function.alive, Heavy::Alive { function: false })?;
                add(&mut total.alive_squared, function.alive_squared, Heavy::AliveSquared)?;
            }
            Payload::ExportSection(section) => add(&mut total.entries, section.count().into(), Heavy::Entries)?,
            Payload::GlobalSection(section) => add(&mut total.entries, section.count().into(), Heavy::Entries)?,
            Payload::TableSection(section) => add(&mut total.entries, section.count().into(), Heavy::Entries)?,
            Payload::ElementSection(section) => add(&mut total.entries, section.count().into(), Heavy::Entries)?,
            Payload::DataSection(section) => add(&mut total.entries, section.count().into(), Heavy::Entries)?,
            _ => {}
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<Function, Refusal> {
        let undefined = || Refusal::Malformed("a function has no type".into());
        let ty = *self.functions.get(self.imported + self.bodies).ok_or_else(undefined)?;
        let block = BlockType::FuncType(ty);
        let (parameters, _) = self.block_type_arity(block).ok_or_else(undefined)?;
        let mut function = Function { locals: parameters.into(), ..Function::default() };
        for locals in body.get_locals_reader()? {
            function.locals = function.locals.saturating_add(locals?.0.into());
        }
        self.labels.clear();
        self.labels.push(Label { kind: FrameKind::Block, block, below: 0 });
        function.begin_block()?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            self.operator(&operators.read()?, &mut function)?;
        }
        Ok(function)
    }

    fn operator(&mut self, operator: &Operator<'_>, function: &mut Function) -> Result<(), Refusal> {
        let unknown = || Refusal::Malformed("an instruction names what there is not".into());
        let (takes, gives) = match operator {
            // Ends are told apart by the labels kept here; what they take and give is what their block does.
            Operator::End | Operator::Else => (0, 0),
            operator => operator.operator_arity(self).ok_or_else(unknown)?,
        };
        let (takes, gives) = (u64::from(takes), u64::from(gives));
        let mut values = 1 + CARRIED * (takes + gives).saturating_sub(3);
        function.height = function.height.saturating_sub(takes);
        let open = match operator {
            Operator::Block { blockty } => Some((FrameKind::Block, *blockty)),
            Operator::Loop { blockty } => Some((FrameKind::Loop, *blockty)),
            Operator::If { blockty } => Some((FrameKind::If, *blockty)),
            Operator::TryTable { try_table } => Some((FrameKind::TryTable, try_table.ty)),
            _ => None,
        };
        if let Some((kind, block)) = open {
            self.labels.push(Label { kind, block, below: function.height });
            function.loops += u64::from(kind == FrameKind::Loop);
            function.begin_block()?;
        }
        function.height += gives;
        match operator {
            Operator::End => {
                let label = self.labels.pop().ok_or_else(unknown)?;
                let (_, results) = self.block_type_arity(label.block).ok_or_else(unknown)?;
                values += u64::from(results);
                function.height = label.below + u64::from(results);
                function.loops -= u64::from(label.kind == FrameKind::Loop);
                function.begin_block()?;
            }
            Operator::Else => {
                let label = self.labels.last().copied().ok_or_else(unknown)?;
                let (parameters, results) = self.block_type_arity(label.block).ok_or_else(unknown)?;
                values += u64::from(results);
                function.height = label.below + u64::from(parameters);
                function.begin_block()?;
            }
            Operator::BrTable { targets } => values = values.saturating_add(self.targets(targets)?),
            _ => {}
        }
        add(&mut function.values, values, Heavy::Values { function: true })
    }

    /// What a table of branches hands over: to each target its values.
    fn targets(&self, targets: &BrTable<'_>) -> Result<u64, Refusal> {
        let mut values = 0;
        for target in targets.targets() {
            let target = target?;
            let arity = self.label_block(target).and_then(|(block, kind)| {
                let (parameters, results) = self.block_type_arity(block)?;
                Some(if kind == FrameKind::Loop { parameters } else { results })
            });
            let arity = arity.ok_or_else(|| Refusal::Malformed("a branch leads nowhere".into()))?;
            add(&mut values, 1 + CARRIED * u64::from(arity), Heavy::Values { function: true })?;
        }
        Ok(values)
    }
}

impl ModuleArity for Module {
    fn sub_type_at(&self, at: u32) -> Option<&SubType> {
        self.types.get(at as usize)
    }

    fn tag_type_arity(&self, at: u32) -> Option<(u32, u32)> {
        self.sub_type_arity(self.sub_type_at(*self.tags.get(at as usize)?)?)
    }

    fn type_index_of_function(&self, at: u32) -> Option<u32> {
        self.functions.get(at as usize).copied()
    }

    fn func_type_of_cont_type(&self, ty: &ContType) -> Option<&FuncType> {
        match &self.sub_type_at(ty.0.as_module_index()?)?.composite_type.inner {
            CompositeInnerType::Func(function) => Some(function),
            _ => None,
        }
    }

    fn sub_type_of_ref_type(&self, ty: &RefType) -> Option<&SubType> {
        self.sub_type_at(ty.type_index()?.as_module_index()?)
    }

    fn control_stack_height(&self) -> u32 {
        u32::try_from(self.labels.len()).unwrap_or(u32::MAX)
    }

    fn label_block(&self, depth: u32) -> Option<(BlockType, FrameKind)> {
        let at = self.labels.len().checked_sub(1)?.checked_sub(depth as usize)?;
        self.labels.get(at).map(|label| (label.block, label.kind))
    }
}
