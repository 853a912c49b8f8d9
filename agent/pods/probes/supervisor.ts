import { sleep } from '../../kube/backoff.ts';
import type { Container, Pod } from '../../kube/types.ts';
import type { EventRecorder, ProbedContainer, ProbeSupervisor } from '../context.ts';
import { containerReference, findContainer, identityOf } from '../spec.ts';
import { check, type Probe } from './check.ts';

type ProbeKind = 'startup' | 'liveness' | 'readiness';

const PROBES: readonly (readonly [ProbeKind, 'startupProbe' | 'livenessProbe' | 'readinessProbe'])[] = [
  ['startup', 'startupProbe'],
  ['liveness', 'livenessProbe'],
  ['readiness', 'readinessProbe'],
];

interface Watched {
  readonly podUid: string;
  readonly stop: AbortController;
  readonly results: Map<ProbeKind, boolean>;
}

/** Outcomes in a row. */
interface Counts {
  passes: number;
  failures: number;
}

interface ProbeRun {
  readonly pod: Pod;
  readonly container: Container;
  readonly running: ProbedContainer;
  readonly host: string;
  readonly watched: Watched;
  readonly onChange: () => void;
}

/** Probes of httpGet and tcpSocket, one loop per probe and container (pkg/kubelet/prober). */
export function createProbeSupervisor(recorder: EventRecorder): ProbeSupervisor {
  return new Prober(recorder);
}

class Prober implements ProbeSupervisor {
  readonly #recorder: EventRecorder;
  readonly #watched = new Map<string, Watched>();

  constructor(recorder: EventRecorder) {
    this.#recorder = recorder;
  }

  liveness = (id: string): boolean | undefined => this.#result(id, 'liveness');
  startup = (id: string): boolean | undefined => this.#result(id, 'startup');
  readiness = (id: string): boolean | undefined => this.#result(id, 'readiness');

  update(pod: Pod, running: readonly ProbedContainer[], podIP: string, onChange: () => void): void {
    const { uid } = identityOf(pod);
    const ids = new Set(running.map(({ id }) => id));
    for (const [id, watched] of this.#watched) {
      if (watched.podUid === uid && !ids.has(id)) this.#end(id, watched);
    }
    for (const one of running) {
      const container = findContainer(pod, one.name);
      if (!container || this.#watched.has(one.id) || !PROBES.some(([, field]) => container[field])) continue;
      const watched = this.#add(uid, container, one);
      const run = { pod, container, running: one, host: podIP, watched, onChange };
      for (const [kind, field] of PROBES) {
        const probe = container[field];
        if (probe) void this.#probe(kind, probe, run);
      }
    }
  }

  remove(podUid: string): void {
    for (const [id, watched] of this.#watched) if (watched.podUid === podUid) this.#end(id, watched);
  }

  #add(podUid: string, container: Container, running: ProbedContainer): Watched {
    const results = new Map<ProbeKind, boolean>();
    if (container.startupProbe && running.wasStarted) results.set('startup', true);
    if (container.readinessProbe) results.set('readiness', running.wasReady);
    const watched = { podUid, stop: new AbortController(), results };
    this.#watched.set(running.id, watched);
    return watched;
  }

  #end(id: string, { stop }: Watched): void {
    stop.abort();
    this.#watched.delete(id);
  }

  #result(id: string, kind: ProbeKind): boolean | undefined {
    return this.#watched.get(id)?.results.get(kind);
  }

  async #probe(kind: ProbeKind, probe: Probe, run: ProbeRun): Promise<void> {
    const { signal } = run.watched.stop;
    const delayMs = Date.parse(run.running.startedAt) + (probe.initialDelaySeconds ?? 0) * 1000 - Date.now();
    if (delayMs > 0 && !(await sleep(delayMs, signal))) return;
    const counts: Counts = { passes: 0, failures: 0 };
    while (!isSettled(kind, run.watched)) {
      if (mayProbe(kind, run)) await this.#probeOnce(kind, probe, run, counts);
      if (!(await sleep((probe.periodSeconds ?? 10) * 1000, signal))) return;
    }
  }

  async #probeOnce(kind: ProbeKind, probe: Probe, run: ProbeRun, counts: Counts): Promise<void> {
    const { signal } = run.watched.stop;
    const wrong = await check(probe, { container: run.container, host: run.host, signal });
    if (signal.aborted) return;
    counts.passes = wrong === undefined ? counts.passes + 1 : 0;
    counts.failures = wrong === undefined ? 0 : counts.failures + 1;
    if (wrong !== undefined) this.#recordUnhealthy(kind, run, wrong);
    if (counts.passes >= (probe.successThreshold ?? 1)) note(kind, true, run);
    if (counts.failures >= (probe.failureThreshold ?? 3)) note(kind, false, run);
  }

  #recordUnhealthy(kind: ProbeKind, { pod, container }: ProbeRun, wrong: string): void {
    const name = `${kind[0]?.toUpperCase() ?? ''}${kind.slice(1)}`;
    const message = `${name} probe failed: ${wrong}`;
    this.#recorder.record(containerReference(pod, container.name), 'Warning', 'Unhealthy', message);
  }
}

/** Startup is found out once; a container that failed its liveness probe is about to be ended. */
function isSettled(kind: ProbeKind, { results }: Watched): boolean {
  if (kind === 'startup') return results.has('startup');
  return kind === 'liveness' && results.get('liveness') === false;
}

/** Until it has started up, a container is asked for nothing else. */
const mayProbe = (kind: ProbeKind, { container, watched }: ProbeRun): boolean =>
  kind === 'startup' || !container.startupProbe || watched.results.get('startup') === true;

function note(kind: ProbeKind, healthy: boolean, { watched, onChange }: ProbeRun): void {
  if (watched.results.get(kind) === healthy) return;
  watched.results.set(kind, healthy);
  onChange();
}
