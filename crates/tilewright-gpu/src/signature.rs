//! The signature that a body gets, and the source text for each target.
//!
//! One parameter list, rendered three ways. On Metal the list is the kernel's own; on CUDA and in the emulator the body becomes
//! a plain function with the same parameters, called by a small entry that unpacks the launch.

use std::collections::HashSet;
use std::fmt::Write;

use tilewright_core::{DType, Device, Error, Result};

use crate::define::{Definition, MathMode, Template};
use crate::dialect::tokens::{self, Refusal};
use crate::dialect::{self, Place, Target, swizzles};

/// The thread attributes that MLX's rule offers, with the number of their components.
pub(crate) const BUILT_INS: [(&str, u32); 20] = [
    ("dispatch_quadgroups_per_threadgroup", 1),
    ("dispatch_simdgroups_per_threadgroup", 1),
    ("dispatch_threads_per_threadgroup", 3),
    ("grid_origin", 3),
    ("grid_size", 3),
    ("quadgroup_index_in_threadgroup", 1),
    ("quadgroups_per_threadgroup", 1),
    ("simdgroup_index_in_threadgroup", 1),
    ("simdgroups_per_threadgroup", 1),
    ("thread_execution_width", 1),
    ("thread_index_in_quadgroup", 1),
    ("thread_index_in_simdgroup", 1),
    ("thread_index_in_threadgroup", 1),
    ("thread_position_in_grid", 3),
    ("thread_position_in_threadgroup", 3),
    ("threadgroup_position_in_grid", 3),
    ("threadgroups_per_grid", 3),
    ("threads_per_grid", 3),
    ("threads_per_simdgroup", 1),
    ("threads_per_threadgroup", 3),
];

/// How an input is declared: always a device pointer in this house; by size and rank under MLX's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InputClass {
    Device,
    /// Fewer than 8 elements under MLX's rule.
    Constant,
    /// 0-d under MLX's rule.
    Reference,
}

/// One parameter of the body, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Param {
    Input {
        name: String,
        dtype: DType,
        class: InputClass,
    },
    /// `slot` counts the inputs that have at least one of these, in order.
    Shape {
        input: String,
        slot: usize,
    },
    Strides {
        input: String,
        slot: usize,
    },
    Ndim {
        input: String,
        slot: usize,
    },
    Scalar {
        name: String,
        dtype: DType,
    },
    InPlace {
        name: String,
        dtype: DType,
    },
    Output {
        name: String,
        dtype: DType,
        atomic: bool,
    },
    Threadgroup {
        name: String,
        dtype: DType,
    },
    BuiltIn {
        name: &'static str,
        components: u32,
    },
}

/// What a launch fixes of a definition: everything that another compilation is needed for. Shapes are not among it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Specialisation {
    pub(crate) device: Device,
    pub(crate) templates: Vec<Template>,
    pub(crate) inputs: Vec<(DType, InputClass)>,
    pub(crate) in_place: Vec<DType>,
    pub(crate) outputs: Vec<DType>,
}

/// The parameters of a specialised definition.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) params: Vec<Param>,
    /// Which inputs (by index) pass shape, strides or rank to the body: the slots of the launch's metadata.
    pub(crate) described: Vec<usize>,
}

