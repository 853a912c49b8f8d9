/**
 * The cycles of a call graph: Tarjan's algorithm for strongly connected components, without recursion, for call chains
 * are as deep as a module makes them.
 * @param edges callees by caller
 */
export function cyclicNodes(edges: readonly (readonly number[])[]): {
  /** By node: a number that all nodes of one cycle share; 0 for a node that is in none. */
  readonly cycles: Int32Array;
  /** Every node after all that it leads to, cycles apart. */
  readonly calleesFirst: readonly number[];
} {
  const search = new Search(edges);
  for (let node = 0; node < edges.length; node++) search.from(node);
  return { cycles: search.cycles, calleesFirst: search.finished };
}

class Search {
  readonly cycles: Int32Array;
  readonly finished: number[] = [];
  readonly #edges: readonly (readonly number[])[];
  /** When a node was first seen, from 1; 0: not yet. */
  readonly #seen: Int32Array;
  /** The earliest node on the stack that it leads back to. */
  readonly #low: Int32Array;
  /** How many of a node's edges are followed. */
  readonly #followed: Int32Array;
  readonly #onStack: Uint8Array;
  readonly #stack: number[] = [];
  #clock = 0;
  #lastCycle = 0;

  constructor(edges: readonly (readonly number[])[]) {
    this.#edges = edges;
    this.cycles = new Int32Array(edges.length);
    this.#seen = new Int32Array(edges.length);
    this.#low = new Int32Array(edges.length);
    this.#followed = new Int32Array(edges.length);
    this.#onStack = new Uint8Array(edges.length);
  }

  from(root: number): void {
    if (this.#seen[root] !== 0) return;
    const path = [root];
    this.#enter(root);
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const next = this.#edges[node]?.[this.#followed[node] ?? 0];
      if (next === undefined) {
        path.pop();
        this.#leave(node, path.at(-1));
      } else {
        this.#followed[node] = (this.#followed[node] ?? 0) + 1;
        if (this.#seen[next] === 0) {
          this.#enter(next);
          path.push(next);
        } else if (this.#onStack[next] === 1) this.#lower(node, this.#seen[next] ?? 0);
      }
    }
  }

  #enter(node: number): void {
    this.#seen[node] = this.#low[node] = ++this.#clock;
    this.#stack.push(node);
    this.#onStack[node] = 1;
  }

  #lower(node: number, to: number): void {
    this.#low[node] = Math.min(this.#low[node] ?? 0, to);
  }

  #leave(node: number, parent: number | undefined): void {
    if (parent !== undefined) this.#lower(parent, this.#low[node] ?? 0);
    if (this.#low[node] !== this.#seen[node]) return;
    const first = this.#stack.lastIndexOf(node);
    const component = this.#stack.splice(first);
    const cyclic = component.length > 1 || this.#edges[node]?.includes(node) === true;
    if (cyclic) this.#lastCycle++;
    for (const member of component) {
      this.#onStack[member] = 0;
      this.cycles[member] = cyclic ? this.#lastCycle : 0;
      this.finished.push(member);
    }
  }
}
