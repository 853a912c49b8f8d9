import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { KubeObject } from '../../agent/kube/types.ts';
import { errnoOf, WasmletError } from '../../base/errors.ts';

export const CASES = join(import.meta.dirname, 'cases');

const object = z.record(z.string(), z.unknown());

/** One step; README.md says what each does. `pod` is a name; default: the case's first pod. */
const step = z.union([
  z.strictObject({ waitForPod: object, pod: z.string().optional(), last: z.literal(true).optional() }),
  z.strictObject({ waitForEvent: object }),
  z.strictObject({ waitUntilGone: z.string() }),
  z.strictObject({ apply: object }),
  z.strictObject({ delete: z.string(), gracePeriodSeconds: z.number().int().min(0).optional() }),
  z.strictObject({ manifest: z.string(), holds: z.union([object, z.string()]) }),
  z.strictObject({ removeManifest: z.string() }),
  z.strictObject({ patch: z.string(), subresource: z.string().optional(), with: object }),
  z.strictObject({ watchForSeconds: z.number().positive().max(15) }),
]);

export type Step = z.infer<typeof step>;

export interface Case {
  readonly name: string;
  /** As they are applied, in order; placeholders not yet filled in. */
  readonly objects: readonly KubeObject[];
  readonly steps: readonly Step[];
  /** Path of the recorded answer of the kubelet. */
  readonly recording: string;
}

/** The names of all cases. */
export async function caseNames(): Promise<string[]> {
  return (await readdir(CASES)).toSorted();
}

/**
 * Reads a case: pod.yaml (one document or more, applied in order) and steps.yaml, without which the case ends when
 * each of its pods has.
 * A case of static pods has no pod.yaml: its steps write them.
 * @param values by placeholder: REGISTRY, NODE, …
 * @throws WasmletError InvalidConfig when the steps are not such
 */
export async function readCase(name: string, values: Readonly<Record<string, string>>): Promise<Case> {
  const folder = join(CASES, name);
  const read = async (file: string): Promise<string | undefined> => {
    try {
      return fillIn(await readFile(join(folder, file), 'utf8'), values);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  };
  const documents = parseAllDocuments((await read('pod.yaml')) ?? '');
  const objects = 'empty' in documents ? [] : documents.map((document) => document.toJS() as KubeObject);
  const steps = await read('steps.yaml');
  return {
    name,
    objects,
    steps: steps === undefined ? untilAllEnded(objects) : parseSteps(name, parse(steps)),
    recording: join(folder, 'kubelet.json'),
  };
}

function parseSteps(name: string, steps: unknown): Step[] {
  const parsed = z.array(step).safeParse(steps);
  if (parsed.success) return parsed.data;
  throw new WasmletError('InvalidConfig', `${name}/steps.yaml: ${z.prettifyError(parsed.error)}`);
}

function untilAllEnded(objects: readonly KubeObject[]): Step[] {
  return podsOf(objects).map(({ metadata }) => ({
    waitForPod: { status: { phase: ['Succeeded', 'Failed'] } },
    pod: metadata?.name ?? '',
  }));
}

export const podsOf = (objects: readonly KubeObject[]): KubeObject[] => objects.filter(({ kind }) => kind === 'Pod');

function fillIn(text: string, values: Readonly<Record<string, string>>): string {
  const names = Object.keys(values).toSorted((a, b) => b.length - a.length);
  return text.replaceAll(new RegExp(`\\b(${names.join('|')})\\b`, 'g'), (name) => values[name] ?? name);
}

/**
 * Whether a value holds all that is wished: of objects each field, of lists for each wish an item. A list of wishes for
 * a single value names those that will do.
 */
export function holds(value: unknown, wish: unknown): boolean {
  if (Array.isArray(wish)) {
    return Array.isArray(value)
      ? wish.every((item) => value.some((candidate) => holds(candidate, item)))
      : wish.includes(value);
  }
  if (typeof wish !== 'object' || wish === null) return value === wish;
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(wish).every(([key, item]) => holds((value as Record<string, unknown>)[key], item));
}
