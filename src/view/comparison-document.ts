/** A comparison as a document: its tables and sentences. */
import type { Comparison, SideComparison, SideInfo } from '../judge/comparison/document.js';
import type { Json } from '../run/json.js';
import { formatDuration, rounded } from '../util/numbers.js';
import type { Effect } from '../util/schema.js';
import type { Cell, Table } from '../util/table.js';
import type { Block } from './blocks.js';

export function comparisonBlocks(comparison: Comparison): readonly Block[] {
  const { sides, metrics } = comparison;
  const named = sides.map(side => [side.id, side.name, describeSide(side)]);
  const differences = differencesTable(comparison);
  return [
    { kind: 'table', table: { columns: columns('side', 'name', 'runs'), rows: named } },
    differences.rows.length === 0
      ? { kind: 'paragraph', text: 'Configs, data, versions and machines are equal.' }
      : { kind: 'table', title: 'What differs', table: differences },
    ...(metrics.length === 0
      ? []
      : [{ kind: 'table' as const, title: 'Metrics', table: metricsTable(comparison) }]),
    { kind: 'list', items: sentencesOf(comparison) },
    { kind: 'table', title: 'Performance', table: performanceTable(comparison) },
  ];
}

/** Settings that differ, or all with `--all`. */
function differencesTable({ sides, config, facts }: Comparison): Table {
  const rows = [
    ...config.map(({ key, values, changes }) => [key, ...values.map(listed), effectWords(changes)]),
    ...facts.map(({ key, values, changes_results }) => [
      key,
      ...values.map(listed),
      changes_results ? 'perhaps results' : 'nothing',
    ]),
  ];
  return { columns: columns('what', ...sides.map(({ id }) => id), 'changes'), rows };
}

/** One record for each metric of each side, with all digits. */
function recordsOf({ sides, metrics }: Comparison) {
  return metrics.flatMap(({ metric, sides: measured, comparisons }) =>
    measured.map(({ side, n, mean, spread, best }) => {
      const compared = comparisons.find(comparison => comparison.side === side);
      const { difference = null, interval, test, verdict = null, reason = null } = compared ?? {};
      const { low = null, high = null } = interval ?? {};
      return {
        metric,
        side,
        name: sides.find(({ id }) => id === side)?.name ?? null,
        ...{ n, mean, spread, best, difference, low, high },
        test: test?.name ?? null,
        p: test?.p ?? null,
        p_adjusted: test?.p_adjusted ?? null,
        ...{ verdict, reason },
      };
    }),
  );
}

/** The metrics for programs: with all digits, and column names without spaces. */
export function metricsRecords(comparison: Comparison): Table {
  const names = 'metric side name n mean spread best difference low high test p p_adjusted verdict reason';
  return { columns: columns(...names.split(' ')), rows: recordsOf(comparison).map(Object.values) };
}

function metricsTable(comparison: Comparison): Table {
  const rows = recordsOf(comparison).map(({ low, high, ...record }, i, all): Cell[] => [
    all[i - 1]?.metric === record.metric ? '' : record.metric,
    record.side,
    record.n,
    digits(record.mean),
    digits(record.spread, 2),
    digits(record.best),
    signed(record.difference),
    low === null || high === null ? null : `${signed(low, 2)} to ${signed(high, 2)}`,
    digits(record.p_adjusted, 2),
    record.verdict,
  ]);
  const names = ['metric', 'side', 'n', 'mean', 'spread', 'best', 'difference'];
  return { columns: columns(...names, '95 % interval', 'p', 'verdict'), rows };
}

function performanceTable({ performance }: Comparison): Table {
  const rows = performance.map(({ side, ms_per_step, duration_s, peak_rss_mb, machines }): Cell[] => [
    side,
    digits(ms_per_step, 3),
    duration_s === null ? null : formatDuration(duration_s),
    peak_rss_mb === null ? null : Math.round(peak_rss_mb),
    machines.join('; '),
  ]);
  return { columns: columns('side', 'ms per step', 'duration', 'peak RSS, MB', 'on'), rows };
}

function columns(...names: readonly string[]): Table['columns'] {
  return names.map(name => ({ name }));
}

function digits(value: number | null, count = 4): string | null {
  return value === null ? null : rounded(value, count);
}

function signed(value: number | null, count = 3): string | null {
  const text = digits(value, count);
  return text === null || text.startsWith('-') || text === '0' ? text : `+${text}`;
}

const EFFECTS: Readonly<Record<Effect, string>> = {
  numerics: 'numerics',
  data: 'data',
  data_order: 'data order',
  initialisation: 'initialisation',
  length: 'length',
  evaluations: 'best values',
  selection: 'the best checkpoint',
  final: 'the final weights',
  unknown: 'not known',
};

