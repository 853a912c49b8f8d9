import { decodeModule } from './decode.ts';
import type { FunctionBody, Module } from './module.ts';
import { CodeValidator } from './validate/code.ts';
import { ModuleContext } from './validate/context.ts';
import { Locals } from './validate/locals.ts';
import { declaredFunctions, validateDefinitions } from './validate/definitions.ts';

/**
 * That a decoded module is valid (core specification, "Validation"): every definition, and every instruction of every
 * function, in one pass over the code and with memory bounded by its nesting.
 * @throws ModuleError 'malformed' for instructions that do not decode, 'invalid' for rules of typing, 'unsupported' for
 *   garbage collection
 */
export function validateModule(module: Module): void {
  const context = new ModuleContext(module, declaredFunctions(module));
  validateDefinitions(context);
  for (const [index, body] of module.bodies.entries()) {
    validateFunction(context, module.imported.function + index, body);
  }
}

function validateFunction(context: ModuleContext, index: number, body: FunctionBody): void {
  const type = context.functionType(index, body.start);
  for (const { type: local } of body.locals) context.checkValueType(local, body.localsStart);
  const code = { start: body.codeStart, end: body.end };
  new CodeValidator(context, code, Locals.of(type, body), type.results).run(undefined);
}

/**
 * Decodes and validates.
 * @throws ModuleError
 */
export function loadModule(bytes: Uint8Array): Module {
  const module = decodeModule(bytes);
  validateModule(module);
  return module;
}
