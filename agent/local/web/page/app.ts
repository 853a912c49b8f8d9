// The page: draws what the server tells of. Text goes in as text alone: names and messages are other people's.
import type { EventView, ImageView, PodView, Sample, StateView, UsageView } from '../view.ts';

/** Of the curves: five minutes of samples. */
const MAX_SAMPLES = 150;
/** Characters of a log that are kept. */
const MAX_LOG = 1_000_000;
const AGE_MS = 1000;
const GOOD = ['Running', 'Completed', 'Succeeded', 'Pending', 'ContainerCreating', 'PodInitializing', 'Terminating'];

function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`no ${id}`);
}

const html = (id: string): HTMLElement => element(id, HTMLElement);

let state: StateView | undefined;
let usage: UsageView = {};
/** uid of the pod that is looked at; '': none. */
let selected = '';
let shownLog = '';
let following: AbortController | undefined;
/** By pod uid; '' is the sum of all. */
const samples = new Map<string, Sample[]>();

function age(from: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(from)) / 1000));
  if (Number.isNaN(seconds)) return '';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

const cpuText = (cores: number): string => `${Math.round(cores * 1000)}m`;

function bytesText(bytes: number): string {
  const units = ['B', 'Ki', 'Mi', 'Gi'];
  let power = 0;
  for (; bytes >= 1024 && power < units.length - 1; power++) bytes /= 1024;
  return `${bytes >= 10 || power === 0 ? Math.round(bytes) : bytes.toFixed(1)}${units[power]}`;
}

function cell(content: string | Node, className = ''): HTMLTableCellElement {
  const made = document.createElement('td');
  made.append(content);
  made.className = className;
  return made;
}

function row(...cells: HTMLTableCellElement[]): HTMLTableRowElement {
  const made = document.createElement('tr');
  made.append(...cells);
  return made;
}

function podRow(pod: PodView): HTMLTableRowElement {
  const name = document.createElement('button');
  name.textContent = pod.name;
  name.addEventListener('click', () => select(pod.uid));
  const used = usage[pod.uid];
  const made = row(
    cell(pod.namespace),
    cell(name),
    cell(pod.ready),
    cell(pod.status, GOOD.includes(pod.status) ? '' : 'bad'),
    cell(String(pod.restarts)),
    cell(age(pod.created), 'age'),
    cell(used ? cpuText(used.cpu) : ''),
    cell(used ? bytesText(used.bytes) : ''),
  );
  made.setAttribute('aria-selected', String(pod.uid === selected));
  return made;
}

const eventRow = (event: EventView): HTMLTableRowElement =>
  row(
    cell(age(event.last) + (event.count > 1 ? ` (x${event.count})` : ''), 'age'),
    cell(event.type, event.type === 'Warning' ? 'bad' : ''),
    cell(event.reason),
    cell(event.object),
    cell(event.message),
  );

const imageRow = ({ names, bytes }: ImageView): HTMLTableRowElement =>
  row(cell(names.join(' ')), cell(bytesText(bytes)));

function draw(): void {
  if (!state) return;
  const { node, pods, morePods, events, images } = state;
  html('node').textContent = `node ${node.name} ${node.ready ? 'is Ready' : 'is not Ready'}, ${node.version}`;
  // A row that is being clicked stays under the pointer: its button is the same again.
  const focused = document.activeElement?.textContent;
  html('pods').replaceChildren(...pods.map(podRow));
  if (focused) {
    for (const button of html('pods').querySelectorAll('button')) if (button.textContent === focused) button.focus();
  }
  html('more-pods').textContent = morePods > 0 ? `and ${morePods} more, which are older` : '';
  html('events').replaceChildren(...events.map(eventRow));
  html('images').replaceChildren(...images.map(imageRow));
  drawLog(pods);
}

function select(uid: string): void {
  selected = selected === uid ? '' : uid;
  draw();
  drawCurves();
}