impl Signature {
    pub(crate) fn new(definition: &Definition, special: &Specialisation) -> Self {
        let named = tokens::identifiers(&definition.body);
        let locals = tokens::locals(&definition.body);
        let declared: HashSet<&str> = definition.inputs.iter().map(|name| name.as_ref()).collect();
        let wants = |text: &str| named.contains(text) && !locals.contains(text) && !declared.contains(text);
        let mut params = Vec::new();
        let mut described = Vec::new();
        for (index, (name, &(dtype, class))) in definition.inputs.iter().zip(&special.inputs).enumerate() {
            let input = name.to_string();
            params.push(Param::Input { name: input.clone(), dtype, class });
            if class == InputClass::Reference {
                continue;
            }
            let slot = described.len();
            let before = params.len();
            if wants(&format!("{name}_shape")) {
                params.push(Param::Shape { input: input.clone(), slot });
            }
            if wants(&format!("{name}_strides")) {
                params.push(Param::Strides { input: input.clone(), slot });
            }
            if wants(&format!("{name}_ndim")) {
                params.push(Param::Ndim { input, slot });
            }
            if params.len() > before {
                described.push(index);
            }
        }
        for (name, dtype) in &definition.scalars {
            params.push(Param::Scalar { name: name.to_string(), dtype: *dtype });
        }
        for (name, &dtype) in definition.in_place.iter().zip(&special.in_place) {
            params.push(Param::InPlace { name: name.to_string(), dtype });
        }
        for (output, &dtype) in definition.outputs.iter().zip(&special.outputs) {
            let (name, atomic) = (output.name.to_string(), definition.atomic_outputs);
            params.push(Param::Output { name, dtype, atomic });
        }
        if let Some((name, dtype)) = &definition.threadgroup {
            params.push(Param::Threadgroup { name: name.to_string(), dtype: *dtype });
        }
        for (name, components) in BUILT_INS {
            if wants(name) {
                params.push(Param::BuiltIn { name, components });
            }
        }
        Self { params, described }
    }
}

/// The Metal spelling of a dtype. 8-bit floats are stored as bytes.
pub(crate) fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "double",
        DType::F32 => "float",
        DType::F16 => "half",
        DType::Bf16 => "bfloat",
        DType::I8 => "int8_t",
        DType::I16 => "int16_t",
        DType::I32 => "int32_t",
        DType::I64 => "int64_t",
        DType::U8 | DType::F8E4M3 | DType::F8E5M2 => "uint8_t",
        DType::U16 => "uint16_t",
        DType::U32 => "uint32_t",
        DType::U64 => "uint64_t",
        DType::Bool => "bool",
    }
}

fn built_in_type(components: u32) -> &'static str {
    if components == 3 { "uint3" } else { "uint" }
}

/// A unit of source, ready for its compiler.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) source: String,
    /// The program's name.
    pub(crate) name: String,
    /// The symbol to look up.
    pub(crate) entry: String,
    /// A pragma in the body forbids contraction into fma for the whole unit.
    pub(crate) contract_off: bool,
}

pub(crate) fn render(
    definition: &Definition,
    special: &Specialisation,
    signature: &Signature,
) -> Result<Unit> {
    let unit = match special.device {
        Device::Metal(_) | Device::Emulated if definition.cuda_only => {
            let why = "its body is CUDA C++";
            return Err(Error::unsupported(definition.name.to_string(), special.device, why));
        }
        Device::Metal(_) => metal(definition, special, signature),
        Device::Cuda(_) => hosted(definition, special, signature, Target::Cuda)?,
        Device::Emulated => hosted(definition, special, signature, Target::Emulated)?,
        other => {
            let why = "Metal bodies run on metal, cuda and emulated; the CPU has native paths";
            return Err(Error::unsupported(definition.name.to_string(), other, why));
        }
    };
    if definition.verbose {
        eprintln!("{}", unit.source);
    }
    Ok(unit)
}

fn template_line(definition: &Definition, special: &Specialisation) -> String {
    if definition.templates.is_empty() {
        return String::new();
    }
    let mut line = String::from("template <");
    for (index, (name, value)) in definition.templates.iter().zip(&special.templates).enumerate() {
        let kind = match value {
            Template::Type(_) => "typename",
            Template::Int(_) => "int",
            Template::Bool(_) => "bool",
        };
        let comma = if index == 0 { "" } else { ", " };
        write!(line, "{comma}{kind} {name}").expect("strings take writes");
    }
    line + ">\n"
}

fn template_values(special: &Specialisation) -> String {
    if special.templates.is_empty() {
        return String::new();
    }
    let values: Vec<String> = special
        .templates
        .iter()
        .map(|value| match value {
            Template::Type(dtype) => type_name(*dtype).to_owned(),
            Template::Int(value) => value.to_string(),
            Template::Bool(value) => value.to_string(),
        })
        .collect();
    format!("<{}>", values.join(", "))
}

