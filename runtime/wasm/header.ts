const MAGIC = 0x6d736100;
const HEADER_SIZE = 8;
const CORE_VERSION = 1;
/** Component Model: the upper half of the version is the layer, 1 for components. */
const COMPONENT_LAYER = 1;

/**
 * Why bytes cannot be a core module, in words that say what they are instead; undefined when the header is one.
 * Source: WebAssembly core specification, binary format, "Modules"; Component Model, Binary.md.
 */
export function describeInvalidModule(bytes: Uint8Array): string | undefined {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE || data.getUint32(0, true) !== MAGIC) {
    return `not a valid Wasm module: it does not begin with \\0asm and a version, but is ${kindOf(bytes)} (at offset 0)`;
  }
  const version = data.getUint16(4, true);
  const layer = data.getUint16(6, true);
  if (layer === COMPONENT_LAYER) {
    return 'not a core Wasm module but a component (WASI 0.2), which this release does not run: build it for wasm32-wasip1';
  }
  if (version === CORE_VERSION && layer === 0) return undefined;
  return `not a valid Wasm module: version ${version + layer * 0x10000} is unknown (at offset 4)`;
}

function kindOf(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, HEADER_SIZE)).toString('latin1');
  if (bytes.length === 0) return 'empty';
  if (start.startsWith('\x7fELF')) return 'a Linux program (ELF)';
  if (start.startsWith('#!')) return 'a script';
  if (start.startsWith('(module') || start.startsWith('(compo')) return 'Wasm in its text format';
  return 'something else';
}
