import { MAX_PAGES_32, MAX_PAGES_64 } from '../limits.ts';
import { invalid } from '../module-error.ts';
import type { DataSegment, ElementSegment, Expression, Global, Memory, Module, Table } from '../module.ts';
import { heapOf, isNullable, isRef, type Limits, typeIndexOf, typeNames } from '../types.ts';
import { SECTION } from '../sections.ts';
import { endOfGroup } from '../type-numbers.ts';
import { functionsNamedIn, validateConstant } from './constant.ts';
import { addressOf, type ModuleContext } from './context.ts';

const MAX_TABLE_32 = 0xffffffffn;
const MAX_TABLE_64 = 0xffffffffffffffffn;

/** Functions that occur outside of function bodies: ref.func may name them (the set C.refs of the specification). */
export function declaredFunctions(module: Module): Set<number> {
  const declared = new Set<number>();
  const within = (expression: Expression | undefined): void => {
    if (expression === undefined) return;
    for (const index of functionsNamedIn(module, expression)) declared.add(index);
  };
  for (const { kind, index } of module.exports) if (kind === 'function') declared.add(index);
  for (const { init } of module.globals) within(init);
  for (const { init } of module.tables) within(init);
  for (const { items } of module.elements) {
    for (const item of items) {
      if (typeof item === 'number') declared.add(item);
      else within(item);
    }
  }
  return declared;
}

/** Everything but function bodies. */
export function validateDefinitions(context: ModuleContext): void {
  const { module } = context;
  checkTypes(context);
  for (const { type, start } of module.functions) context.types.at(type, start);
  for (const [index, table] of module.tables.entries()) checkTable(context, table, index);
  for (const memory of module.memories) checkMemory(memory);
  checkTags(context);
  for (const [index, global] of module.globals.entries()) checkGlobal(context, global, index);
  checkExports(context);
  checkStart(context);
  for (const segment of module.elements) checkElements(context, segment);
  for (const segment of module.data) checkData(context, segment);
}

/** A type speaks of those of its own group, and of those before it. */
function checkTypes({ module }: ModuleContext): void {
  const section = module.sections.find(({ id }) => id === SECTION.type)?.content.start ?? 0;
  let end = 0;
  for (const [index, { parameters, results }] of module.types.entries()) {
    if (index === end) end = endOfGroup(module.typeGroups, index);
    for (const type of [...parameters, ...results]) {
      const named = isRef(type) ? typeIndexOf(heapOf(type)) : undefined;
      if (named !== undefined && named >= end) invalid('unknown type', section, String(named));
    }
  }
}

function checkLimits({ min, max }: Limits, largest: bigint, rule: string, offset: number): void {
  if (min > largest || (max !== undefined && max > largest)) invalid(rule, offset, `at most ${largest}`);
  if (max !== undefined && min > max) {
    invalid('size minimum must not be greater than maximum', offset, `${min} > ${max}`);
  }
}

function checkMemory({ type, start }: Memory): void {
  const rule = type.is64 ? 'memory size' : 'memory size must be at most 65536 pages (4GiB)';
  checkLimits(type, type.is64 ? MAX_PAGES_64 : MAX_PAGES_32, rule, start);
  if (type.shared && type.max === undefined) invalid('shared memory must have maximum', start);
}

function checkTable(context: ModuleContext, { type, init, start }: Table, index: number): void {
  context.checkValueType(type.element, start);
  checkLimits(type, type.is64 ? MAX_TABLE_64 : MAX_TABLE_32, 'table size', start);
  const { module } = context;
  if (init !== undefined) validateConstant(context, init, type.element, module.imported.global);
  else if (!isNullable(type.element) && index >= module.imported.table) {
    invalid('type mismatch', start, 'a table of references that cannot be null needs an initial value');
  }
}

function checkTags({ module, types }: ModuleContext): void {
  for (const { type, start } of module.tags) {
    const { results } = types.at(type, start);
    if (results.length > 0) invalid('non-empty tag result type', start, typeNames(results));
  }
}

function checkGlobal(context: ModuleContext, { type, init, start }: Global, index: number): void {
  context.checkValueType(type.type, start);
  if (init !== undefined) validateConstant(context, init, type.type, index);
}

const UNKNOWN_EXPORT = {
  function: 'unknown function',
  table: 'unknown table',
  memory: 'unknown memory',
  global: 'unknown global',
  tag: 'unknown tag',
} as const;

function checkExports({ module }: ModuleContext): void {
  const counts = {
    function: module.functions.length,
    table: module.tables.length,
    memory: module.memories.length,
    global: module.globals.length,
    tag: module.tags.length,
  };
  const names = new Set<string>();
  for (const { name, kind, index, start } of module.exports) {
    if (index >= counts[kind]) invalid(UNKNOWN_EXPORT[kind], start, String(index));
    if (names.has(name)) invalid('duplicate export name', start, name);
    names.add(name);
  }
}

function checkStart(context: ModuleContext): void {
  const { start } = context.module;
  if (start === undefined) return;
  const { parameters, results } = context.functionType(start.function, start.start);
  if (parameters.length + results.length > 0) invalid('start function', start.start, 'takes or gives values');
}

function checkElements(context: ModuleContext, { placement, type, items, start }: ElementSegment): void {
  const { module, types } = context;
  context.checkValueType(type, start);
  for (const item of items) {
    if (typeof item === 'number') context.typeOfFunction(item, start);
    else validateConstant(context, item, type, module.globals.length);
  }
  if (placement === undefined) return;
  const table = context.table(placement.target, start);
  if (!types.matches(type, table.element)) {
    invalid('type mismatch', start, 'elements of another type than the table');
  }
  validateConstant(context, placement.offset, addressOf(table), module.globals.length);
}

function checkData(context: ModuleContext, { placement, start }: DataSegment): void {
  if (placement === undefined) return;
  const memory = context.memory(placement.target, start);
  validateConstant(context, placement.offset, addressOf(memory), context.module.globals.length);
}
