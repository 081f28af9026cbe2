/** A comparison as tables and sentences, which every format but JSON is made of. */
import type { Json } from '../experiment/json.js';
import type {
  Comparison,
  MetricComparison,
  SideComparison,
  SideInfo,
} from '../review/comparison/document.js';
import type { Effect } from '../review/comparison/effects.js';
import type { Cell, Table } from '../sweep/results/index.js';
import { formatDuration } from './progress.js';

const EFFECTS: Readonly<Record<Effect, string>> = {
  numerics: 'numerics',
  data: 'data',
  data_order: 'data order',
  initialisation: 'initialisation',
  length: 'length',
  unknown: 'not known',
};

/** Such as `7 of 8 runs, seeds 0 to 6`. */
export function describeSide({ runs, seeds }: SideInfo): string {
  const counted = runs.filter(run => run.left_out === null).length;
  const of = counted === runs.length ? '' : `${counted} of `;
  const words = `${of}${runs.length} run${runs.length === 1 ? '' : 's'}`;
  return seeds.length === 0 ? words : `${words}, seed${seeds.length === 1 ? '' : 's'} ${ranges(seeds)}`;
}

/** `0 to 3, 7` */
function ranges(seeds: readonly number[]): string {
  const parts: string[] = [];
  for (let from = 0; from < seeds.length; ) {
    let to = from;
    while (to + 1 < seeds.length && seeds[to + 1] === seeds[to] + 1) to += 1;
    if (to - from < 2) to = from;
    parts.push(to === from ? String(seeds[from]) : `${seeds[from]} to ${seeds[to]}`);
    from = to + 1;
  }
  return parts.join(', ');
}

/** What differs, or everything where it was asked for. */
export function differencesTable({ sides, config, facts }: Comparison): Table {
  const rows = [
    ...config.map(({ key, values, changes }) => [
      key,
      ...values.map(listed),
      changes.length === 0 ? 'nothing' : changes.map(effect => EFFECTS[effect]).join(', '),
    ]),
    ...facts.map(({ key, values, changes_results }) => [
      key,
      ...values.map(listed),
      changes_results ? 'perhaps results' : 'nothing',
    ]),
  ];
  return { columns: columns('what', ...sides.map(({ id }) => id), 'changes'), rows };
}

function listed(values: readonly Json[]): string {
  if (values.length === 0) return 'not set';
  const isSeeds = values.length > 3 && values.every(Number.isInteger);
  if (isSeeds) return ranges(values as readonly number[]);
  return values.map(value => brief(typeof value === 'string' ? value : JSON.stringify(value))).join(', ');
}

/** Of a digest the beginning tells enough. */
function brief(text: string): string {
  return /^[0-9a-f]{40,64}$/.test(text) ? text.slice(0, 8) : text;
}

/** One row for each metric of each side. */
export function metricsTable({ metrics }: Comparison): Table {
  const rows = metrics.flatMap(metric =>
    metric.sides.map((side, i): Cell[] => {
      const compared = comparisonOf(metric, side.side);
      return [
        i === 0 ? metric.metric : '',
        side.side,
        side.n,
        digits(side.mean),
        digits(side.spread, 2),
        digits(side.best),
        signed(compared?.difference),
        intervalOf(compared),
        digits(compared?.test?.p_adjusted, 2),
        compared?.verdict ?? null,
      ];
    }),
  );
  return {
    columns: columns(
      'metric',
      'side',
      'n',
      'mean',
      'spread',
      'best',
      'difference',
      '95 % interval',
      'p',
      'verdict',
    ),
    rows,
  };
}

/** The same with all digits and under names for programs. */
export function metricsRecords({ sides, metrics }: Comparison): Table {
  const rows = metrics.flatMap(metric =>
    metric.sides.map(({ side, n, mean, spread, best }): Cell[] => {
      const compared = comparisonOf(metric, side);
      return [
        metric.metric,
        side,
        sides.find(({ id }) => id === side)?.name ?? null,
        ...[n, mean, spread, best, compared?.difference ?? null],
        ...[compared?.interval?.low ?? null, compared?.interval?.high ?? null],
        compared?.test?.name ?? null,
        ...[compared?.test?.p ?? null, compared?.test?.p_adjusted ?? null],
        ...[compared?.verdict ?? null, compared?.reason ?? null],
      ];
    }),
  );
  const names = 'metric side name n mean spread best difference low high test p p_adjusted verdict reason';
  return { columns: columns(...names.split(' ')), rows };
}

