/** What is measured, by names that stay: graphs and closing notes refer to them. */
export interface FigureType {
  readonly unit: string;
  readonly means: string;
  /** Whether less is better; the goal is a ceiling then. */
  readonly lessIsBetter: boolean;
  readonly goal?: number;
}

const less = (unit: string, means: string, goal?: number): FigureType => ({
  unit,
  means,
  lessIsBetter: true,
  ...(goal === undefined ? {} : { goal }),
});
const more = (unit: string, means: string, goal: number): FigureType => ({ unit, means, lessIsBetter: false, goal });
/** What is told without a goal, where more is better. */
const share = (means: string): FigureType => ({ unit: 'x', means, lessIsBetter: false });

export const FIGURES = {
  'applyToRunning.p50Ms': less('ms', 'POST of a pod to Running on a watch, image present, scheduled', 80),
  'applyToRunning.p95Ms': less('ms', 'the same, 95th percentile'),
  'containerStart.own.p50Ms': less('ms', 'a container run to completion by the runtime, a host of its own, no API', 40),
  'containerStart.shared.p50Ms': less('ms', 'a container run to completion in a host that others share, no API', 25),
  'memory.shared.kbPerPod': less('KiB', 'what MemAvailable loses per sleeping container in shared hosts, no API', 200),
  'sharedCpu.shareError': less(
    '%',
    'two guests of one shared host that compute, over 10 s: how far their CPU is from the ratio of their requests',
    10,
  ),
  'sharedCpu.ofLimit': less('x', 'the same with a third that has a limit: its CPU by that', 1.02),
  'sharedCpu.lateP99Ms': less('ms', 'how late a line of a fourth is that prints every 20 ms'),
  'density.pods': more('pods', 'sleeping pods of wasm-shared that run on one node, with a real API server', 2000),
  'preemption.geomean': less(
    'x',
    'time of programs that compute, with the checks of wasm-shared, by that without',
    1.2,
  ),
  'containerStart.warm.p50Ms': less('ms', 'a container run to completion by the runtime, a host waiting for it', 20),
  'containerStart.cold.p50Ms': less('ms', 'the same, no host waiting: its process is started first', 60),
  'containerStart.files.p50Ms': less(
    'ms',
    'containerStart.warm, of an image with 3 MB in 300 files beside its module',
    25,
  ),
  'wasi.vsWasmtime': more('x', "speed of WASI calls by wasmtime's: geometric mean", 1),
  'compute.vsWasmtime': more('x', "speed of kernels that compute by wasmtime's: geometric mean", 1),
  'interpreter.vsWazero': more('x', "the interpreter's speed by that of wazero's: geometric mean", 10),
  'interpreter.vsWasmi': more('x', "the interpreter's speed, with fuel, by wasmi's without: geometric mean", 1),
  'interpreter.vsWasmiFuel': more('x', "the interpreter's speed by wasmi's, both with fuel: geometric mean", 1),
  'interpreter.vsWasmtime': share("the interpreter's speed by that of wasmtime's compiler: geometric mean"),
  'interpreter.vsV8': share("the interpreter's speed by that of V8's compilers: geometric mean"),
  'interpreter.startMs': less('ms', 'a Go program of 9 MB, from bytes to its first call of WASI, in a new process'),
  'interpreter.kbPerInstance': less('KiB', 'resident memory of each of 1000 instances of a small module that have run'),
  'memory.own.mbPerPod': less('MiB', 'what MemAvailable loses per sleeping pod, 30 pods', 10),
  startsPerSecond: more('pods/s', '50 pods at once, bound by nodeName, until all are Running', 25),
  'idle.cpuSecondsPerMinute': less('s', 'CPU of agent, supervisor and hosts of 30 sleeping pods, per minute', 1),
  'delete.p50Ms': less('ms', 'DELETE to gone on a watch, grace 1 s, a guest without clean-up', 200),
  apiCallsPerPod: less('calls', "the node's requests about one pod, from creation to deletion, by the audit log"),
  'logs.writeMBs': more('MB/s', 'a guest writes 100 MB in lines of 100 bytes', 100),
  'logs.followMBs': more('MB/s', '`kubectl logs -f` of those 100 MB', 40),
  'logs.tailMs': less('ms', '`kubectl logs --tail=10` of those 100 MB', 60),
  'abuse.memory': less('x', 'p99 of a 1 KiB echo beside a guest that grows until it is OOMKilled, by p99 alone', 2),
  'abuse.cpu': less('x', 'the same beside a guest that computes for ever', 2),
  'abuse.stdout': less('x', 'the same beside a guest that floods its log', 2),
  'abuse.disk': less('x', 'the same beside a guest that fills the disk until it is evicted', 2),
  'abuse.files': less('x', 'the same beside a guest that opens 10,000 files', 2),
  'abuse.threads': less('x', 'the same beside a guest that forks threads, all of which compute', 2),
  'abuse.shared.memory': less('x', 'abuse.memory, both in one shared host', 2),
  'abuse.shared.cpu': less('x', 'abuse.cpu, both in one shared host', 2),
  'abuse.shared.stdout': less('x', 'abuse.stdout, both in one shared host', 2),
  'abuse.shared.disk': less('x', 'abuse.disk, both in one shared host', 2),
  'abuse.shared.files': less('x', 'abuse.files, both in one shared host', 2),
  'abuse.shared.threads': less('x', 'abuse.threads, the echo in a shared host', 2),
  'abuse.interpreter.memory': less('x', 'abuse.memory, both in the interpreter', 2),
  'abuse.interpreter.cpu': less('x', 'abuse.cpu, both in the interpreter', 2),
  'abuse.interpreter.stdout': less('x', 'abuse.stdout, both in the interpreter', 2),
  'abuse.interpreter.disk': less('x', 'abuse.disk, both in the interpreter', 2),
  'abuse.interpreter.files': less('x', 'abuse.files, both in the interpreter', 2),
  'abuse.interpreter.threads': less('x', 'abuse.threads, both in the interpreter', 2),
} as const satisfies Record<string, FigureType>;

export type FigureName = keyof typeof FIGURES;

/** One measured value, with what stands beside it. */
export interface Figure {
  readonly name: FigureName;
  readonly value: number;
  /** What bounds the value, measured in the same run: no node agent could do better by much. */
  readonly limit?: { readonly value: number; readonly means: string };
}
