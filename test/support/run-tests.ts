/**
 * `npm test`: type check, lint, unit tests, then the tests on the real cluster. Stops at the first step that fails, so
 * that the reader sees one cause, and closes with a line that counts: 'N passed, N failed, N skipped'.
 */
import { spawn } from 'node:child_process';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The fields of vitest's JSON report that are counted. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

/** Runs a program of this project with its output shown, and resolves to its exit code. */
async function run(command: string, args: readonly string[]): Promise<number> {
  console.log(`\n> ${[command, ...args].join(' ')}`);
  const child = spawn(command, args, { stdio: 'inherit' });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  return promise;
}

async function vitest(project: string): Promise<Counts> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-test-'));
  const report = join(folder.path, 'report.json');
  const code = await run('vitest', [
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ]);
  const counts = await readFile(report, 'utf8').then(countReport, () => ({ passed: 0, failed: 0, skipped: 0 }));
  // A run that failed outside any test (a set-up, an unhandled error) is a failure that must be counted too.
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function countReport(text: string): Counts {
  const report = JSON.parse(text) as VitestReport;
  // A file that could not be loaded has no tests of its own: it counts as one failure.
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests,
  };
}

async function main(): Promise<number> {
  for (const [command, ...args] of [
    ['tsc', '-p', '.'],
    ['tsc', '-p', 'agent/local/web/page'],
    ['eslint', '.'],
    ['prettier', '--check', '--log-level', 'warn', '.'],
  ] as const) {
    if ((await run(command, args)) !== 0) {
      console.log(`\n${command} found faults\n0 passed, 1 failed, 0 skipped`);
      return 1;
    }
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const project of ['unit', 'e2e', 'oracles']) {
    const counts = await vitest(project);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (counts.failed > 0) break;
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

process.exitCode = await main();
