//! `.symtab` and `.strtab`: one local symbol for each piece of code, so that `nm`, `objdump`, `perf` and `gdb` name it. trjit itself does not read them.

use crate::text::{CodeItem, PlacedFunction};
use object::LittleEndian as LE;
use object::elf::{self, Sym64};
use object::{U16, U32, U64, pod};
use trjit_code::LAZY_STUB_CODE;
use trjit_module::Module;

/// Contents of the two sections.
pub(crate) struct Symbols {
    pub symtab: Vec<u8>,
    pub strtab: Vec<u8>,
    /// Number of symbols; all are local.
    pub count: u32,
}

/// Symbols of a text at address `text_address` in the ELF section `text_section`.
pub(crate) fn encode(functions: &[PlacedFunction], module: &Module, text_address: u64, text_section: u16) -> Symbols {
    let mut strtab = vec![0];
    let mut entries = vec![symbol(0, 0, 0, 0, 0)];
    let mut add = |name: String, offset: u32, len: u32| {
        let at = strtab.len() as u32;
        // A name ends at its first zero byte in this format.
        strtab.extend(name.bytes().map(|byte| if byte == 0 { b'?' } else { byte }));
        strtab.push(0);
        let info = elf::STB_LOCAL.0 << 4 | elf::STT_FUNC.0;
        entries.push(symbol(at, info, text_section, text_address + u64::from(offset), u64::from(len)));
    };
    add("trampoline.lazy_stub".into(), 0, LAZY_STUB_CODE.len() as u32);
    functions.iter().for_each(|placed| add(name(placed.what, module), placed.offset, placed.len));
    Symbols { symtab: pod::bytes_of_slice(&entries).to_vec(), strtab, count: entries.len() as u32 }
}

fn name(what: CodeItem, module: &Module) -> String {
    match what {
        CodeItem::Function(function) => match module.func_name(function) {
            Some(name) if !name.is_empty() => name.to_string(),
            _ => format!("func[{function}]"),
        },
        CodeItem::ToNative(ty) => format!("trampoline.to_native[{ty}]"),
        CodeItem::TailToNative(ty) => format!("trampoline.tail_to_native[{ty}]"),
        CodeItem::ToInterpreter(ty) => format!("trampoline.to_interpreter[{ty}]"),
    }
}

fn symbol(name: u32, info: u8, section: u16, value: u64, size: u64) -> Sym64<LE> {
    Sym64 {
        st_name: U32::new(LE, name),
        st_info: elf::SymbolInfo(info),
        st_other: elf::SymbolOther(0),
        st_shndx: U16::new(LE, elf::SymbolSection(section)),
        st_value: U64::new(LE, value),
        st_size: U64::new(LE, size),
    }
}
