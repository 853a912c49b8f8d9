import { messageOf } from '../../../base/errors.ts';
import type { RuntimeService } from '../../../runtime/service.ts';
import type { EventReason } from '../../kube/event-reasons.ts';
import { sleep } from '../../kube/backoff.ts';
import type { Container, Pod } from '../../kube/types.ts';
import type { ProbeMetrics } from '../../metrics/agent-metrics.ts';
import type { EventRecorder, ProbedContainer, ProbeSupervisor } from '../context.ts';
import { containerReference, findContainer, identityOf, type PodIdentity } from '../spec.ts';
import { check, type Probe } from './check.ts';
import type { ProbeOutcome } from './outcome.ts';

type ProbeKind = 'startup' | 'liveness' | 'readiness';

const PROBES: readonly (readonly [ProbeKind, 'startupProbe' | 'livenessProbe' | 'readinessProbe'])[] = [
  ['startup', 'startupProbe'],
  ['liveness', 'livenessProbe'],
  ['readiness', 'readinessProbe'],
];

/** As the kubelet spells them in labels (prober/prober_manager.go, probeType.String). */
const PROBE_TYPES: Readonly<Record<ProbeKind, string>> = {
  startup: 'Startup',
  liveness: 'Liveness',
  readiness: 'Readiness',
};

interface Watched {
  readonly podUid: string;
  readonly stop: AbortController;
  /** Ends the startup and the liveness probe alone: the pod is about to end. */
  readonly stopSome: AbortController;
  readonly results: Map<ProbeKind, boolean>;
  /** Resolves when the container has started up; at once without a startup probe. */
  readonly started: PromiseWithResolvers<undefined>;
}

/** Outcomes in a row. */
interface Counts {
  passes: number;
  failures: number;
}

interface ProbeRun {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  readonly pod: Pod;
  readonly container: Container;
  readonly running: ProbedContainer;
  readonly host: string;
  readonly watched: Watched;
  readonly signal: AbortSignal;
  readonly onChange: () => void;
}

/** Runs the probes of containers: one loop per probe and container (pkg/kubelet/prober). */
export function createProbeSupervisor(
  runtime: RuntimeService,
  recorder: EventRecorder,
  metrics: ProbeMetrics,
): ProbeSupervisor {
  return new Prober(runtime, recorder, metrics);
}

class Prober implements ProbeSupervisor {
  readonly #runtime: RuntimeService;
  readonly #recorder: EventRecorder;
  readonly #metrics: ProbeMetrics;
  readonly #beganAt = Date.now();
  readonly #watched = new Map<string, Watched>();
  /** Pods of which there are series, by UID. */
  readonly #counted = new Map<string, PodIdentity>();