/// The Metal source, as `mx.fast.metal_kernel` builds it: preamble, header, template, kernel, instantiation.
fn metal(definition: &Definition, special: &Specialisation, signature: &Signature) -> Unit {
    let entry = definition.name.to_string();
    let mut source = String::from(dialect::METAL_PREAMBLE);
    source += &definition.header;
    source += "\n";
    source += &template_line(definition, special);
    writeln!(source, "[[kernel]] void {entry}(").expect("strings take writes");
    let mut buffer = 0;
    let mut next = || {
        buffer += 1;
        format!("[[buffer({})]]", buffer - 1)
    };
    let lines: Vec<String> = signature
        .params
        .iter()
        .map(|param| match param {
            Param::Input { name, dtype, class } => {
                let (space, access) = match class {
                    InputClass::Device => ("device", "*"),
                    InputClass::Constant => ("constant", "*"),
                    InputClass::Reference => ("constant", "&"),
                };
                format!("const {space} {}{access} {name} {}", type_name(*dtype), next())
            }
            Param::Shape { input, .. } => format!("const constant int* {input}_shape {}", next()),
            Param::Strides { input, .. } => format!("const constant int64_t* {input}_strides {}", next()),
            Param::Ndim { input, .. } => format!("const constant int& {input}_ndim {}", next()),
            Param::Scalar { name, dtype } => {
                format!("const constant {}& {name} {}", type_name(*dtype), next())
            }
            Param::InPlace { name, dtype } => format!("device {}* {name} {}", type_name(*dtype), next()),
            Param::Output { name, dtype, atomic: false } => {
                format!("device {}* {name} {}", type_name(*dtype), next())
            }
            Param::Output { name, dtype, atomic: true } => {
                format!("device atomic<{}>* {name} {}", type_name(*dtype), next())
            }
            Param::Threadgroup { name, dtype } => {
                format!("threadgroup {}* {name} [[threadgroup(0)]]", type_name(*dtype))
            }
            Param::BuiltIn { name, components } => {
                format!("{} {name} [[{name}]]", built_in_type(*components))
            }
        })
        .collect();
    source += &lines.join(",\n");
    write!(source, ") {{\n{}\n}}\n", definition.body).expect("strings take writes");
    if !special.templates.is_empty() {
        let instance = format!("{entry}{}", template_values(special));
        writeln!(source, "template [[host_name(\"{entry}\")]] [[kernel]] decltype({instance}) {instance};")
            .expect("strings take writes");
    }
    Unit { source, name: entry.clone(), entry, contract_off: false }
}

/// The source for a C++ compiler: dialect headers, the body as a function, and the entry that unpacks a launch.
fn hosted(
    definition: &Definition,
    special: &Specialisation,
    signature: &Signature,
    target: Target,
) -> Result<Unit> {
    let name = &definition.name;
    let refused = |part: &str, refusal: Refusal| {
        let why = format!("{part} line {}: {}: {}", refusal.line, refusal.construct, refusal.why);
        Error::unsupported(name.to_string(), special.device, why)
    };
    let translate = |text: &str, place| match definition.cuda_only {
        true => Ok(tokens::Translated { text: text.to_owned(), contract_off: false }),
        false => tokens::translate(text, target, place),
    };
    let header =
        translate(&definition.header, Place::Header).map_err(|refusal| refused("header", refusal))?;
    let body = translate(&definition.body, Place::Body).map_err(|refusal| refused("body", refusal))?;
    let function = match target {
        Target::Cuda => "static __device__ __forceinline__ void",
        Target::Emulated => "void",
    };
    let mut words = tokens::identifiers(&definition.header);
    words.extend(tokens::identifiers(&definition.body));
    let mut source = swizzles::declare(&words)
        + dialect::preamble(target)
        + "namespace tw_user { using namespace metal;\n";
    write!(source, "#line 1 \"{name}.header\"\n{}\n", header.text).expect("strings take writes");
    source += "#line 1 \"signature\"\n";
    if target == Target::Emulated {
        // Internal linkage: AddressSanitizer guards only such variables of function templates. Not for the header, whose
        // functions stand beside Metal's of the same name.
        source += "namespace {\n";
    }
    source += &template_line(definition, special);
    let parameters: Vec<String> = signature.params.iter().map(|param| declaration(param, target)).collect();
    write!(
        source,
        "{function} {name}_body({}) {{\n#line 1 \"{name}\"\n{}\n#line 1 \"entry\"\nTW_BODY_END\n}}\n",
        parameters.join(", "),
        body.text
    )
    .expect("strings take writes");
    let call = format!("{name}_body{}", template_values(special));
    source += &match target {
        Target::Cuda => cuda_entry(definition, &call, signature),
        Target::Emulated => emulated_entry(&call, signature),
    };
    source += match target {
        Target::Cuda => "}\n",
        Target::Emulated => "} }\nvoid tw_invoke(const tw::Arguments& a) { tw_user::enter(a); }\n",
    };
    let contract_off = header.contract_off || body.contract_off;
    // Prefixed: a program may be called `nan` or `exp`, which are functions to every C compiler.
    Ok(Unit { source, name: name.to_string(), entry: format!("tw_{name}"), contract_off })
}

