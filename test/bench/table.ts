import { FIGURES, type Figure, type FigureType } from './figures.ts';
import { REFERENCE, REFERENCE_ORIGIN } from './reference.ts';

const shown = (value: number | undefined): string =>
  value === undefined ? '' : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

/** Flat numbers by fixed names: NAME, and beside it NAME.limit, NAME.peer and NAME.goal where there are such. */
export function toJson(figures: readonly Figure[]): Record<string, number> {
  const entries = figures.flatMap(({ name, value, limit }) => {
    const type: FigureType = FIGURES[name];
    const beside = { limit: limit?.value, peer: REFERENCE[name], goal: type.goal };
    const present = Object.entries(beside).flatMap(([what, number]) =>
      number === undefined ? [] : [[`${name}.${what}`, number] as const],
    );
    return [[name, value] as const, ...present];
  });
  return Object.fromEntries(entries.map(([name, value]) => [name, Number(value.toPrecision(4))]));
}

/** A table for people, with what stands beside each figure. */
export function toTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, limit }) => {
    const type: FigureType = FIGURES[name];
    return [
      name,
      shown(value),
      type.unit,
      shown(limit?.value),
      shown(REFERENCE[name]),
      shown(type.goal),
      verdict(value, type),
    ];
  });
  const lines = [['figure', 'value', 'unit', 'limit', 'peer', 'goal', ''], ...rows];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const table = lines.map((line) =>
    line
      .map((cell, column) =>
        column === 1 || (column > 2 && column < 6)
          ? cell.padStart(widths[column] ?? 0)
          : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  const notes = figures.map(({ name, limit }) => {
    const { means }: FigureType = FIGURES[name];
    return `${name}: ${means}${limit ? `; limit: ${limit.means}` : ''}`;
  });
  return [...table, '', ...notes, `peer: ${REFERENCE_ORIGIN}`].join('\n');
}

function verdict(value: number, { goal, lessIsBetter }: FigureType): string {
  if (goal === undefined) return '';
  return (lessIsBetter ? value <= goal : value >= goal) ? 'reached' : 'missed';
}