  constructor(runtime: RuntimeService, recorder: EventRecorder, metrics: ProbeMetrics) {
    this.#runtime = runtime;
    this.#recorder = recorder;
    this.#metrics = metrics;
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
      for (const [kind, field] of PROBES) {
        const probe = container[field];
        if (!probe) continue;
        const signal = kind === 'readiness' ? watched.stop.signal : watched.stopSome.signal;
        void this.#probe({ kind, probe, pod, container, running: one, host: podIP, watched, signal, onChange });
      }
    }
  }

  remove(podUid: string): void {
    for (const [id, watched] of this.#watched) if (watched.podUid === podUid) this.#end(id, watched);
    const counted = this.#counted.get(podUid);
    if (!counted) return;
    this.#counted.delete(podUid);
    this.#metrics.probes.deleteWhere({ pod_uid: podUid });
    this.#metrics.probeDuration.deleteWhere({ namespace: counted.namespace, pod: counted.name });
  }

  stopLivenessAndStartup(podUid: string): void {
    for (const watched of this.#watched.values()) {
      if (watched.podUid !== podUid) continue;
      watched.stopSome.abort();
      // As the kubelet: what nobody asks for any more counts as passed.
      if (!watched.results.has('startup')) watched.results.set('startup', true);
      watched.started.resolve(undefined);
    }
  }

  #add(podUid: string, container: Container, running: ProbedContainer): Watched {
    const results = new Map<ProbeKind, boolean>();
    const started = Promise.withResolvers<undefined>();
    if (!container.startupProbe || running.wasStarted) started.resolve(undefined);
    if (container.startupProbe && running.wasStarted) results.set('startup', true);
    if (container.readinessProbe) results.set('readiness', running.wasReady);
    const watched = { podUid, stop: new AbortController(), stopSome: new AbortController(), results, started };
    this.#watched.set(running.id, watched);
    return watched;
  }

  #end(id: string, { stop, stopSome, started }: Watched): void {
    stop.abort();
    stopSome.abort();
    started.resolve(undefined);
    this.#watched.delete(id);
  }

  #result(id: string, kind: ProbeKind): boolean | undefined {
    return this.#watched.get(id)?.results.get(kind);
  }

  async #probe(run: ProbeRun): Promise<void> {
    const { kind, probe, running, watched, signal } = run;
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    const startedAt = Date.parse(running.startedAt);
    const delayMs = startedAt + (probe.initialDelaySeconds ?? 0) * 1000 - Date.now();
    if (delayMs > 0 && !(await sleep(delayMs, signal))) return;
    // An agent that was restarted does not probe all that runs at the same moment (worker.go, run).
    if (startedAt < this.#beganAt && !(await sleep(Math.random() * this.#spreadMs(periodMs), signal))) return;
    // Until it has started up, a container is asked for nothing else; then at once.
    if (kind !== 'startup') await watched.started.promise;
    const counts: Counts = { passes: 0, failures: 0 };
    while (!signal.aborted && !isSettled(kind, watched)) {
      const due = performance.now() + periodMs;
      await this.#probeOnce(run, counts);
      if (!(await sleep(Math.max(0, due - performance.now()), signal))) return;
    }
  }

  /** A period while the agent is younger than that, then 0. */
  #spreadMs(periodMs: number): number {
    return Date.now() - this.#beganAt < periodMs ? periodMs : 0;
  }

  async #probeOnce(run: ProbeRun, counts: Counts): Promise<void> {
    const startedAt = performance.now();
    const outcome = await this.#outcome(run);
    // Without an outcome nothing is known, for better or worse.
    if (!outcome || run.signal.aborted) return;
    const passed = outcome.result !== 'failure';
    this.#measure(run, passed, (performance.now() - startedAt) / 1000);
    counts.passes = passed ? counts.passes + 1 : 0;
    counts.failures = passed ? 0 : counts.failures + 1;
    if (!passed) this.#record(run, 'Unhealthy', `failed: ${outcome.output}`);
    else if (outcome.result === 'warning') this.#record(run, 'ProbeWarning', `warning: ${outcome.output}`);
    if (counts.passes >= (run.probe.successThreshold ?? 1)) note(run, true);
    if (counts.failures >= (run.probe.failureThreshold ?? 3)) note(run, false);
  }

  /** As the kubelet: of probes that failed, which may only have waited for their time-out, no duration. */
  #measure({ kind, pod, container }: ProbeRun, passed: boolean, seconds: number): void {
    const { namespace, name, uid } = identityOf(pod);
    this.#counted.set(uid, { namespace, name, uid });
    const labels = { probe_type: PROBE_TYPES[kind], container: container.name, pod: name, namespace };
    this.#metrics.probes.inc({ ...labels, pod_uid: uid, result: passed ? 'successful' : 'failed' });
    if (passed) this.#metrics.probeDuration.observe(labels, seconds);
  }

  async #outcome(run: ProbeRun): Promise<ProbeOutcome | undefined> {
    const { probe, container, running, host, signal } = run;
    try {
      return await check(probe, { container, containerId: running.id, host, runtime: this.#runtime, signal });
    } catch (error) {
      if (!signal.aborted) {
        this.#record(run, 'Unhealthy', `errored and resulted in unknown state: ${messageOf(error)}`);
      }
      return undefined;
    }
  }

  #record({ kind, pod, container }: ProbeRun, reason: EventReason, what: string): void {
    const name = `${kind[0]?.toUpperCase() ?? ''}${kind.slice(1)}`;
    this.#recorder.record(containerReference(pod, container.name), 'Warning', reason, `${name} probe ${what}`);
  }
}

/** Startup is found out once; a container that failed its liveness probe is about to be ended. */
function isSettled(kind: ProbeKind, { results }: Watched): boolean {
  if (kind === 'startup') return results.has('startup');
  return kind === 'liveness' && results.get('liveness') === false;
}

function note({ kind, watched, onChange }: ProbeRun, healthy: boolean): void {
  if (watched.results.get(kind) === healthy) return;
  watched.results.set(kind, healthy);
  if (kind === 'startup' && healthy) watched.started.resolve(undefined);
  onChange();
}