/// A parameter of the body as plain C++.
fn declaration(param: &Param, target: Target) -> String {
    // Inputs alias nothing that is written: the launch refuses it, so loads may use the read-only path.
    let restrict = if target == Target::Cuda { " __restrict__" } else { "" };
    match param {
        Param::Input { name, dtype, class: InputClass::Reference } => {
            format!("const {}& {name}", type_name(*dtype))
        }
        Param::Input { name, dtype, .. } => format!("const {}*{restrict} {name}", type_name(*dtype)),
        Param::Shape { input, .. } => format!("const int* {input}_shape"),
        Param::Strides { input, .. } => format!("const int64_t* {input}_strides"),
        Param::Ndim { input, .. } => format!("const int& {input}_ndim"),
        Param::Scalar { name, dtype } => format!("const {}& {name}", type_name(*dtype)),
        Param::InPlace { name, dtype } => format!("{}* {name}", type_name(*dtype)),
        Param::Output { name, dtype, atomic: false } => format!("{}*{restrict} {name}", type_name(*dtype)),
        Param::Output { name, dtype, atomic: true } => format!("atomic<{}>* {name}", type_name(*dtype)),
        Param::Threadgroup { name, dtype } => format!("{}* {name}", type_name(*dtype)),
        Param::BuiltIn { name, components } => format!("{} {name}", built_in_type(*components)),
    }
}

const EARLY: &str = "#if __CUDA_ARCH__ >= 900\nasm volatile(\"griddepcontrol.launch_dependents;\");\n\
                     asm volatile(\"griddepcontrol.wait;\" ::: \"memory\");\n#endif\n";