/** The effects of a difference in words; `nothing` if it cannot change results. */
export function effectWords(changes: readonly Effect[]): string {
  return changes.length === 0 ? 'nothing' : changes.map(effect => EFFECTS[effect]).join(', ');
}

function describeSide({ runs, seeds, folds }: SideInfo): string {
  const counted = runs.filter(run => run.left_out === null).length;
  const outOf = counted === runs.length ? '' : `${counted} of `;
  const words = `${outOf}${runs.length} run${runs.length === 1 ? '' : 's'}`;
  if (folds) return `${words}, folds ${ranges(folds)}`;
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

export function sentencesOf(comparison: Comparison): string[] {
  return [
    ...methodSentences(comparison),
    ...reasonSentences(comparison),
    ...leftOutSentences(comparison).map(sentence => `left out: ${sentence}`),
    ...comparison.notes.map(note => `note: ${note}`),
  ];
}

function listed(values: readonly Json[]): string {
  if (values.length === 0) return 'not set';
  const isSeeds = values.length > 3 && values.every(Number.isInteger);
  if (isSeeds) return ranges(values as readonly number[]);
  return values.map(value => brief(typeof value === 'string' ? value : JSON.stringify(value))).join(', ');
}

/** Shortens digests and revisions to 8 digits. */
function brief(text: string): string {
  return /^[0-9a-f]{40,64}$/.test(text) ? text.slice(0, 8) : text;
}

function leftOutSentences({ sides, metrics, left_out }: Comparison): string[] {
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

/** Reasons for inconclusive verdicts, each once for all its sides and metrics. */
function reasonSentences({ metrics }: Comparison): string[] {
  const causes = new Map<string, { sides: Set<string>; metrics: Set<string> }>();
  for (const { metric, comparisons } of metrics)
    for (const compared of comparisons)
      for (const reason of reasonsOf(compared)) {
        const known = causes.get(reason) ?? { sides: new Set(), metrics: new Set() };
        causes.set(reason, known);
        known.sides.add(compared.side);
        known.metrics.add(metric);
      }
  return [...causes].map(([reason, found]) => {
    const only = found.metrics.size === metrics.length ? '' : ` (${[...found.metrics].join(', ')})`;
    return `${[...found.sides].join(', ')}: ${reason}${only}`;
  });
}

function reasonsOf({ reason, unpaired, against }: SideComparison): string[] {
  const unused = `${unpaired} ${unpaired === 1 ? 'run has a seed' : 'runs have seeds'} that only one of it and ${against} has`;
  return [...(reason === null ? [] : [reason]), ...(unpaired === 0 ? [] : [unused])];
}

function foldSentences([{ id }, ...others]: readonly SideInfo[]): string[] {
  const corrected = others.length > 1 ? `, adjusted for ${others.length} comparisons (Holm)` : '';
  return [
    `difference: the mean of the differences to ${id} on the same fold, with its 95 % interval`,
    `p: Student's t over pairs of the same fold, corrected for overlapping training sets (Nadeau and Bengio), two-sided${corrected}; the verdict is at 5 %`,
  ];
}

function methodSentences({ metrics, sides }: Comparison): string[] {
  const all = metrics.flatMap(({ comparisons }) => comparisons);
  const isPaired = (wanted: boolean): boolean =>
    all.some(({ paired, test }) => test !== null && paired === wanted);
  const isCorrected = all.some(({ test }) => test?.name === 'corrected_t');
  if (isCorrected && !isPaired(false)) return foldSentences(sides);
  const tests = [
    ...(isPaired(true) ? ['Wilcoxon signed-rank over pairs of the same seed'] : []),
    ...(isPaired(false) ? ['Mann-Whitney if no seeds are shared'] : []),
  ];
  if (tests.length === 0) return [];
  const [{ id }] = sides;
  const paired = `the mean of the differences to ${id} with the same seed`;
  const means = `of the mean to that of ${id}`;
  const difference = !isPaired(true)
    ? means
    : isPaired(false)
      ? `${paired}; if none is shared, ${means}`
      : paired;
  // only p is corrected, so an interval may exclude zero although p does not reach the level
  const single = sides.length > 2 ? ', each at 95 % by itself, not corrected' : '';
  const corrected = sides.length > 2 ? `, corrected for ${sides.length - 1} comparisons (Holm)` : '';
  return [
    `difference: ${difference}, with its bootstrap interval (BCa)${single}`,
    `p: ${tests.join('; ')}; exact, two-sided${corrected}; the verdict is at 5 %`,
  ];
}
