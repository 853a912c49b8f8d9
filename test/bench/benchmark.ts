import type { Figure, FigureName } from './figures.ts';
import type { Report, Stage } from './stage.ts';

/** One benchmark, in a file of its own. */
export interface Benchmark {
  /** What `npm run bench NAME` calls it. */
  readonly name: string;
  readonly figures: readonly FigureName[];
  /** @param stage opens the shared cluster and agent, for benchmarks that need them */
  run(stage: () => Promise<Stage>, report: Report): Promise<readonly Figure[]>;
}