/// The entry on CUDA. Pointers and scalars are parameters of their own; grid, group and the described inputs' shapes travel
/// by value in one block, so a new shape compiles nothing and uploads nothing. Its layout is [`crate::launch::metadata`]'s.
fn cuda_entry(definition: &Definition, call: &str, signature: &Signature) -> String {
    let name = &definition.name;
    let slots = signature.described.len();
    let mut fields = String::from("unsigned grid[3], group[3], origin[3], reserved;");
    if slots > 0 {
        write!(fields, " int ndim[{slots}][2]; int shape[{slots}][8]; int64_t strides[{slots}][8];")
            .expect("strings take writes");
    }
    let mut parameters = Vec::new();
    let mut arguments = Vec::new();
    // The next launch may take its places at once; what the one before writes is there after the wait.
    let mut prologue = String::from(if definition.early { EARLY } else { "" });
    for param in &signature.params {
        match param {
            Param::Input { name, dtype, class } => {
                parameters.push(format!("const void* __restrict__ {name}"));
                let star = if *class == InputClass::Reference { "*" } else { "" };
                arguments.push(format!("{star}(const {}*){name}", type_name(*dtype)));
            }
            Param::Shape { slot, .. } => arguments.push(format!("tw_launch.shape[{slot}]")),
            Param::Strides { slot, .. } => arguments.push(format!("tw_launch.strides[{slot}]")),
            Param::Ndim { slot, .. } => arguments.push(format!("tw_launch.ndim[{slot}][0]")),
            Param::Scalar { name, dtype } => {
                parameters.push(format!("{} {name}", type_name(*dtype)));
                arguments.push(name.clone());
            }
            Param::InPlace { name, dtype } => {
                parameters.push(format!("void* {name}"));
                arguments.push(format!("({}*){name}", type_name(*dtype)));
            }
            Param::Output { name, dtype, atomic } => {
                parameters.push(format!("void*{} {name}", if *atomic { "" } else { " __restrict__" }));
                let element = type_name(*dtype);
                let element = if *atomic { format!("atomic<{element}>") } else { element.to_owned() };
                arguments.push(format!("({element}*){name}"));
            }
            Param::Threadgroup { dtype, .. } => {
                prologue += "extern __shared__ __align__(16) unsigned char tw_dynamic[];\n";
                arguments.push(format!("({}*)tw_dynamic", type_name(*dtype)));
            }
            Param::BuiltIn { name, .. } => arguments.push(format!("tw_at.{name}")),
        }
    }
    parameters.push(format!("const __grid_constant__ tw_{name}_launch tw_launch"));
    format!(
        "struct tw_{name}_launch {{ {fields} }};\n\
         extern \"C\" __global__ void tw_{name}({}) {{\n{prologue}\
         const tw::Position tw_at(tw_launch.grid, tw_launch.group, tw_launch.origin);\n\
         if (tw_at.surplus) return;\n{call}({});\n}}\n",
        parameters.join(", "),
        arguments.join(", ")
    )
}

/// The entry in the emulator: arguments by position, as [`crate::launch`] sends them.
fn emulated_entry(call: &str, signature: &Signature) -> String {
    let mut position = 0;
    let mut arguments = Vec::new();
    for param in &signature.params {
        let mut here = || {
            position += 1;
            position - 1
        };
        arguments.push(match param {
            Param::Input { dtype, class, .. } => {
                let star = if *class == InputClass::Reference { "*" } else { "" };
                format!("{star}a.pointer<const {}>({})", type_name(*dtype), here())
            }
            Param::Shape { .. } => format!("a.pointer<const int>({})", here()),
            Param::Strides { .. } => format!("a.pointer<const int64_t>({})", here()),
            Param::Ndim { .. } => format!("*a.pointer<const int>({})", here()),
            Param::Scalar { dtype, .. } => format!("a.value<{}>({})", type_name(*dtype), here()),
            Param::InPlace { dtype, .. } | Param::Output { dtype, atomic: false, .. } => {
                format!("a.pointer<{}>({})", type_name(*dtype), here())
            }
            Param::Output { dtype, atomic: true, .. } => {
                format!("a.pointer<atomic<{}>>({})", type_name(*dtype), here())
            }
            Param::Threadgroup { dtype, .. } => {
                format!("tw::dynamic_threadgroup<{}>()", type_name(*dtype))
            }
            Param::BuiltIn { name, .. } => format!("tw::here().{name}"),
        });
    }
    format!("static void enter(const tw::Arguments& a) {{ {call}({}); }}\n", arguments.join(", "))
}

