import { framesFrom } from './frames.ts';
import type { Instance } from './instance.ts';
import type { Machine } from './machine.ts';

/** Frames of a sample at the most. */
const MAX_DEPTH = 128;

interface Sample {
  readonly locations: readonly number[];
  count: number;
}

/**
 * A profile by fuel: the call stack is looked at each time a slice is used up, so the same program gives the same one on
 * every run and machine. Written as pprof (github.com/google/pprof, proto/profile.proto), not compressed.
 */
export class Profile {
  readonly #period: number;
  readonly #samples = new Map<string, Sample>();
  /** Functions, by the key of their instance and index: each is one location. */
  readonly #functions = new Map<string, { readonly id: number; readonly name: string }>();

  /** @param period fuel between two samples: the machine's slice while it is profiled */
  constructor(period: number) {
    this.#period = period;
  }

  /** Notes where the machine is. */
  sample(machine: Machine): void {
    const locations: number[] = [];
    for (const { code } of framesFrom(machine.store, machine.pc, machine.fp)) {
      if (locations.length === MAX_DEPTH) break;
      locations.push(this.#location(code.instance, code.index));
    }
    const key = locations.join();
    const known = this.#samples.get(key);
    if (known === undefined) this.#samples.set(key, { locations, count: 1 });
    else known.count++;
  }

  /** Fuel by function, those first in which most was used: `own` in the function itself, `total` with what it called. */
  top(): { readonly name: string; readonly own: number; readonly total: number }[] {
    const rows = [...this.#functions.values()].map(({ id, name }) => {
      let own = 0;
      let total = 0;
      for (const { locations, count } of this.#samples.values()) {
        if (locations[0] === id) own += count * this.#period;
        if (locations.includes(id)) total += count * this.#period;
      }
      return { name, own, total };
    });
    return rows.sort((a, b) => b.own - a.own || b.total - a.total);
  }

  /** The profile in pprof's format. */
  encode(): Uint8Array<ArrayBuffer> {
    const strings = ['', 'samples', 'count', 'fuel', 'instructions'];
    const functions = [...this.#functions.values()];
    for (const { name } of functions) strings.push(name);
    const bytes = [
      ...message(1, [...number(1, 1), ...number(2, 2)]),
      ...message(1, [...number(1, 3), ...number(2, 4)]),
      ...[...this.#samples.values()].flatMap(({ locations, count }) =>
        message(2, [...packed(1, locations), ...packed(2, [count, count * this.#period])]),
      ),
      ...functions.flatMap(({ id }) => message(4, [...number(1, id), ...message(4, number(1, id))])),
      ...functions.flatMap(({ id }, index) => message(5, [...number(1, id), ...number(2, index + 5)])),
      ...strings.flatMap((text) => message(6, [...Buffer.from(text)])),
      ...message(11, [...number(1, 3), ...number(2, 4)]),
      ...number(12, this.#period),
    ];
    return new Uint8Array(bytes);
  }

  #location(instance: Instance, index: number): number {
    const key = `${instance.id} ${index}`;
    let known = this.#functions.get(key);
    if (known === undefined) {
      known = { id: this.#functions.size + 1, name: instance.functionName(index) };
      this.#functions.set(key, known);
    }
    return known.id;
  }
}

/** Protocol buffers: a number without a sign in seven bits a byte. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const message = (field: number, content: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...content,
];
const packed = (field: number, values: readonly number[]): number[] => message(field, values.flatMap(varint));
