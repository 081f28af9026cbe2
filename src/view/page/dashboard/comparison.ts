/** The content of a comparison of runs, from their reports. */
import type { ComparisonReport, Measured, RunReport } from '../../document.js';
import type { ChartSeries } from '../chart.js';
import { type ChartPlan, isConstant } from '../curves.js';
import { isShare, words } from '../format.js';
import { byImportance } from '../metric-order.js';

export interface Compared {
  readonly path: string;
  readonly report: RunReport;
  /** Its index among the requested runs, which determines its colour. */
  readonly number: number;
}

/** Number of colours in the style sheet; further runs are dashed. */
const COLORS = 6;

export function colorOf(number: number): Pick<ChartSeries, 'color' | 'isDashed'> {
  return { color: `run-${(number % COLORS) + 1}`, isDashed: number >= COLORS };
}

const TITLES: Readonly<Record<string, string>> = {
  'train.loss': 'Train loss, each batch',
  grad_norm: 'Gradient norm',
  samples_per_s: 'Samples per second',
};

/**
 * One chart per curve with one line per run; none for values that were measured once, which a table
 * shows.
 */
export function comparedCurves(compared: readonly Compared[]): readonly ChartPlan[] {
  const names = [...new Set(compared.flatMap(({ report }) => Object.keys(report.curves)))];
  const isTelling = (name: string) =>
    compared.some(({ report: { curves } }) => {
      const curve = curves[name];
      return curve && curve.steps.length > 1 && !(name === 'learning_rate' && isConstant(curve));
    });
  return names
    .filter(isTelling)
    .sort(byImportance)
    .map(name => ({
      title: titleOf(name),
      isShare: isShare(name),
      series: compared.flatMap(({ path, report, number }): ChartSeries[] => {
        const curve = report.curves[name];
        return curve === undefined
          ? []
          : [{ name: path, label: labelOf(report, compared), curve, places: report, ...colorOf(number) }];
      }),
    }));
}

function titleOf(name: string): string {
  const [, metric] = /^epoch\.(.+)$/.exec(name) ?? [];
  return TITLES[name] ?? (metric ? `Train ${words(metric)}, mean of the epoch` : capital(words(name)));
}

/** The shortest names that distinguish the runs. */
function labelOf({ name, id }: RunReport, compared: readonly Compared[]): string {
  const isOne = compared.every(({ report }) => report.name === name);
  return isOne ? id : `${name} ${id}`;
}

export interface ComparedMetric {
  readonly name: string;
  /** By the path of the run. */
  readonly values: ReadonlyMap<string, Measured>;
  /** Paths of the runs with the best value; empty if all are equal. */
  readonly best: ReadonlySet<string>;
}

/** @param comparison has the direction of each metric; without it no value is marked as best */
export function comparedMetrics(
  compared: readonly Compared[],
  comparison: ComparisonReport | undefined,
): readonly ComparedMetric[] {
  const names = [...new Set(compared.flatMap(({ report }) => report.metrics.map(({ name }) => name)))];
  return names.sort(byImportance).map(name => {
    const values = new Map(
      compared.flatMap(({ path, report }) =>
        report.metrics.filter(metric => metric.name === name).map(({ value }) => [path, value] as const),
      ),
    );
    const finite = [...values.values()].filter(value => typeof value === 'number');
    const direction = comparison?.metrics.find(({ metric }) => metric === name);
    const best = direction?.larger_is_better ? Math.max(...finite) : Math.min(...finite);
    const isTold = direction !== undefined && new Set(finite).size > 1;
    return {
      name,
      values,
      best: new Set(isTold ? [...values].filter(([, value]) => value === best).map(([path]) => path) : []),
    };
  });
}

export interface DifferingValue {
  readonly key: string;
  /** By the path of the run; absent if its config lacks the key. */
  readonly values: ReadonlyMap<string, string>;
}

/** Config keys whose values differ. */
export function differingValues(compared: readonly Compared[]): readonly DifferingValue[] {
  const byKey = new Map<string, Map<string, string>>();
  for (const { path, report } of compared) {
    for (const { key, value } of report.config) {
      const values = byKey.get(key) ?? new Map<string, string>();
      byKey.set(key, values.set(path, value));
    }
  }
  return [...byKey]
    .map(([key, values]) => ({ key, values }))
    .filter(({ values }) => values.size < compared.length || new Set(values.values()).size > 1);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