/// Everything that decides the compiled code, for the cache's key.
pub(crate) fn options(definition: &Definition, unit: &Unit) -> Vec<String> {
    let math = match definition.math {
        MathMode::Precise => "precise",
        MathMode::Fast => "fast",
    };
    vec![math.to_owned(), format!("contract_off={}", unit.contract_off)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special(device: Device, input: (DType, InputClass)) -> Specialisation {
        let templates = vec![Template::Type(DType::F32), Template::Int(4)];
        Specialisation {
            device,
            templates,
            inputs: vec![input],
            in_place: vec![],
            outputs: vec![DType::Bf16],
        }
    }

    fn definition(body: &'static str) -> Definition {
        Definition::new("probe", body)
            .template("T")
            .template("K")
            .input("x")
            .scalar("n", DType::U32)
            .output("y")
    }

    #[test]
    fn only_what_the_body_names_becomes_a_parameter() {
        let body = "// x_ndim and grid_size in a comment are not uses\n\
                    uint grid_origin = 1; y[thread_position_in_grid.x] = x[x_strides[0]] * x_shape[0] + grid_origin;";
        let definition = definition(body);
        let special = special(Device::Metal(0), (DType::F32, InputClass::Device));
        let signature = Signature::new(&definition, &special);
        let source = render(&definition, &special, &signature).unwrap().source;
        for line in [
            "template <typename T, int K>",
            "const device float* x [[buffer(0)]]",
            "const constant int* x_shape [[buffer(1)]]",
            "const constant int64_t* x_strides [[buffer(2)]]",
            "const constant uint32_t& n [[buffer(3)]]",
            "device bfloat* y [[buffer(4)]]",
            "uint3 thread_position_in_grid [[thread_position_in_grid]]) {",
            "template [[host_name(\"probe\")]] [[kernel]] decltype(probe<float, 4>) probe<float, 4>;",
        ] {
            assert!(source.contains(line), "{line} is not in\n{source}");
        }
        for absent in ["x_ndim [[", "grid_size [[", "grid_origin [["] {
            assert!(!source.contains(absent), "{absent} is in\n{source}");
        }
    }

    #[test]
    fn arguments_may_be_named_as_the_entry_could() {
        let definition =
            definition("y[0] = x[at] + launch;").scalar("at", DType::U32).scalar("launch", DType::U32);
        let special = special(Device::Cuda(0), (DType::F32, InputClass::Device));
        let source = render(&definition, &special, &Signature::new(&definition, &special)).unwrap().source;
        let (_, entry) = source.split_once("__global__").expect("has an entry");
        let words = entry.split(|c: char| !c.is_alphanumeric() && c != '_');
        // Taken and handed on, no more.
        assert_eq!(words.filter(|word| ["at", "launch"].contains(word)).count(), 4, "{entry}");
    }

    #[test]
    fn mlx_rule_puts_small_inputs_into_constant_and_scalars_by_reference() {
        let definition = definition("y[0] = x;").mlx_inputs();
        for (class, line) in [
            (InputClass::Constant, "const constant float* x [[buffer(0)]]"),
            (InputClass::Reference, "const constant float& x [[buffer(0)]]"),
        ] {
            let special = special(Device::Metal(0), (DType::F32, class));
            let signature = Signature::new(&definition, &special);
            assert!(render(&definition, &special, &signature).unwrap().source.contains(line));
        }
    }

    #[test]
    fn several_outputs_with_shapes_and_no_attributes_close_the_signature() {
        // The quirk of MLX's generator that the specification says not to reproduce.
        let definition =
            Definition::new("probe", "y[0] = x_shape[0]; z[0] = x_ndim;").input("x").output("y").output("z");
        let special = Specialisation {
            templates: vec![],
            outputs: vec![DType::F32, DType::F32],
            ..special(Device::Metal(0), (DType::F32, InputClass::Device))
        };
        let signature = Signature::new(&definition, &special);
        let source = render(&definition, &special, &signature).unwrap().source;
        assert!(source.contains("device float* z [[buffer(4)]]) {\n"), "{source}");
    }

    #[test]
    fn cuda_bodies_are_taken_as_they_are_and_by_cuda_alone() {
        let definition = definition("asm(\"\" : : \"d\"(0.5)); y[0] = x[0];").cuda_only();
        let render = |device| {
            let special = special(device, (DType::F32, InputClass::Device));
            render(&definition, &special, &Signature::new(&definition, &special))
        };
        let source = render(Device::Cuda(0)).unwrap().source;
        assert!(source.contains("asm(\"\" : : \"d\"(0.5)); y[0] = x[0];"), "{source}");
        for device in [Device::Metal(0), Device::Emulated] {
            assert!(render(device).unwrap_err().is_unsupported());
        }
    }

    #[test]
    fn the_cpu_has_no_metal_bodies() {
        let definition = definition("");
        let special = special(Device::Cpu, (DType::F32, InputClass::Device));
        let signature = Signature::new(&definition, &special);
        assert!(render(&definition, &special, &signature).unwrap_err().is_unsupported());
    }
}
