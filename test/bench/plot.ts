/** How the cost of a training step grows with each of its sizes, as a chart. */
import { type BenchCase, REFERENCE } from './cases.js';
import { OTHERS, OURS, TORCH_VARIANTS } from './contenders.js';
import type { Results, Row } from './results.js';
import { chart, type Panel } from './svg.js';

type Axis = keyof typeof REFERENCE;

const AXES: readonly { readonly axis: Axis; readonly title: string; readonly label: string }[] = [
  { axis: 'hidden_size', title: 'Hidden size', label: 'hidden units' },
  { axis: 'batch_size', title: 'Batch size', label: 'sequences in a batch' },
  { axis: 'sequence_length', title: 'Sequence length', label: 'time steps' },
  { axis: 'threads', title: 'Threads', label: 'threads' },
];

/** The SVG; undefined where no axis was measured at two points. */
export function scalingPlot(results: Results): string | undefined {
  const steps = results.rows.filter(row => row.case.benchmark === 'train_step' && row.case.model === 'lstm');
  // the variants would lie on top of each other
  const shown = ([OURS, ...OTHERS] as const).filter(
    name => !TORCH_VARIANTS.some(variant => variant === name),
  );
  const names = shown.filter(name => steps.some(row => row.timings[name]));
  const panels = AXES.flatMap(({ axis, title, label }): Panel[] => {
    const rows = steps.filter(({ case: one }) => isOn(axis, one, results.threads));
    if (new Set(rows.map(row => row.case[axis])).size < 2) return [];
    const series = names.map(name => ({ name, points: pointsOf(rows, axis, name) }));
    const drawn = series.filter(({ points }) => points.length > 0);
    return [{ title, xLabel: label, yLabel: 'ms per training step', series: drawn }];
  });
  if (panels.length === 0) return undefined;
  const { hidden_size, batch_size, sequence_length } = REFERENCE;
  const subtitle =
    `${hidden_size} units, batches of ${batch_size}, ${sequence_length} steps, ${results.threads} threads ` +
    `where not varied; ${results.machine.cpu}`;
  return chart('One training step of two LSTM layers', subtitle, panels, names);
}

/**
 * Whether `one` differs from the reference along `axis` alone; `threads` are all threads unless
 * they are the axis.
 */
function isOn(axis: Axis, one: BenchCase, threads: number): boolean {
  const reference = { ...REFERENCE, threads };
  return (Object.keys(reference) as Axis[]).every(key => key === axis || one[key] === reference[key]);
}

function pointsOf(rows: readonly Row[], axis: Axis, name: keyof Row['timings']) {
  return rows
    .flatMap(({ case: one, timings }) => {
      const timing = timings[name];
      return timing ? [[one[axis], timing.ms.median] as const] : [];
    })
    .sort(([a], [b]) => a - b);
}