function drawLog(pods: readonly PodView[]): void {
  const pod = pods.find(({ uid }) => uid === selected);
  const containers = element('containers', HTMLSelectElement);
  const names = pod?.containers ?? [];
  if (names.join() !== [...containers.options].map(({ value }) => value).join()) {
    containers.replaceChildren(...names.map((name) => new Option(name)));
    containers.value = names.at(-1) ?? '';
  }
  html('log-of').textContent = pod ? `of ${pod.namespace}/${pod.name}` : '(choose a pod)';
  const key = pod ? JSON.stringify([pod.uid, containers.value, pod.restarts]) : '';
  if (key === shownLog) return;
  shownLog = key;
  following?.abort();
  following = new AbortController();
  html('log').textContent = '';
  if (pod) void follow(pod, containers.value, following.signal);
}

/** Shows a log as it comes; one whose container has not started is asked for again. */
async function follow(pod: PodView, container: string, signal: AbortSignal): Promise<void> {
  const log = html('log');
  const query = new URLSearchParams({ namespace: pod.namespace, pod: pod.name, container });
  try {
    const answer = await fetch(`/log?${query.toString()}`, { signal });
    if (!answer.ok) {
      const words = await answer.text();
      if (signal.aborted) return;
      log.textContent = words;
      // It is asked for again when the page is next drawn.
      shownLog = '';
      return;
    }
    for await (const text of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      if (signal.aborted) return;
      const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
      log.append(text);
      if (log.textContent.length > MAX_LOG) log.textContent = log.textContent.slice(-MAX_LOG / 2);
      if (isAtEnd) log.scrollTop = log.scrollHeight;
    }
  } catch (error) {
    if (!signal.aborted) log.append(`\n${String(error)}`);
  }
}

function addSamples(added: UsageView): void {
  usage = added;
  for (const [uid, sample] of Object.entries(added)) {
    const list = samples.get(uid) ?? [];
    list.push(sample);
    if (list.length > MAX_SAMPLES) list.shift();
    samples.set(uid, list);
  }
  for (const uid of samples.keys()) if (!(uid in added)) samples.delete(uid);
}

function drawCurves(): void {
  const pod = state?.pods.find(({ uid }) => uid === selected);
  html('usage-of').textContent = pod ? `${pod.namespace}/${pod.name}` : 'all pods';
  const list = samples.get(pod?.uid ?? '') ?? [];
  const last = list.at(-1);
  html('cpu-now').textContent = `CPU ${last ? cpuText(last.cpu) : ''}`;
  html('memory-now').textContent = `Memory ${last ? bytesText(last.bytes) : ''}`;
  curve(
    element('cpu', SVGSVGElement),
    list.map(({ cpu }) => cpu),
    0.01,
  );
  curve(
    element('memory', SVGSVGElement),
    list.map(({ bytes }) => bytes),
    1024 * 1024,
  );
}

/** @param least what the whole height stands for at the least */
function curve(svg: SVGSVGElement, values: readonly number[], least: number): void {
  const most = Math.max(least, ...values) * 1.1;
  const from = MAX_SAMPLES - values.length;
  const points = values.map((value, index) => `${from + index},${100 - (value / most) * 100}`);
  svg.setAttribute('viewBox', `0 0 ${MAX_SAMPLES - 1} 100`);
  svg.setAttribute('preserveAspectRatio', 'none');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  line.setAttribute('points', points.join(' '));
  svg.replaceChildren(line);
}

const source = new EventSource('/state');
source.addEventListener('open', () => (html('connection').textContent = 'live'));
source.addEventListener('error', () => (html('connection').textContent = 'not connected'));
source.addEventListener('state', ({ data }: MessageEvent<string>) => {
  state = JSON.parse(data) as StateView;
  draw();
});
source.addEventListener('usage', ({ data }: MessageEvent<string>) => {
  addSamples(JSON.parse(data) as UsageView);
  draw();
  drawCurves();
});
element('containers', HTMLSelectElement).addEventListener('change', draw);
setInterval(draw, AGE_MS);
