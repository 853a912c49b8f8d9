import { messageOf, WasmletError } from '../../../base/errors.ts';
import { describeInvalidModule } from '../../wasm/header.ts';
import type { ImportedMemory } from '../../wasm/imported-memory.ts';
import { exportStart, START_EXPORT } from '../../wasm/start-section.ts';
import type { CompiledModule, Engine } from '../engine.ts';
import { instantiate } from './instance.ts';
import { lineLocator } from './source-lines.ts';

/** The decoder is loaded when a guest needs it: it would be memory of every other host, and a sixth of its start. */
async function importedMemory(bytes: Uint8Array): Promise<ImportedMemory | undefined> {
  const decoder = await import('../../wasm/imported-memory.ts');
  return decoder.importedMemory(bytes);
}

/** V8, as Node has it. Blocking imports suspend the guest through JSPI. */
export const v8Engine: Engine = {
  name: 'v8',
  async compile(bytes, lines) {
    const fault = describeInvalidModule(bytes);
    if (fault !== undefined) throw new WasmletError('InvalidArgument', fault);
    let module: WebAssembly.Module;
    try {
      module = await WebAssembly.compile(bytes);
    } catch (cause) {
      // "WebAssembly.compile(): REASON @+OFFSET"
      const reason = messageOf(cause)
        .replace(/^WebAssembly\.compile\(\): /, '')
        .replace(/ @\+(\d+)$/, ' (at offset $1)');
      throw new WasmletError('InvalidArgument', `not a valid Wasm module: ${reason}`, { cause });
    }
    const rewritten = exportStart(bytes);
    if (rewritten !== undefined) module = await WebAssembly.compile(rewritten);
    const locate = lines ?? lineLocator(module, rewritten ?? bytes);
    const imports = WebAssembly.Module.imports(module);
    const memory = imports.some(({ kind }) => kind === 'memory') ? await importedMemory(bytes) : undefined;
    const compiled: CompiledModule = {
      imports,
      usesThreads: memory?.type.shared === true,
      exports: WebAssembly.Module.exports(module).filter(({ name }) => name !== START_EXPORT),
      instantiate: async (offered) => {
        if (memory?.type.shared !== true) return await instantiate(module, compiled, offered, locate);
        const { instantiateThreaded } = await import('./threads/instance.ts');
        return instantiateThreaded({ module, compiled, memory, locate }, offered);
      },
    };
    return compiled;
  },
};