function comparisonOf({ comparisons }: MetricComparison, side: string): SideComparison | undefined {
  return comparisons.find(compared => compared.side === side);
}

export function performanceTable({ performance }: Comparison): Table {
  const rows = performance.map(({ side, ms_per_step, duration_s, peak_rss_mb, machines }): Cell[] => [
    side,
    digits(ms_per_step, 3),
    duration_s === null ? null : formatDuration(duration_s),
    peak_rss_mb === null ? null : Math.round(peak_rss_mb),
    machines.join('; '),
  ]);
  return { columns: columns('side', 'ms per step', 'duration', 'peak RSS, MB', 'on'), rows };
}

/** Which runs do not count, and why. */
export function leftOutSentences({ sides, metrics, left_out }: Comparison): string[] {
  const nowhere = left_out.map(({ run, reason }) => `${run}: ${reason}`);
  const ofSides = sides.flatMap(({ id, runs }) =>
    runs.flatMap(run => (run.left_out === null ? [] : [`${id}, ${run.run_id}: ${run.left_out}`])),
  );
  const ofMetrics = metrics.flatMap(({ metric, sides: measured }) =>
    measured.flatMap(({ side, left_out: runs }) =>
      runs.map(({ run_id, reason }) => `${side}, ${run_id}, ${metric}: ${reason}`),
    ),
  );
  return [...nowhere, ...ofSides, ...ofMetrics];
}

/** Why more cannot be said; what is true of several sides or metrics is said once. */
export function reasonSentences({ metrics }: Comparison): string[] {
  const told = new Map<string, { sides: Set<string>; metrics: Set<string> }>();
  for (const { metric, comparisons } of metrics)
    for (const compared of comparisons)
      for (const reason of reasonsOf(compared)) {
        const known = told.get(reason) ?? { sides: new Set(), metrics: new Set() };
        told.set(reason, known);
        known.sides.add(compared.side);
        known.metrics.add(metric);
      }
  return [...told].map(([reason, of]) => {
    const only = of.metrics.size === metrics.length ? '' : ` (${[...of.metrics].join(', ')})`;
    return `${[...of.sides].join(', ')}: ${reason}${only}`;
  });
}

function reasonsOf({ reason, unpaired, against }: SideComparison): string[] {
  const unused = `${unpaired} ${unpaired === 1 ? 'run has a seed' : 'runs have seeds'} that only one of it and ${against} has`;
  return [...(reason === null ? [] : [reason]), ...(unpaired === 0 ? [] : [unused])];
}

/** What the columns of the metrics mean in this comparison. */
export function methodSentences({ metrics, sides }: Comparison): string[] {
  const all = metrics.flatMap(({ comparisons }) => comparisons);
  const isPaired = (wanted: boolean): boolean =>
    all.some(({ paired, test }) => test !== null && paired === wanted);
  const tests = [
    ...(isPaired(true) ? ['Wilcoxon signed-rank over pairs of the same seed'] : []),
    ...(isPaired(false) ? ['Mann-Whitney where no seeds are shared'] : []),
  ];
  if (tests.length === 0) return [];
  const corrected = sides.length > 2 ? `, corrected for ${sides.length - 1} comparisons (Holm)` : '';
  return [
    `difference: of the mean to that of ${sides[0].id}, with its bootstrap interval (BCa)`,
    `p: ${tests.join('; ')}; exact, two-sided${corrected}; the verdict is at 5 %`,
  ];
}

function columns(...names: readonly string[]): Table['columns'] {
  return names.map(name => ({ name }));
}

function digits(value: number | null | undefined, count = 4): string | null {
  return value === null || value === undefined ? null : String(Number(value.toPrecision(count)));
}

function signed(value: number | null | undefined, count = 3): string | null {
  const text = digits(value, count);
  return text === null || text.startsWith('-') || text === '0' ? text : `+${text}`;
}

function intervalOf(compared: SideComparison | undefined): string | null {
  const { low, high } = compared?.interval ?? {};
  return low === undefined || high === undefined ? null : `${signed(low, 2)} to ${signed(high, 2)}`;
}
